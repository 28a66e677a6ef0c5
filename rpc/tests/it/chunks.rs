//! Uploads in chunks: the shapes, the refusals, and a backend that keeps them in memory.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use rpc::ApiError;
use rpc::ports::{Announced, Storage, Upload, Uploads};
use rpc::types::{Page, SubmitOptions, UploadStage, UploadStatus};
use serde_json::json;
use tokio::sync::watch;

use crate::memory::Memory;
use crate::world::World;

/// An upload and its bytes.
pub struct Kept {
    options: SubmitOptions,
    bytes: Vec<u8>,
    status: watch::Sender<UploadStatus>,
}

fn none(id: &str) -> ApiError {
    ApiError::NotFound(format!("there is no upload {id}"))
}

#[async_trait]
impl Uploads for Memory {
    async fn begin(&self, options: SubmitOptions, _size: Option<u64>) -> Result<(String, u64), ApiError> {
        let mut kept = self.uploads.lock().unwrap();
        let same = |kept: &Kept| options.resume_key.is_some() && kept.options.resume_key == options.resume_key;
        if let Some((id, kept)) = kept.iter().find(|(_, kept)| same(kept)) {
            return Ok((id.clone(), kept.bytes.len() as u64));
        }
        let id = format!("upload-{}", kept.len());
        let status = UploadStatus { upload_id: id.clone(), ..UploadStatus::default() };
        kept.insert(id.clone(), Kept { options, bytes: Vec::new(), status: watch::Sender::new(status) });
        Ok((id, 0))
    }

    async fn chunk(&self, id: &str, offset: u64, data: Bytes) -> Result<u64, ApiError> {
        let mut kept = self.uploads.lock().unwrap();
        let kept = kept.get_mut(id).ok_or_else(|| none(id))?;
        if offset != kept.bytes.len() as u64 {
            return Err(ApiError::BadParams(format!("offset: the upload has {} bytes", kept.bytes.len())));
        }
        kept.bytes.extend_from_slice(&data);
        let received = kept.bytes.len() as u64;
        kept.status.send_modify(|status| status.received = received);
        Ok(received)
    }

    async fn finish(&self, id: &str) -> Result<Upload, ApiError> {
        let (options, bytes) = {
            let kept = self.uploads.lock().unwrap();
            let kept = kept.get(id).ok_or_else(|| none(id))?;
            (kept.options.clone(), kept.bytes.clone())
        };
        let body = stream::once(async { Ok(Bytes::from(bytes)) }).boxed();
        let receipt = self.submit(body, options, Announced::default()).await?.receipt.await?;
        let kept = self.uploads.lock().unwrap();
        let status = &kept.get(id).ok_or_else(|| none(id))?.status;
        status.send_modify(|status| (status.stage, status.result) = (UploadStage::Final, Some(receipt.clone())));
        Ok(Upload { id: id.into(), progress: status.subscribe(), receipt: async { Ok(receipt) }.boxed() })
    }

    async fn progress(&self, id: &str) -> Result<watch::Receiver<UploadStatus>, ApiError> {
        if let Some(watched) = self.watched.lock().unwrap().get(id) {
            return Ok(watched.clone());
        }
        Ok(self.uploads.lock().unwrap().get(id).ok_or_else(|| none(id))?.status.subscribe())
    }

    async fn list(&self, cursor: Option<String>) -> Result<Page<UploadStatus>, ApiError> {
        let kept = self.uploads.lock().unwrap();
        let behind = kept.iter().filter(|(id, _)| cursor.as_ref().is_none_or(|cursor| *id > cursor));
        Ok(Page { items: behind.map(|(_, kept)| kept.status.borrow().clone()).collect(), cursor: None })
    }

    async fn cancel(&self, id: &str) -> Result<(), ApiError> {
        self.uploads.lock().unwrap().remove(id).map(drop).ok_or_else(|| none(id))
    }
}

#[tokio::test]
async fn chunks_make_a_file_and_the_same_key_finds_the_upload_again() {
    let world = World::start().await;
    let begin = json!({ "size": 6, "resumeKey": "k", "mediaType": "text/plain" });
    let begun = world.call("storage_beginUpload", &begin).await.unwrap();
    assert_eq!(begun, json!({ "uploadId": "upload-0", "chunkBytesMax": 8 * 1024 * 1024, "received": 0 }));
    let id = &begun["uploadId"];
    let chunk = json!([id, 0, STANDARD.encode("abc")]);
    assert_eq!(world.call("storage_uploadChunk", &chunk).await.unwrap(), json!({ "received": 3 }));
    assert_eq!(world.refusal("storage_uploadChunk", &chunk).await.code, -32602);
    assert_eq!(world.call("storage_beginUpload", &begin).await.unwrap()["received"], 3);
    let status = world.call("storage_uploadStatus", &json!([id])).await.unwrap();
    let expected = json!({
        "uploadId": id, "received": 3, "stage": "receiving", "piecesAcknowledged": 0, "piecesTotal": 0,
    });
    assert_eq!(status, expected);
    world.call("storage_uploadChunk", &json!([id, 3, STANDARD.encode("def")])).await.unwrap();
    let receipt = world.call("storage_finishUpload", &json!([id])).await.unwrap();
    assert_eq!(receipt["size"], 6);
    let listed = world.call("storage_uploads", &json!({})).await.unwrap();
    assert_eq!((&listed["items"][0]["stage"], &listed["items"][0]["result"]), (&json!("final"), &receipt));
    assert_eq!(world.call("storage_cancelUpload", &json!([id])).await.unwrap(), json!({}));
    assert_eq!(world.refusal("storage_uploadStatus", &json!([id])).await.code, 1001);
}

#[tokio::test]
async fn what_is_no_chunk_is_refused() {
    let world = World::start().await;
    for (method, params, code) in [
        ("storage_beginUpload", json!({ "colour": "red" }), -32602),
        ("storage_beginUpload", json!({ "resumeKey": "k".repeat(129) }), -32602),
        ("storage_beginUpload", json!({ "size": 100_001, "profile": "small" }), 1004),
        ("storage_beginUpload", json!({ "leaseEpochs": 0 }), -32602),
        ("storage_uploadChunk", json!(["none", 0, "YWJj"]), 1001),
        ("storage_uploadChunk", json!(["none", 0, "not base64"]), -32602),
        ("storage_uploadChunk", json!(["none", -1, "YWJj"]), -32602),
        ("storage_uploadChunk", json!(["n".repeat(65), 0, "YWJj"]), -32602),
        ("storage_uploadChunk", json!(["none", 0, STANDARD.encode(vec![7; 8 * 1024 * 1024 + 1])]), 1004),
        ("storage_finishUpload", json!(["none"]), 1001),
        ("storage_uploads", json!({ "cursor": "c".repeat(513) }), -32602),
        ("storage_cancelUpload", json!(["none"]), 1001),
    ] {
        assert_eq!(world.refusal(method, &params).await.code, code, "{method}");
    }
}
