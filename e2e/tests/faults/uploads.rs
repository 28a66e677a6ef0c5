//! What was acknowledged of an upload in chunks outlasts a power cut.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::power_cut::{Loss, PowerCut};
use e2e::{Network, Node, bytes, node_binary};
use serde_json::{Value, json};

use crate::download;

const CHUNK_BYTES: usize = 300_000;

#[tokio::test]
async fn chunks_that_were_acknowledged_outlast_a_power_cut() {
    let network = Network::dev().unwrap();
    let data = bytes(9, 10 * CHUNK_BYTES);
    let begin = json!({ "size": data.len(), "resumeKey": "a" });
    let mut acknowledged = 0;
    let mut known = None;
    for (life, loss) in [Loss::All, Loss::Part { seed: 1 }, Loss::Part { seed: 2 }, Loss::All].into_iter().enumerate() {
        let power = PowerCut::over(network.base()).unwrap();
        let node = Node::start(power.watch(&mut network.command())).unwrap();
        let begun = node.ok("storage_beginUpload", begin.clone()).await.unwrap();
        assert_eq!(known.get_or_insert(begun["uploadId"].clone()), &begun["uploadId"], "life {life}");
        let received = usize::try_from(begun["received"].as_u64().unwrap()).unwrap();
        assert!(received >= acknowledged, "life {life}: {acknowledged} were acknowledged, {received} are here");
        acknowledged = received;
        for _ in 0..2 {
            let chunk = STANDARD.encode(&data[acknowledged..acknowledged + CHUNK_BYTES]);
            node.ok("storage_uploadChunk", json!([begun["uploadId"], acknowledged, chunk])).await.unwrap();
            acknowledged += CHUNK_BYTES;
        }
        node.kill().unwrap();
        println!("life {life}: {loss:?} {:?}", power.cut(loss).unwrap());
    }
    let node = network.start().unwrap();
    let begun = node.ok("storage_beginUpload", begin).await.unwrap();
    assert_eq!((known.as_ref(), begun["received"].as_u64()), (Some(&begun["uploadId"]), Some(2_400_000)));
    for start in (8 * CHUNK_BYTES..data.len()).step_by(CHUNK_BYTES) {
        let chunk = STANDARD.encode(&data[start..start + CHUNK_BYTES]);
        node.ok("storage_uploadChunk", json!([begun["uploadId"], start, chunk])).await.unwrap();
    }
    let receipt = node.ok("storage_finishUpload", json!([begun["uploadId"]])).await.unwrap();
    assert!(download(&node, &receipt["fileId"]).await == data);
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let bytes = |path: PathBuf| match path.metadata() {
        Ok(known) if known.is_dir() => bytes_below(&path),
        Ok(known) => known.len(),
        // It went meanwhile.
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

#[tokio::test]
async fn an_upload_that_finds_no_room_gives_back_its_body_and_its_pieces_at_once() {
    const SEGMENT_BYTES: usize = 128 * 1024 * 1024;
    const CALL_BYTES: usize = 8 * 1024 * 1024;
    let network = Network::dev().unwrap();
    let power = PowerCut::over(network.base()).unwrap();
    let node = Node::start(power.watch(&mut network.command())).unwrap();
    let data = bytes(11, SEGMENT_BYTES + 2 * CALL_BYTES);
    let begin = json!({ "size": data.len(), "resumeKey": "a" });
    let id = node.ok("storage_beginUpload", begin.clone()).await.unwrap()["uploadId"].clone();
    let chunk = |start: usize| json!([id, start, STANDARD.encode(&data[start..start + CALL_BYTES])]);
    for start in (0..SEGMENT_BYTES).step_by(CALL_BYTES) {
        node.ok("storage_uploadChunk", chunk(start)).await.unwrap();
    }
    while node.ok("storage_uploadStatus", json!([id])).await.unwrap()["piecesAcknowledged"] != 4 {}
    let (pieces, uploads) = (network.chain_folder().join("pieces"), network.chain_folder().join("uploads"));
    assert!(bytes_below(&pieces) > u64::try_from(SEGMENT_BYTES).unwrap());

    let body = uploads.join(id.as_str().unwrap()).join("body").canonicalize().unwrap();
    power.fill(Some(&body)).unwrap();
    let refused = node.err("storage_uploadChunk", chunk(SEGMENT_BYTES)).await.unwrap();
    assert_eq!(refused["code"], 1005, "{refused}");
    power.fill(None).unwrap();
    assert!(bytes_below(&uploads) < 100_000, "its body is gone");
    assert!(bytes_below(&pieces) < 20_000_000, "its pieces are gone; what is left is the stores' own");
    let told = |status: &Value| (status["stage"].clone(), status["error"]["code"].clone());
    let failed = (json!("failed"), json!(1005));
    let status = node.ok("storage_uploadStatus", json!([id])).await.unwrap();
    assert_eq!(told(&status), failed, "{status}");
    assert_eq!(node.err("storage_uploadChunk", chunk(0)).await.unwrap()["code"], 1005, "nobody goes on with it");
    // The key is free, and the next life knows how it ended.
    let another = node.ok("storage_beginUpload", begin).await.unwrap();
    assert!(another["uploadId"] != id && another["received"] == 0, "{another}");
    node.kill().unwrap();
    let node = network.start().unwrap();
    let status = node.ok("storage_uploadStatus", json!([id])).await.unwrap();
    assert_eq!(told(&status), failed, "{status}");
    // By hand the other one is given up too.
    let file = |args: &[&str]| {
        let mut command = Command::new(node_binary());
        let output = command.arg("file").args(args).args(["--rpc", node.url()]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let other = another["uploadId"].as_str().unwrap();
    assert!(file(&["uploads"]).contains(other));
    file(&["cancel", other]);
    assert!(!file(&["uploads"]).contains(other));
}
