//! Leases end and are given back; then the file is gone from the ledger, and soon after from the disks.

use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::{Network, Node, bytes, node_binary};
use serde_json::{Value, json};

use crate::{retrieve, submit};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

/// The dev chain with epochs of two seconds.
fn hurried() -> Network {
    Network::like_dev(|spec| spec["genesis"]["parameters"]["time"]["epochMs"] = json!(2_000)).unwrap()
}

async fn submit_with(node: &Node, data: &[u8], options: Value) -> Value {
    node.ok("storage_submit", json!([BASE64_STANDARD.encode(data), options])).await.unwrap()["fileId"].clone()
}

async fn free(node: &Node) -> u128 {
    node.ok("account_get", json!([ALICE])).await.unwrap()["free"].as_str().unwrap().parse().unwrap()
}

/// Waits until all four providers say that they let pieces go.
fn wait_until_deleted(node: &mut Node) {
    for _ in 0..4 {
        node.wait_for("pieces were deleted").unwrap();
    }
}

/// How many pieces each provider has on its disk.
fn pieces(network: &Network) -> Vec<usize> {
    fn files(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }
    network.provider_folders().unwrap().iter().map(|folder| files(&folder.join("files"))).collect()
}

async fn is_gone(node: &Node, file: &Value) {
    for method in ["storage_file", "storage_locate", "storage_retrieve", "storage_health", "storage_release"] {
        assert_eq!(node.err(method, json!([file])).await.unwrap()["code"], 1001, "{method}");
    }
    let extend = node.err("storage_extend", json!([file, { "leaseEpochs": 1 }])).await.unwrap();
    assert_eq!(extend["code"], 1001);
}

#[tokio::test]
async fn a_released_file_goes_and_what_others_need_stays() {
    let network = hurried();
    let mut node = network.start().unwrap();
    let data = bytes(40, 400_000);
    // The same bytes under another media type are another file with the same pieces.
    let kept = submit_with(&node, &data, json!({ "mediaType": "text/plain" })).await;
    let other = submit(&node, &bytes(41, 5_000)).await["fileId"].clone();
    let gone = submit_with(&node, &data, json!({})).await;
    assert_ne!(kept, gone);

    let before = free(&node).await;
    let released = node.ok("storage_release", json!([gone])).await.unwrap();
    let refund: u128 = released["refund"].as_str().unwrap().parse().unwrap();
    let fee = before + refund - free(&node).await;
    assert!(refund > 1_000_000_000 && (1..10_000_000).contains(&fee), "{refund} came back for {fee}");
    let transaction = node.ok("chain_getTransaction", json!([released["txHash"]])).await.unwrap();
    assert_eq!((&transaction["status"], &transaction["height"]), (&json!("final"), &released["height"]));

    wait_until_deleted(&mut node);
    is_gone(&node, &gone).await;
    assert!(retrieve(&node, &kept).await == data, "its pieces are those of the file that went");
    assert_eq!(retrieve(&node, &other).await, bytes(41, 5_000));
    for file in [&kept, &other] {
        node.ok("storage_release", json!([file])).await.unwrap();
        wait_until_deleted(&mut node);
    }
    assert_eq!(pieces(&network), [0; 4]);
    // Nothing remembers it in a way that keeps it from coming back.
    assert_eq!(submit_with(&node, &data, json!({})).await, gone);
    assert!(retrieve(&node, &gone).await == data);
}

#[tokio::test]
async fn a_file_whose_lease_ends_goes_and_one_that_is_extended_stays() {
    let network = hurried();
    let mut node = network.start().unwrap();
    let (short, long) = (bytes(42, 300_000), bytes(43, 300_000));
    let extended = submit_with(&node, &long, json!({ "leaseEpochs": 20 })).await;
    node.ok("storage_extend", json!([extended, { "leaseEpochs": 1_000 }])).await.unwrap();
    let leases = node.ok("storage_file", json!([extended])).await.unwrap()["leases"].clone();
    let epochs = |lease: &Value| (lease["from"].as_u64().unwrap(), lease["to"].as_u64().unwrap());
    let [first, second] = [epochs(&leases[0]), epochs(&leases[1])];
    assert_eq!((first.1 - first.0, second.0, second.1 - second.0), (20, first.1, 1_000));

    let ends = submit_with(&node, &short, json!({ "leaseEpochs": 1 })).await;
    wait_until_deleted(&mut node);
    is_gone(&node, &ends).await;
    assert_eq!(pieces(&network), [1; 4]);
    assert!(retrieve(&node, &extended).await == long);
    let health = node.ok("storage_health", json!([extended])).await.unwrap();
    let segments = json!([{ "index": 0, "live": 4, "needed": 2, "total": 4 }]);
    let healthy =
        json!({ "segments": segments, "survivableProviders": 2, "survivableOperators": 2, "repairing": false });
    assert_eq!(health, healthy);
}

#[tokio::test]
async fn what_another_account_pays_for_is_not_ours_to_change() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = submit_with(&node, b"bob's", json!({ "from": BOB })).await;
    let before = free(&node).await;
    for (method, params) in
        [("storage_release", json!([file])), ("storage_extend", json!([file, { "leaseEpochs": 1 }]))]
    {
        let error = node.err(method, params).await.unwrap();
        assert_eq!((&error["code"], &error["data"]["rule"]), (&json!(1003), &json!("noLease")), "{method}");
    }
    for epochs in [json!(0), json!(4_000_000_000u64), json!(-1), json!("1")] {
        let error = node.err("storage_extend", json!([file, { "leaseEpochs": epochs }])).await.unwrap();
        assert_eq!(error["code"], -32602, "{epochs}");
    }
    assert_eq!(free(&node).await, before, "refusals cost nothing");
}

#[tokio::test]
async fn pieces_of_a_file_that_ended_while_the_node_was_down_go_at_its_start() {
    let network = hurried();
    let node = network.start().unwrap();
    let file = submit(&node, &bytes(44, 100_000)).await["fileId"].clone();
    node.ok("storage_release", json!([file])).await.unwrap();
    node.kill().unwrap();
    let mut node = network.start().unwrap();
    // The node may have deleted them before it was killed: the last look is the one that counts.
    while pieces(&network) != [0; 4] {
        node.wait_for("pieces were deleted").unwrap();
    }
    is_gone(&node, &file).await;
}

#[tokio::test]
async fn a_file_that_ends_while_it_is_read_is_not_found_any_more() {
    let network = Network::like_dev(|spec| {
        let parameters = &mut spec["genesis"]["parameters"];
        parameters["time"]["epochMs"] = json!(2_000);
        // Segments so small that most of the file is still to be asked for when the reader stops.
        parameters["limits"]["pieceBytes"] = json!(65_536);
    });
    let network = network.unwrap();
    let mut node = network.start().unwrap();
    let data = bytes(45, 128 * 2 * 65_536);
    let answer = node.http(reqwest::Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
    let receipt: Value = answer.json().await.unwrap();
    let path = format!("/v1/files/{}", receipt["fileId"].as_str().unwrap());
    let mut reading = node.http(reqwest::Method::GET, &path).send().await.unwrap();
    let mut read = reading.chunk().await.unwrap().unwrap().len();
    node.ok("storage_release", json!([receipt["fileId"]])).await.unwrap();
    wait_until_deleted(&mut node);
    let broken = loop {
        match reading.chunk().await {
            Ok(Some(chunk)) => read += chunk.len(),
            Ok(None) => panic!("all of it came, {read} bytes"),
            Err(error) => break error,
        }
    };
    assert!(read < data.len(), "{broken}");
    let line = node.wait_for("a download broke off").unwrap();
    assert!(line.contains("code=1001"), "{line}");
}

#[tokio::test]
async fn the_command_line_lists_extends_and_releases() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = submit(&node, b"a file").await["fileId"].clone();
    let id = file.as_str().unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(node_binary()).arg("file").args(args).args(["--rpc", node.url()]).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let listed: Value = serde_json::from_str(run(&["list"]).trim()).unwrap();
    assert_eq!(listed["fileId"], file);
    assert!(run(&["list", "--owner", BOB]).is_empty());
    let health: Value = serde_json::from_str(&run(&["health", id])).unwrap();
    assert_eq!(health["segments"][0]["live"], 4);
    let extended: Value = serde_json::from_str(&run(&["extend", id, "--lease-epochs", "7"])).unwrap();
    assert!(extended["height"].is_u64());
    let released: Value = serde_json::from_str(&run(&["release", id])).unwrap();
    assert!(released["refund"].is_string(), "{released}");
}
