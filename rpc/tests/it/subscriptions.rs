//! Notifications over a WebSocket: complete and in order, and for nobody who does not take them.

use std::time::Duration;

use rpc::types::{UploadFailure, UploadStage, UploadStatus};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::memory::HEAD;
use crate::samples;
use crate::websocket::Socket;
use crate::world::World;

async fn subscribe(socket: &mut Socket, method: &str, params: &Value) -> Value {
    let answer = socket.call(method, params).await;
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// The next notification of a subscription: its result.
async fn next(socket: &mut Socket, method: &str, subscription: &Value) -> Value {
    let notification = socket.receive().await;
    assert_eq!(notification["method"], method, "{notification}");
    assert_eq!(notification["params"]["subscription"], *subscription);
    notification["params"]["result"].clone()
}

#[tokio::test]
async fn every_head_comes_however_many_come_at_once() {
    let world = World::start().await;
    let mut socket = Socket::open(&world).await;
    let id = subscribe(&mut socket, "chain_subscribeFinalizedHeads", &json!([])).await;
    let first = next(&mut socket, "chain_finalizedHead", &id).await;
    assert_eq!(first, world.call("chain_getHeader", &json!([])).await.unwrap(), "the last head is told at once");
    world.memory.head.send_replace(HEAD + 1);
    assert_eq!(next(&mut socket, "chain_finalizedHead", &id).await["height"], HEAD + 1);
    world.memory.head.send_replace(HEAD + 90);
    for height in HEAD + 2..=HEAD + 90 {
        let head = next(&mut socket, "chain_finalizedHead", &id).await;
        assert_eq!((&head["height"], &head["hash"]), (&json!(height), &json!(samples::header(height).hash())));
    }
}

#[tokio::test]
async fn who_unsubscribes_or_leaves_costs_nothing_more() {
    let world = World::start().await;
    for leaves in [false, true] {
        let mut socket = Socket::open(&world).await;
        let id = subscribe(&mut socket, "chain_subscribeFinalizedHeads", &json!([])).await;
        next(&mut socket, "chain_finalizedHead", &id).await;
        if leaves {
            drop(socket);
        } else {
            assert_eq!(socket.call("chain_unsubscribeFinalizedHeads", &json!([id])).await["result"], true);
            assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
        }
        // Ends when nobody watches the head any more.
        world.memory.head.closed().await;
    }
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_loses_its_subscription_and_is_told() {
    let world = World::limited(|limits| limits.subscriber_stall = Duration::from_millis(100)).await;
    let mut socket = Socket::open(&world).await;
    let id = subscribe(&mut socket, "chain_subscribeFinalizedHeads", &json!([])).await;
    // Gigabytes of headers: what is not read must not pile up.
    world.memory.head.send_replace(HEAD + 1_000_000);
    world.memory.head.closed().await;
    let mut expected = HEAD;
    let error = loop {
        let notification = socket.receive().await;
        assert_eq!(notification["params"]["subscription"], id);
        if let Some(error) = notification["params"].get("error") {
            break error.clone();
        }
        assert_eq!(notification["params"]["result"]["height"], expected, "none is skipped");
        expected += 1;
    };
    assert_eq!(error["code"], 1007, "{error}");
    assert!(expected < HEAD + 100_000, "only what fits the socket was sent, not {expected} headers");
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory", "the connection goes on");
}

#[tokio::test]
async fn a_connection_that_takes_nothing_at_all_is_closed() {
    let world = World::limited(|limits| limits.write_stall = Duration::from_millis(100)).await;
    let mut socket = Socket::open(&world).await;
    subscribe(&mut socket, "chain_subscribeFinalizedHeads", &json!([])).await;
    world.memory.head.send_replace(HEAD + 1_000_000);
    world.memory.head.closed().await;
    let rest = socket.0.rest().await;
    assert!(rest.len() < 200_000_000, "{} bytes", rest.len());
}

#[tokio::test]
async fn an_upload_is_followed_to_its_end() {
    let world = World::start().await;
    let (progress, watched) = watch::channel(UploadStatus { upload_id: "u1".into(), ..Default::default() });
    world.memory.watched.lock().unwrap().insert("u1".into(), watched);
    let mut socket = Socket::open(&world).await;
    let id = subscribe(&mut socket, "storage_subscribeUpload", &json!(["u1"])).await;
    let first = next(&mut socket, "storage_upload", &id).await;
    let receiving = json!({
        "uploadId": "u1", "received": 0, "stage": "receiving", "piecesAcknowledged": 0, "piecesTotal": 0
    });
    assert_eq!(first, receiving);
    progress.send_modify(|status| {
        status.stage = UploadStage::Placing;
        status.pieces_acknowledged = 3;
    });
    let placing = next(&mut socket, "storage_upload", &id).await;
    assert_eq!((&placing["stage"], &placing["piecesAcknowledged"]), (&json!("placing"), &json!(3)));
    progress.send_modify(|status| {
        status.stage = UploadStage::Failed;
        status.error = Some(UploadFailure { code: 1005, message: "full".into(), data: None });
    });
    let failed = next(&mut socket, "storage_upload", &id).await;
    assert_eq!((&failed["stage"], &failed["error"]["code"]), (&json!("failed"), &json!(1005)));
    // The table of the node's uploads still has one.
    world.memory.watched.lock().unwrap().clear();
    progress.closed().await;
}

#[tokio::test]
async fn subscriptions_that_cannot_be_are_refused() {
    let world = World::limited(|limits| limits.subscriptions = 2).await;
    let mut socket = Socket::open(&world).await;
    let unknown = socket.call("storage_subscribeUpload", &json!(["nope"])).await;
    assert_eq!(unknown["error"]["code"], 1001, "{unknown}");
    for params in [json!([]), json!([7]), json!(["x".repeat(65)]), json!(["a", "b"])] {
        let refused = socket.call("storage_subscribeUpload", &params).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    let refused = socket.call("chain_subscribeFinalizedHeads", &json!([1])).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let over_post = world.refusal("chain_subscribeFinalizedHeads", &json!([])).await;
    assert_eq!(over_post.code, -32601);
    assert!(over_post.message.contains("WebSocket"), "{}", over_post.message);
}

#[tokio::test]
async fn a_connection_has_so_many_subscriptions_and_no_more() {
    let world = World::limited(|limits| limits.subscriptions = 2).await;
    let mut socket = Socket::open(&world).await;
    for _ in 0..2 {
        let id = subscribe(&mut socket, "chain_subscribeFinalizedHeads", &json!([])).await;
        next(&mut socket, "chain_finalizedHead", &id).await;
    }
    let third = socket.call("chain_subscribeFinalizedHeads", &json!([])).await;
    assert!(third["error"]["code"].is_i64(), "{third}");
}
