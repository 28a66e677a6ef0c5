//! `--dev-providers N`: more providers than the genesis has, registered by transaction.

use std::process::Command;

use e2e::{Network, Node, bytes, node_binary};
use serde_json::{Value, json};

use crate::{retrieve, submit};

/// Waits until the providers registered so far are drawn for new files.
pub async fn wait_for_next_epoch(node: &Node) {
    let epoch = async || node.ok("chain_getHeader", json!([])).await.unwrap()["epoch"].as_u64().unwrap();
    let registered = epoch().await;
    while epoch().await <= registered {
        tokio::task::yield_now().await;
    }
}

/// The dev chain with short epochs, so that new providers are soon drawn.
pub fn with_short_epochs() -> Network {
    Network::like_dev(|spec| spec["genesis"]["parameters"]["time"]["epochMs"] = json!(1_000)).unwrap()
}

async fn providers(node: &Node) -> Vec<Value> {
    node.ok("provider_list", json!([])).await.unwrap()["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn six_providers_all_get_pieces_and_register_once() {
    let network = with_short_epochs();
    let node = network.start_with(&["--dev-providers", "6"]).unwrap();
    let registered = providers(&node).await;
    assert_eq!(registered.len(), 6);
    let operators: std::collections::BTreeSet<_> =
        registered.iter().map(|provider| provider["operator"].as_str().unwrap().to_owned()).collect();
    assert_eq!(operators.len(), 6, "each is an operator of its own");
    wait_for_next_epoch(&node).await;
    let mut seed = 0;
    let mut file = Value::Null;
    while !providers(&node).await.iter().all(|provider| provider["committedBytes"] != 0) {
        seed += 1;
        file = submit(&node, &bytes(seed, 100_000)).await["fileId"].clone();
        assert!(seed < 200, "{:?}", providers(&node).await);
    }
    let height = node.ok("chain_getHeader", json!([])).await.unwrap()["height"].clone();
    node.terminate().unwrap();

    // They are known already: nothing is registered or paid again.
    let node = network.start_with(&["--dev-providers", "6"]).unwrap();
    assert_eq!(providers(&node).await.len(), 6);
    let mut calls = Vec::new();
    let head = node.ok("chain_getHeader", json!([])).await.unwrap()["height"].as_u64().unwrap();
    for height in height.as_u64().unwrap() + 1..=head {
        let block = node.ok("chain_getBlock", json!([height])).await.unwrap();
        let names = block["transactions"].as_array().unwrap().iter();
        calls.extend(names.map(|transaction| transaction["call"]["name"].as_str().unwrap().to_owned()));
    }
    assert!(calls.iter().all(|name| name == "update"), "{calls:?}");
    assert!(retrieve(&node, &file).await == bytes(seed, 100_000));
    node.terminate().unwrap();

    // Two that do not run any more are two that vanished, and are said to be missing.
    let node = network.start().unwrap();
    assert!(retrieve(&node, &file).await == bytes(seed, 100_000));
    let receipt = submit(&node, &bytes(1_000, 100_000)).await;
    assert!(retrieve(&node, &receipt["fileId"]).await == bytes(1_000, 100_000));
    node.printed_line("registered providers do not run; --dev-providers 6 runs them").unwrap();
}

#[test]
fn a_number_below_the_genesis_or_above_the_limit_is_refused_in_words() {
    for (number, said) in [("3", "4 providers"), ("0", "4 providers"), ("33", "at most 32")] {
        let output = Command::new(node_binary()).args(["--tmp", "--dev-providers", number]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{printed}");
        assert!(printed.contains(&format!("--dev-providers {number}")) && printed.contains(said), "{printed}");
    }
}
