//! The script that decides whether a change may land ends, and says why.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `.ci/run` with a `make` that does what is given and so many seconds for all.
fn run(make: &str, limit_s: u32) -> Output {
    let folder = tempfile::tempdir().unwrap();
    // With a python3 of its own too, so that nothing is installed.
    for (name, does) in [("make", make), ("python3", "exit 0")] {
        let program = folder.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{does}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/run");
    let mut command = Command::new(script);
    command.env("PATH", path).env("PIECEWISE_CI_LIMIT_S", limit_s.to_string()).output().unwrap()
}

#[test]
fn steps_that_take_too_long_are_ended_with_a_line_that_names_them() {
    let output = run("tail -f /dev/null", 2);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{said}");
    assert!(said.contains("OUT OF TIME: 'make fmt'") && said.contains("2 seconds"), "{said}");
}

#[test]
fn a_step_that_fails_ends_the_run_with_its_status() {
    let output = run("[ \"$1\" = fmt ] || exit 3", 600);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("== make lint"));
}
