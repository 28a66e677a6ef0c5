//! An upload that breaks off goes on where it was.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::{Network, Node, bytes};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{download, retrieve, submit};

/// Two segments of the dev profile hold 128 MiB each.
const SEGMENT_BYTES: usize = 128 * 1024 * 1024;
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

async fn begin(node: &Node, size: usize, key: &str) -> (Value, usize) {
    let begun = node.ok("storage_beginUpload", json!({ "size": size, "resumeKey": key })).await.unwrap();
    let received = usize::try_from(begun["received"].as_u64().unwrap()).unwrap();
    (begun["uploadId"].clone(), received)
}

async fn send(node: &Node, id: &Value, data: &[u8], from: usize, to: usize) {
    for start in (from..to).step_by(CHUNK_BYTES) {
        let chunk = &data[start..to.min(start + CHUNK_BYTES)];
        node.ok("storage_uploadChunk", json!([id, start, STANDARD.encode(chunk)])).await.unwrap();
    }
}

async fn status(node: &Node, id: &Value) -> Value {
    node.ok("storage_uploadStatus", json!([id])).await.unwrap()
}

/// The steps that an upload's journal names.
fn steps(network: &Network, id: &Value) -> Vec<String> {
    let path = network.chain_folder().join("uploads").join(id.as_str().unwrap()).join("journal");
    let journal = std::fs::read_to_string(path).unwrap();
    journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["step"].as_str().unwrap().into()).collect()
}

async fn free_balance(node: &Node) -> u128 {
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let account = node.ok("account_get", json!([alice])).await.unwrap();
    account["free"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_upload_goes_on_after_sigkill_without_sending_finished_segments_again() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(1, SEGMENT_BYTES + 2 * CHUNK_BYTES);
    let (id, received) = begin(&node, data.len(), "a").await;
    assert_eq!(received, 0);
    send(&node, &id, &data, 0, SEGMENT_BYTES + CHUNK_BYTES).await;
    // The first segment is placed while the rest is still to come.
    while status(&node, &id).await["piecesAcknowledged"] != 4 {
        assert_eq!(status(&node, &id).await["stage"], "receiving");
    }
    node.kill().unwrap();

    let node = network.start().unwrap();
    let listed = node.ok("storage_uploads", json!({})).await.unwrap();
    assert_eq!(listed["items"][0]["uploadId"], id);
    let counts = |status: &Value| (status["piecesAcknowledged"].clone(), status["piecesTotal"].clone());
    assert_eq!(counts(&listed["items"][0]), (json!(4), json!(8)), "from the first moment on, as the journal says");
    let (again, received) = begin(&node, data.len(), "a").await;
    assert_eq!((&again, received), (&id, SEGMENT_BYTES + CHUNK_BYTES), "all that was acknowledged is here");
    let wrong = node.err("storage_uploadChunk", json!([id, 0, STANDARD.encode([7])])).await.unwrap();
    assert_eq!(wrong["code"], -32602);
    assert!(wrong["message"].as_str().unwrap().contains(&received.to_string()), "{wrong}");
    let early = node.err("storage_finishUpload", json!([id])).await.unwrap();
    assert_eq!(early["code"], -32602);
    send(&node, &id, &data, received, data.len()).await;
    let receipt = node.ok("storage_finishUpload", json!([id])).await.unwrap();
    assert_eq!(receipt["size"], data.len());
    assert_eq!(steps(&network, &id), ["begun", "deal", "segment", "ended", "segment", "final"]);
    assert_eq!(status(&node, &id).await["result"], receipt);
    assert!(download(&node, &receipt["fileId"]).await == data);
    let cancelled = node.err("storage_cancelUpload", json!([id])).await.unwrap();
    assert_eq!(cancelled["code"], 1006, "what is recorded is not cancelled");
    assert_eq!(counts(&status(&node, &id).await), (json!(8), json!(8)));
    node.kill().unwrap();
    let node = network.start().unwrap();
    let known = status(&node, &id).await;
    assert_eq!((&known["stage"], counts(&known)), (&json!("final"), (json!(8), json!(8))), "in the next life too");
}

#[tokio::test]
async fn the_rest_of_a_file_is_taken_as_curl_sends_it_and_nothing_else_is() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(5, 3_000_000);
    let (id, _) = begin(&node, data.len(), "k").await;
    send(&node, &id, &data, 0, 2_000_000).await;
    let rest = async |key: &str, from: usize, prefix: &[u8]| {
        let path = format!("/v1/files?resumeKey={key}&prefixHash=0x{}", pieces::ContentHash::of(prefix));
        let put = node.http(Method::PUT, &path).header("content-range", format!("bytes {from}-2999999/3000000"));
        put.body(data[from..].to_vec()).send().await.unwrap()
    };
    // Behind what is here; of a file with another beginning; of one that never began.
    let refusals = [("k", 2_000_001, "2000000"), ("k", 1_500_000, "prefixHash"), ("l", 2_000_000, "content-range")];
    for (key, from, named) in refusals {
        let refused = rest(key, from, b"other").await;
        assert_eq!(refused.status(), 400);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["error"]["code"], -32602);
        assert!(refused["error"]["message"].as_str().unwrap().contains(named), "{refused}");
    }
    assert_eq!(status(&node, &id).await["received"], 2_000_000);
    // It may begin before the end of what is here.
    let stored = rest("k", 1_500_000, &data[..1_500_000]).await;
    assert_eq!(stored.status(), 201);
    let receipt: Value = stored.json().await.unwrap();
    assert!(download(&node, &receipt["fileId"]).await == data);
}

#[tokio::test]
async fn an_upload_whose_bytes_are_all_here_is_recorded_after_sigkill_and_paid_once() {
    let network = Network::dev().unwrap();
    let data = bytes(2, 3_000_000);
    let mut known: Option<Value> = None;
    for life in 0..3 {
        let node = network.start().unwrap();
        let put = node.http(Method::PUT, "/v1/files?resumeKey=k").body(data.clone()).send();
        // The answer is waited for in the last life only; the process dies at some moment before.
        let wait = if life == 2 { 120_000 } else { 20 + life * 15 };
        if let Ok(answer) = tokio::time::timeout(std::time::Duration::from_millis(wait), put).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 201);
            let receipt: Value = answer.json().await.unwrap();
            assert!(known.as_ref().is_none_or(|known| *known == receipt["fileId"]));
            known = Some(receipt["fileId"].clone());
            assert!(retrieve(&node, &receipt["fileId"]).await == data);
            let file = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap();
            assert_eq!(file["leases"].as_array().unwrap().len(), 1);
            // The same once more costs nothing.
            let before = free_balance(&node).await;
            submit(&node, &data).await;
            assert_eq!(free_balance(&node).await, before);
        }
        node.kill().unwrap();
    }
    assert!(known.is_some());
}

#[tokio::test]
async fn a_resume_key_of_other_bytes_is_refused_and_a_cancelled_upload_is_forgotten() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (id, _) = begin(&node, 3_000_000, "k").await;
    send(&node, &id, &bytes(3, 3_000_000), 0, 1_000_000).await;
    let put = node.http(Method::PUT, "/v1/files?resumeKey=k").body(bytes(4, 3_000_000)).send().await.unwrap();
    assert_eq!(put.status(), 400);
    let refused: Value = put.json().await.unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("resumeKey"), "{refused}");
    let other = node.err("storage_beginUpload", json!({ "size": 2_000_000, "resumeKey": "k" })).await.unwrap();
    assert_eq!(other["code"], -32602);
    let folder = network.chain_folder().join("uploads").join(id.as_str().unwrap());
    assert!(folder.is_dir());
    node.ok("storage_cancelUpload", json!([id])).await.unwrap();
    assert!(!folder.exists());
    assert_eq!(node.err("storage_uploadStatus", json!([id])).await.unwrap()["code"], 1001);
    // The key is free again.
    let (another, received) = begin(&node, 2_000_000, "k").await;
    assert!(another != id && received == 0);
}

#[tokio::test]
async fn a_resume_key_keeps_the_options_that_it_began_with() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let begun = json!({ "size": 1000, "resumeKey": "k", "name": "a", "mediaType": "text/plain", "leaseEpochs": 5 });
    let id = node.ok("storage_beginUpload", begun.clone()).await.unwrap()["uploadId"].clone();
    let profiles = node.ok("state_getParameters", json!([])).await.unwrap()["profiles"].clone();
    let names: Vec<_> = profiles.as_array().unwrap().iter().map(|profile| profile["name"].clone()).collect();
    let others = [
        ("size", json!(2000)),
        ("name", json!("b")),
        ("mediaType", json!("image/png")),
        ("leaseEpochs", json!(6)),
        ("profile", names.last().unwrap().clone()),
    ];
    assert!(names.len() > 1, "the last profile is not the default: {names:?}");
    for (option, value) in others {
        let mut again = begun.clone();
        again[option] = value;
        let refused = node.err("storage_beginUpload", again).await.unwrap();
        assert_eq!(refused["code"], -32602);
        assert!(refused["message"].as_str().unwrap().starts_with(&format!("{option}: ")), "{refused}");
    }
    // The same, and nothing at all, name it.
    for again in [begun, json!({ "resumeKey": "k" })] {
        assert_eq!(node.ok("storage_beginUpload", again).await.unwrap()["uploadId"], id);
    }
    // A body is held to it as well.
    let put = node.http(Method::PUT, "/v1/files?resumeKey=k&leaseEpochs=6").body(vec![7; 1000]).send().await.unwrap();
    assert_eq!(put.status(), 400);
}

#[tokio::test]
async fn uploads_are_listed_in_the_order_in_which_they_began_with_their_keys() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let keys = ["z", "a", "m", "b"];
    for key in keys {
        begin(&node, 1000, key).await;
        // It has a receipt, and nobody goes on with it.
        submit(&node, key.as_bytes()).await;
    }
    let listed = node.ok("storage_uploads", json!({})).await.unwrap();
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["resumeKey"].as_str().unwrap()).collect::<Vec<_>>(), keys);
    let behind = node.ok("storage_uploads", json!({ "cursor": items[1]["uploadId"] })).await.unwrap();
    assert_eq!(behind["items"].as_array().unwrap(), &items[2..]);
    for cursor in ["zz", "", "0x00"] {
        let refused = node.err("storage_uploads", json!({ "cursor": cursor })).await.unwrap();
        assert_eq!(refused["code"], -32602, "{cursor:?}");
        assert!(refused["message"].as_str().unwrap().starts_with("cursor: "), "{refused}");
    }
}
