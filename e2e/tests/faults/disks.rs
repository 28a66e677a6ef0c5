//! Disks that are full or read only, two nodes on one folder, and a clock that is wrong.

use e2e::power_cut::PowerCut;
use e2e::{Network, Node, bytes};
use serde_json::{Value, json};

use crate::{download, put};

/// Starts a node that does not come far; its exit code and what it said.
fn refused(command: &mut std::process::Command) -> (Option<i32>, String) {
    let output = command.args(["--port", "0", "--dsn-port", "0", "--rpc-port", "0"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_base_path_that_cannot_be_written_is_refused_with_73_and_named() {
    let network = Network::dev().unwrap();
    let base = network.base().canonicalize().unwrap();
    let refused_now = |network: &Network| {
        let power = PowerCut::over(&base).unwrap();
        power.read_only(Some(&base)).unwrap();
        refused(power.watch(&mut network.command()))
    };
    // Before there is anything, and when there is a chain.
    for _ in 0..2 {
        let (code, said) = refused_now(&network);
        assert_eq!(code, Some(73), "{said}");
        assert!(said.contains(base.to_str().unwrap()) && said.contains("Read-only"), "{said}");
        network.start().unwrap().kill().unwrap();
    }
}

#[test]
fn a_chain_on_a_disk_that_is_read_only_can_be_looked_at() {
    let network = Network::dev().unwrap();
    let base = network.base().canonicalize().unwrap();
    network.start().unwrap().kill().unwrap();
    let power = PowerCut::over(&base).unwrap();
    power.read_only(Some(&base)).unwrap();
    let mut look = std::process::Command::new(e2e::node_binary());
    look.args(["chain-info", "--chain", "dev", "--output", "json", "--base-path"]).arg(&base);
    let output = power.watch(&mut look).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(info["height"].is_u64(), "{info}");
}

#[test]
fn a_second_node_on_one_base_path_is_refused_with_75() {
    let network = Network::dev().unwrap();
    let _first = network.start().unwrap();
    let (code, said) = refused(&mut network.command());
    assert_eq!(code, Some(75), "{said}");
    assert!(said.contains("another node uses"), "{said}");
}

#[tokio::test]
async fn a_disk_that_fills_up_refuses_files_and_keeps_what_it_has() {
    let network = Network::dev().unwrap();
    let power = PowerCut::over(network.base()).unwrap();
    let node = Node::start(power.watch(&mut network.command())).unwrap();
    let (status, first) = put(&node, bytes(1, 300_000)).await;
    assert_eq!(status, 201, "{first}");
    let pieces = network.chain_folder().join("pieces");
    let spool = network.chain_folder().join("spool");
    for full in [&pieces, &spool] {
        power.fill(Some(&full.canonicalize().unwrap())).unwrap();
        let (status, answer) = put(&node, bytes(2, 300_000)).await;
        assert_eq!((status, &answer["error"]["code"]), (507, &json!(1005)), "{}: {answer}", full.display());
        // Nobody has promised anything.
        let state = node.ok("storage_files", json!({})).await.unwrap();
        assert_eq!(state["items"].as_array().unwrap().len(), 1, "{state}");
        assert!(download(&node, &first["fileId"]).await == bytes(1, 300_000));
        power.fill(None).unwrap();
    }
    let (status, second) = put(&node, bytes(2, 300_000)).await;
    assert_eq!(status, 201, "{second}");

    // Without room for a block the node stops, and says so.
    power.fill(Some(&network.chain_folder().join("ledger").canonicalize().unwrap())).unwrap();
    let _ = node.http(reqwest::Method::PUT, "/v1/files").body(bytes(3, 1000)).send().await;
    let (status, printed) = node.ended().unwrap();
    assert_eq!(status.code(), Some(70), "{printed:#?}");
    assert!(printed.iter().any(|line| line.contains("No space left")), "{printed:#?}");
    let node = network.start().unwrap();
    assert!(download(&node, &first["fileId"]).await == bytes(1, 300_000));
    assert!(download(&node, &second["fileId"]).await == bytes(2, 300_000));
}

#[tokio::test]
async fn a_clock_that_is_set_back_an_hour_stops_nothing() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (_, before) = put(&node, bytes(1, 100_000)).await;
    node.kill().unwrap();
    let mut command = network.command();
    command.env("POWER_CUT_CLOCK_MS", "-3600000");
    let power = PowerCut::over(network.base()).unwrap();
    let node = Node::start(power.watch(&mut command)).unwrap();
    let (status, after) = put(&node, bytes(2, 100_000)).await;
    assert_eq!(status, 201, "{after}");
    let time = async |receipt: &Value| {
        let header = node.ok("chain_getHeader", json!([receipt["height"]])).await.unwrap();
        header["timestampMs"].as_u64().unwrap()
    };
    let (first, second) = (time(&before).await, time(&after).await);
    assert!(first < second && second < first + 60_000, "{first} {second}");
    assert!(download(&node, &before["fileId"]).await == bytes(1, 100_000));
}
