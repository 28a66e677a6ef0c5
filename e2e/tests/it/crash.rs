//! What was answered is there after SIGKILL.

use std::process::Command;

use e2e::{Network, Node, bytes, node_binary};
use serde_json::json;

use crate::{retrieve, submit};

#[tokio::test]
async fn every_answered_submit_survives_sigkill() {
    let network = Network::dev().unwrap();
    let mut stored = Vec::new();
    for life in 0..4u64 {
        let node = network.start().unwrap();
        for (file, data) in &stored {
            assert!(retrieve(&node, file).await == *data, "life {life}: {file}");
        }
        for seed in 0..3 {
            let data = bytes(1_000 + life * 10 + seed, 40_000);
            stored.push((submit(&node, &data).await["fileId"].clone(), data));
        }
        // One more is under way when the process dies.
        let body = bytes(2_000 + life, 200_000);
        let under_way = node.http(reqwest::Method::PUT, "/v1/files").body(body).send();
        let killed = tokio::time::timeout(std::time::Duration::from_millis(3 * life), under_way).await;
        drop(killed);
        node.kill().unwrap();
    }
}

#[tokio::test]
async fn sigterm_ends_the_node_in_order() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    submit(&node, b"kept").await;
    assert!(node.terminate().unwrap().success());
    let node = network.start().unwrap();
    let health = node.ok("system_health", json!([])).await.unwrap();
    assert_eq!(health["isSyncing"], false);
}

#[tokio::test]
async fn tmp_forgets_everything() {
    let start = || Node::start(Command::new(node_binary()).args(["--chain", "dev", "--tmp"])).unwrap();
    let node = start();
    let file = submit(&node, b"forgotten").await["fileId"].clone();
    assert!(node.terminate().unwrap().success());
    let node = start();
    assert_eq!(node.err("storage_file", json!([file])).await.unwrap()["code"], 1001);
}

#[test]
fn a_base_path_of_another_genesis_is_refused_with_65() {
    let network = Network::dev().unwrap();
    network.start().unwrap().terminate().unwrap();
    let preset = include_str!("../../../chain-spec/presets/dev.json");
    let other = network.base().join("other.json");
    std::fs::write(&other, preset.replace("piecewise dev", "another seed")).unwrap();
    let output = Command::new(node_binary()).arg("--chain").arg(&other).arg("--base-path").arg(network.base()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("purge-chain"), "{said}");
}

#[test]
fn a_second_node_on_one_base_path_is_refused() {
    let network = Network::dev().unwrap();
    let _first = network.start().unwrap();
    let output = Command::new(node_binary()).args(["--chain", "dev", "--base-path"]).arg(network.base()).output();
    let output = output.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another node uses"));
}
