//! What clients do with uploads that come in chunks.

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use rpc::ApiError;
use rpc::ports::Upload;
use rpc::types::{Page, SubmitOptions, UploadStatus};
use tokio::sync::watch;

use super::Gateway;
use super::giving_back::is_full;
use super::uploads::outcome;

#[async_trait]
impl rpc::ports::Uploads for Gateway {
    async fn begin(&self, options: SubmitOptions, size: Option<u64>) -> Result<(String, u64), ApiError> {
        let kept = self.inner.begin(options, size).await?;
        if kept.job.size.is_some() {
            self.inner.go_on(&kept);
        }
        Ok((kept.id(), kept.job.body.growth().bytes))
    }

    async fn chunk(&self, id: &str, offset: u64, data: Bytes) -> Result<u64, ApiError> {
        let kept = self.inner.uploads.kept(id)?;
        let mut writer = kept.writing().await?;
        let here = kept.job.body.growth().bytes;
        if offset != here {
            return Err(ApiError::BadParams(format!("offset: the upload goes on at byte {here}, not at {offset}")));
        }
        self.inner.parts.traffic.receive(data.len());
        let received = kept.append(&mut writer, &data, true).await;
        drop(writer);
        match received {
            Err(error) if is_full(&error) => Err(self.inner.let_go(&kept, error).await),
            received => received,
        }
    }

    async fn finish(&self, id: &str) -> Result<Upload, ApiError> {
        let kept = self.inner.uploads.kept(id)?;
        if !kept.is_over() {
            let mut writer = kept.writing().await?;
            kept.end(&mut writer).await?;
            self.inner.go_on(&kept);
        }
        let progress = kept.job.status.subscribe();
        Ok(Upload { id: id.to_owned(), progress: progress.clone(), receipt: outcome(progress).boxed() })
    }

    async fn progress(&self, id: &str) -> Result<watch::Receiver<UploadStatus>, ApiError> {
        Ok(self.inner.uploads.entry(id)?.status.subscribe())
    }

    async fn list(&self, cursor: Option<String>) -> Result<Page<UploadStatus>, ApiError> {
        self.inner.uploads.page(cursor.as_ref())
    }

    async fn cancel(&self, id: &str) -> Result<(), ApiError> {
        self.inner.uploads.cancel(id)
    }
}
