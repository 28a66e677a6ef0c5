//! What a gateway does when the time of a lease or of a deal is up.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::{Network, Node, bytes};
use serde_json::{Value, json};

use crate::dev_providers::wait_for_next_epoch;
use crate::{retrieve, submit};

/// A file whose lease was given back lives to the end of the epoch. Whoever sends it again by then pays longer for it: it
/// is not stored anew.
#[tokio::test]
async fn a_released_file_that_is_sent_again_is_paid_for_longer() {
    // Long enough for a release and a submit within one epoch.
    let edit = |spec: &mut Value| spec["genesis"]["parameters"]["time"]["epochMs"] = json!(15_000);
    let network = Network::like_dev(edit).unwrap();
    let node = network.start().unwrap();
    let data = bytes(60, 300_000);
    let stored = submit(&node, &data).await;
    let file = stored["fileId"].clone();
    // The lease begins with the next epoch; before, a release leaves nothing of it.
    wait_for_next_epoch(&node).await;
    let released = node.ok("storage_release", json!([file])).await.unwrap();
    let ends = node.ok("chain_getHeader", json!([])).await.unwrap()["epoch"].as_u64().unwrap() + 1;
    assert_eq!(lease(&node, &file).await, Some(ends));

    let options = json!({ "leaseEpochs": 50 });
    let again = node.ok("storage_submit", json!([BASE64_STANDARD.encode(&data), options])).await.unwrap();
    assert_eq!(again["fileId"], file);
    assert_eq!(again["leaseUntilEpoch"].as_u64().unwrap(), ends + 50);
    assert_eq!(lease(&node, &file).await, Some(ends + 50));
    let transaction = node.ok("chain_getTransaction", json!([again["txHash"]])).await.unwrap();
    assert!(again["txHash"] != stored["txHash"] && again["height"].as_u64() > released["height"].as_u64());
    let block = node.ok("chain_getBlock", json!([transaction["height"]])).await.unwrap();
    let call = &block["transactions"][0]["call"];
    assert_eq!((&call["module"], &call["name"]), (&json!("storage"), &json!("extend")));
    assert!(retrieve(&node, &file).await == data);
    // Now it is paid for, and the same once more changes nothing.
    assert_eq!(submit(&node, &data).await["leaseUntilEpoch"], again["leaseUntilEpoch"]);
}

/// When the last lease ends.
async fn lease(node: &Node, file: &Value) -> Option<u64> {
    let leases = node.ok("storage_file", json!([file])).await.unwrap()["leases"].clone();
    leases.as_array().unwrap().iter().map(|lease| lease["to"].as_u64().unwrap()).max()
}

/// Providers promise to keep pieces for a deal's time; an upload that takes longer makes a new one by itself.
#[tokio::test]
async fn an_upload_that_takes_longer_than_its_deal_makes_another_and_is_paid_once() {
    const WINDOW_MS: u64 = 3_000;
    const SEGMENT_BYTES: usize = 2 * 128 * 1024;
    let network = Network::like_dev(|spec| {
        let parameters = &mut spec["genesis"]["parameters"];
        parameters["limits"]["pieceBytes"] = json!(SEGMENT_BYTES / 2);
        (parameters["time"]["storeWindowMs"], parameters["time"]["idleMs"]) = (json!(WINDOW_MS), json!(200));
    })
    .unwrap();
    let node = network.start().unwrap();
    let data = bytes(61, 2 * SEGMENT_BYTES + 1_000);
    let options = json!({ "size": data.len(), "resumeKey": "late" });
    let id = node.ok("storage_beginUpload", options).await.unwrap()["uploadId"].clone();
    let half = SEGMENT_BYTES + 1_000;
    node.ok("storage_uploadChunk", json!([id, 0, BASE64_STANDARD.encode(&data[..half])])).await.unwrap();
    while node.ok("storage_uploadStatus", json!([id])).await.unwrap()["piecesAcknowledged"] != 4 {}
    // The first segment is placed under a deal whose time ends now.
    let now = async || node.ok("chain_getHeader", json!([])).await.unwrap()["timestampMs"].as_u64().unwrap();
    let placed = now().await;
    while now().await <= placed + WINDOW_MS {
        tokio::task::yield_now().await;
    }
    node.ok("storage_uploadChunk", json!([id, half, BASE64_STANDARD.encode(&data[half..])])).await.unwrap();
    let receipt = node.ok("storage_finishUpload", json!([id])).await.unwrap();
    assert!(retrieve(&node, &receipt["fileId"]).await == data);

    let path = network.chain_folder().join("uploads").join(id.as_str().unwrap()).join("journal");
    let journal = std::fs::read_to_string(path).unwrap();
    let steps: Vec<_> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_str().unwrap().to_owned())
        .collect();
    let deals = steps.iter().filter(|step| *step == "deal").count();
    let second = steps.iter().rposition(|step| step == "deal").unwrap();
    assert!(deals >= 2, "{steps:?}");
    assert_eq!(
        steps[second + 1..].iter().filter(|step| *step == "segment").count(),
        3,
        "all are placed anew: {steps:?}"
    );
    let leases = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap()["leases"].clone();
    assert_eq!(leases.as_array().unwrap().len(), 1);
}
