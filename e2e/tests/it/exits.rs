//! What a process ends with is what the README says, and completions are there for every shell.

use std::process::{Command, Output, Stdio};

use e2e::{Network, node_binary};

fn run(args: &[&str]) -> Output {
    Command::new(node_binary()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// The README's table: code and meaning.
fn documented() -> Vec<i32> {
    let readme = include_str!("../../../README.md");
    let section =
        readme.split("\n## ").find(|section| section.starts_with("Exit codes")).expect("a table of exit codes");
    section.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok()).collect()
}

#[tokio::test]
async fn each_end_has_its_documented_code() {
    let network = Network::dev().unwrap();
    let base = network.base().to_str().unwrap().to_owned();
    let node = network.start().unwrap();
    let port = node.url().rsplit(':').next().unwrap().to_owned();
    let unknown = format!("0x{}", "ab".repeat(32));
    let other = tempfile::tempdir().unwrap();
    let other = other.path().to_str().unwrap();
    let cases: [(&[&str], i32, &str); 10] = [
        (&["--version"], 0, ""),
        (&["help", "file"], 0, ""),
        (&["--no-such-flag"], 2, "--no-such-flag"),
        (&["file", "get"], 2, "<FILE>"),
        (&["file", "get", "nonsense"], 2, "nonsense"),
        (&["completions", "no-shell"], 2, "no-shell"),
        (&["--chain", "/nowhere/spec.json"], 1, "/nowhere/spec.json"),
        (&["file", "get", &unknown, "--rpc", node.url()], 1, "1001"),
        (&["file", "put", "/nowhere/file", "--rpc", node.url()], 1, "/nowhere/file"),
        (
            &["--base-path", other, "--port", "0", "--dsn-port", "0", "--no-prometheus", "--rpc-port", &port],
            1,
            "--rpc-port",
        ),
    ];
    let documented = documented();
    for (args, code, named) in cases {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?}: {said}");
        assert!(documented.contains(&code), "{code} is not in the README");
    }
    assert_eq!(node.terminate().unwrap().code(), Some(0), "SIGTERM is an ordinary end");
    // Two nodes of two chains cannot have one base path; crash.rs has the whole story.
    assert!(documented.contains(&65) && documented.contains(&70), "{documented:?} for {base}");
}

#[test]
fn every_shell_gets_its_completions_and_one_that_can_be_asked_takes_them() {
    for (shell, knows) in [
        ("bash", "_node()"),
        ("zsh", "#compdef node"),
        ("fish", "complete -c node"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let output = run(&["completions", shell]);
        assert!(output.status.success(), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(knows) && script.contains("verify-proof"), "{shell}");
    }
    let script = r#"set -e
        eval "$("$NODE" completions bash)"
        COMP_WORDS=(node file lo); COMP_CWORD=2; COMPREPLY=()
        _node node lo file
        echo "${COMPREPLY[@]}""#;
    match Command::new("bash").args(["-c", script]).env("NODE", node_binary()).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "locate", "{output:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "only a machine without bash is excused"),
    }
}
