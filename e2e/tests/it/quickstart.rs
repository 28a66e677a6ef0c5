//! The README's quickstart does what it says.

use std::process::Command;

use e2e::{Network, node_binary};

/// The shell blocks of the README's section "Quickstart", but for the one that starts the node.
fn quickstart() -> String {
    let readme = include_str!("../../../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("Quickstart")).expect("a quickstart");
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.filter(|block| !block.contains("make run")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readmes_commands_work_as_written() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    // Only the port is another, so that several tests can run at once, and the program is the one just built.
    let address = node.url().strip_prefix("http://").unwrap();
    let script = quickstart().replace("127.0.0.1:9944", address).replace("./target/release/node", "$NODE");
    assert!(script.contains("storage_locate") && script.contains("cmp "), "{script}");
    let folder = network.base().join("quickstart");
    std::fs::create_dir(&folder).unwrap();
    // The shell that the fences name, and nothing that it lacks.
    let output = Command::new("sh")
        .args(["-eu", "-c", &script])
        .env("NODE", node_binary())
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"provider\""), "{said}");
}
