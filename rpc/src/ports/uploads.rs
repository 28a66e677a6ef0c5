//! What is known of any upload.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::ApiError;
use crate::types::UploadStatus;

/// What is known of any upload.
#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// What is known about an upload.
    ///
    /// # Errors
    /// `NotFound`.
    async fn progress(&self, id: &str) -> Result<watch::Receiver<UploadStatus>, ApiError>;
}
