//! `node file put` says what the node says, and goes on where it was broken off.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use e2e::{Network, Node, bytes, node_binary};
use serde_json::{Value, json};

use crate::download;

/// One segment of the dev profile: long enough to be broken off.
const BYTES: usize = 128 * 1024 * 1024;

fn put(node: &Node, path: &std::path::Path) -> Command {
    let mut command = Command::new(node_binary());
    command.args(["file", "put"]).arg(path).args(["--rpc", node.url()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn a_put_that_is_killed_goes_on_and_shows_what_the_node_has() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (data, path) = (bytes(7, BYTES), network.base().join("large"));
    std::fs::write(&path, &data).unwrap();

    let mut first = put(&node, &path).spawn().unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with(" of 128.00 MiB")), "the first tenth is never shown");
    first.kill().unwrap();
    first.wait().unwrap();

    let second = put(&node, &path).output().unwrap();
    let shown = String::from_utf8(second.stderr).unwrap();
    assert!(second.status.success(), "{shown}");
    assert!(shown.starts_with("put: goes on at "), "{shown}");
    assert!(shown.lines().last().unwrap().starts_with("put: done, 128.00 MiB at "), "{shown}");
    let receipt: Value = serde_json::from_slice(&second.stdout).unwrap();
    let file = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(file["leases"].as_array().unwrap().len(), 1, "paid once");
    assert!(download(&node, &receipt["fileId"]).await == data);
    let uploads = node.ok("storage_uploads", json!({})).await.unwrap();
    assert_eq!(uploads["items"].as_array().unwrap().len(), 1, "{uploads}");
}
