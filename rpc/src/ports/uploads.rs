//! Files that come in chunks, and what is known of any upload.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use super::Upload;
use crate::error::ApiError;
use crate::types::{Page, SubmitOptions, UploadStatus};

/// Files that come in chunks, and what is known of any upload. Chunks that were acknowledged survive a crash.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Begins an upload, or finds the unfinished one that this account began with the same resume key; says its name
    /// and how many bytes are here.
    ///
    /// # Errors
    /// As [`Storage::submit`](super::Storage::submit); `BadParams` if the one that is found has another size.
    async fn begin(&self, options: SubmitOptions, size: Option<u64>) -> Result<(String, u64), ApiError>;

    /// Appends a chunk, which must begin where the upload ends; returns how many bytes are here, synced.
    ///
    /// # Errors
    /// `NotFound`; `BadParams` for another offset or more bytes than the size; `TooLarge`, `Full`; `TryAgain` while
    /// another client sends to the same upload.
    async fn chunk(&self, id: &str, offset: u64, data: Bytes) -> Result<u64, ApiError>;

    /// Says that all bytes are here. Again, after that or after a failure: takes it up where it is.
    ///
    /// # Errors
    /// `NotFound`, `BadParams` if bytes are missing, `TryAgain`.
    async fn finish(&self, id: &str) -> Result<Upload, ApiError>;

    /// What is known about an upload.
    ///
    /// # Errors
    /// `NotFound`.
    async fn progress(&self, id: &str) -> Result<watch::Receiver<UploadStatus>, ApiError>;

    /// Uploads in the order in which they began; those that ended a while ago, and those that came in one call and are
    /// recorded, are left out.
    ///
    /// # Errors
    /// `BadParams` for a cursor that is none.
    async fn list(&self, cursor: Option<String>) -> Result<Page<UploadStatus>, ApiError>;

    /// Gives an upload up and forgets its bytes.
    ///
    /// # Errors
    /// `NotFound`, `NotPermitted` if it is recorded already.
    async fn cancel(&self, id: &str) -> Result<(), ApiError>;
}
