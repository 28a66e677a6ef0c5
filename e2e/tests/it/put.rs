//! `node file put` says what the node says, and goes on where it was broken off.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use e2e::{Network, Node, bytes, node_binary};
use serde_json::{Value, json};

use crate::download;

/// One segment of the dev profile: long enough to be broken off.
const BYTES: usize = 128 * 1024 * 1024;

/// What a node may hold of a body before it is on the disk.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of files that clients sent to the node.
async fn client_bytes(node: &Node) -> usize {
    usize::try_from(node.metric("piecewise_client_received_bytes_total").await.unwrap()).unwrap()
}

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
    // The first command's last bytes may have waited to be written when the second one asked.
    let sent = client_bytes(&node).await;
    assert!(sent < BYTES + WAITING_BYTES_MAX, "{sent} bytes for a file of {BYTES}");
    assert!(shown.lines().last().unwrap().starts_with("put: done, 128.00 MiB at "), "{shown}");
    let receipt: Value = serde_json::from_slice(&second.stdout).unwrap();
    let file = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(file["leases"].as_array().unwrap().len(), 1, "paid once");
    assert!(download(&node, &receipt["fileId"]).await == data);
    let uploads = node.ok("storage_uploads", json!({})).await.unwrap();
    assert_eq!(uploads["items"].as_array().unwrap().len(), 1, "{uploads}");
}

/// What a put says whose node dies, what the same command says when the node is back, and how many bytes it sends.
async fn broken_off(network: &Network, data: &[u8], failpoint: &str) -> (String, String, usize) {
    let path = network.base().join("file");
    std::fs::write(&path, data).unwrap();
    let node = Node::start(network.command().env("FAILPOINTS", format!("{failpoint}=panic"))).unwrap();
    let first = put(&node, &path).output().unwrap();
    assert_eq!(first.status.code(), Some(1));
    drop(node);
    let node = network.start().unwrap();
    let second = put(&node, &path).output().unwrap();
    let shown = String::from_utf8(second.stderr).unwrap();
    assert!(second.status.success(), "{shown}");
    let receipt: Value = serde_json::from_slice(&second.stdout).unwrap();
    let file = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(file["leases"].as_array().unwrap().len(), 1, "paid once");
    assert!(download(&node, &receipt["fileId"]).await == data);
    let sent = client_bytes(&node).await;
    (String::from_utf8(first.stderr).unwrap(), shown, sent)
}

#[tokio::test]
async fn a_put_whose_node_dies_says_that_the_same_command_goes_on_where_it_was() {
    let network = Network::dev().unwrap();
    network.start().unwrap().kill().unwrap();
    // All of it is here when a piece is synced.
    let (said, then, sent) = broken_off(&network, &bytes(8, 20 << 20), "dsn::piece::before_sync").await;
    assert!(said.contains("the same command goes on where it was"), "{said}");
    assert!(!said.contains("is a node running there?"), "{said}");
    assert!(then.starts_with("put: goes on at "), "{then}");
    assert_eq!(sent, 1, "a range of no bytes cannot be written, so that the last one comes again");
}

#[tokio::test]
async fn a_put_that_goes_on_with_a_file_whose_beginning_changed_is_refused() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (mut data, path) = (bytes(13, 20 << 20), network.base().join("file"));
    std::fs::write(&path, &data).unwrap();
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    drop(node);
    let node = Node::start(network.command().env("FAILPOINTS", "dsn::piece::before_sync=panic")).unwrap();
    assert!(!put(&node, &path).output().unwrap().status.success());
    drop(node);

    let node = network.start().unwrap();
    data[0] ^= 1;
    std::fs::write(&path, &data).unwrap();
    // Nothing else tells the command that it is another file.
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let refused = put(&node, &path).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("prefixHash") && said.contains("-32602"), "{said}");
    assert_eq!(client_bytes(&node).await, 0);
}

#[tokio::test]
async fn a_put_of_a_small_file_whose_node_dies_says_that_it_is_sent_again() {
    let network = Network::dev().unwrap();
    network.start().unwrap().kill().unwrap();
    for (seed, failpoint) in [(9, "dsn::piece::before_sync"), (10, "dsn::commitment::after_sign")] {
        let (said, then, sent) = broken_off(&network, &bytes(seed, 1 << 20), failpoint).await;
        assert!(said.contains("the same command sends the file again"), "{said}");
        assert!(!then.starts_with("put: goes on at "), "{then}");
        assert_eq!(sent, 1 << 20);
    }
}

#[tokio::test]
async fn a_get_that_is_ended_by_a_signal_leaves_nothing_behind() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let stored = node.http(reqwest::Method::PUT, "/v1/files").body(bytes(12, BYTES)).send().await.unwrap();
    let receipt: Value = stored.json().await.unwrap();
    let folder = network.base().join("fetched");
    std::fs::create_dir(&folder).unwrap();
    let mut get = Command::new(node_binary());
    get.args(["file", "get", receipt["fileId"].as_str().unwrap(), "--rpc", node.url(), "-o"]).arg(folder.join("file"));
    let mut get = get.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(get.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with(" of 128.00 MiB")), "the first tenth is never shown");
    assert!(Command::new("kill").arg(get.id().to_string()).status().unwrap().success());
    let said: Vec<String> = lines.collect();
    assert_eq!(get.wait().unwrap().code(), Some(1), "{said:?}");
    assert!(said.iter().any(|line| line.contains("SIGTERM")), "{said:?}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_name_that_cannot_be_a_label_is_refused_with_the_flag_that_gives_another() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let path = network.base().join("two\nlines");
    std::fs::write(&path, b"x").unwrap();
    let refused = put(&node, &path).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("--name"), "{said}");
    assert!(put(&node, &path).args(["--name", "one line"]).status().unwrap().success());
}
