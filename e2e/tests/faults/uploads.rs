//! What was acknowledged of an upload in chunks outlasts a power cut.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::power_cut::{Loss, PowerCut};
use e2e::{Network, Node, bytes};
use serde_json::json;

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
