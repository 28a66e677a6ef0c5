//! Uploads that are under way, and what became of them.

use pieces::FileId;
use runtime::types::TxHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Receipt;

/// How far an upload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UploadStage {
    /// Bytes come in; whole segments may be on their way to providers already.
    #[default]
    Receiving,
    /// All bytes are here; their pieces are computed to see whether the ledger knows the file.
    Encoding,
    /// Pieces go to providers.
    Placing,
    /// Every piece has a holder's commitment.
    Committed,
    /// The recording transaction is in a block.
    Included,
    /// That block is final.
    Final,
    /// It ended with an error.
    Failed,
}

/// What an upload ended with, as the client of a call would have got it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadFailure {
    /// One of the API's codes.
    pub code: i32,
    /// One sentence.
    pub message: String,
    /// Where it helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// What is known about an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadStatus {
    /// Names the upload.
    pub upload_id: String,
    /// Bytes that are here; those of a resumable upload survive a crash.
    pub received: u64,
    /// How far it is.
    pub stage: UploadStage,
    /// Pieces whose holder has committed itself.
    pub pieces_acknowledged: u32,
    /// Pieces of the whole file; 0 until its size is known.
    pub pieces_total: u32,
    /// The file, once its pieces are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// The transaction that records it, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_hash: Option<TxHash>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<UploadFailure>,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Receipt>,
}
