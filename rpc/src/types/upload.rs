//! Uploads that are under way, and what became of them.

use pieces::FileId;
use runtime::types::TxHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Receipt, SubmitOptions};

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
    /// What the client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_key: Option<super::ResumeKey>,
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

/// An upload to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BeginUpload {
    /// Bytes of the whole file, if they are known: then finished segments are sent while the rest still comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The same account and key give the same unfinished upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_key: Option<super::ResumeKey>,
    /// As [`SubmitOptions::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<super::FileName>,
    /// As [`SubmitOptions::media_type`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<pieces::MediaType>,
    /// As [`SubmitOptions::profile`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// As [`SubmitOptions::lease_epochs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_epochs: Option<u32>,
    /// As [`SubmitOptions::from`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<runtime::crypto::AccountId>,
}

impl BeginUpload {
    /// How the file is to be stored, and its size.
    #[must_use]
    pub fn into_options(self) -> (SubmitOptions, Option<u64>) {
        let Self { size, resume_key, name, media_type, profile, lease_epochs, from } = self;
        (SubmitOptions { name, media_type, profile, lease_epochs, from, resume_key }, size)
    }
}

/// An upload that has begun, or goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BegunUpload {
    /// Names the upload.
    pub upload_id: String,
    /// Most bytes of a chunk.
    pub chunk_bytes_max: u64,
    /// Bytes that are here; the next chunk begins there.
    pub received: u64,
}

/// What an upload has after a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadReceived {
    /// Bytes that are here; the next chunk begins there.
    pub received: u64,
}

/// Nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}
