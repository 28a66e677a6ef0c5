//! An upload that survives a crash: its folder, its writer, what is placed of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rpc::ports::Announced;
use rpc::types::{SubmitOptions, UploadStage};
use rpc::{ApiError, TryAgain};
use runtime::crypto::AccountId;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::Order;
use super::deal::Deal;
use super::journal::Step;
use super::upload::Job;
use crate::spool::{Writer, disk_error};

/// An unfinished upload that nobody sends to is forgotten after this long.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a client waits for another one that sends to the same upload.
const WRITER_WAIT: Duration = Duration::from_secs(10);

/// An upload that survives a crash.
pub(super) struct Kept {
    pub(super) owner: AccountId,
    pub(super) options: SubmitOptions,
    pub(super) folder: PathBuf,
    pub(super) job: Job,
    /// What is placed so far; held by the task that places.
    pub(super) deal: Arc<tokio::sync::Mutex<Option<Deal>>>,
    /// Held by whoever sends bytes; none if the last write failed, or all bytes are here.
    pub(super) writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
    /// All bytes are here.
    pub(super) is_whole: AtomicBool,
    /// It found no room and nothing of it is here any more.
    pub(super) is_let_go: AtomicBool,
}

impl Kept {
    pub(super) fn id(&self) -> String {
        self.job.status.borrow().upload_id.clone()
    }

    /// Whether this is the upload that a client who comes again means: what it says must be as it began. What it leaves
    /// out is as it began.
    pub(super) fn is_asked_for(
        &self,
        options: &SubmitOptions,
        order: &Order,
        size: Option<u64>,
    ) -> Result<(), ApiError> {
        let begun = &self.job.order;
        let differs = |is_given: bool, is_same: bool| is_given && !is_same;
        let other = [
            ("size", differs(size.is_some() && self.job.size.is_some(), self.job.size == size)),
            ("name", differs(options.name.is_some(), begun.name == order.name)),
            ("mediaType", differs(options.media_type.is_some(), begun.media_type == order.media_type)),
            ("profile", differs(options.profile.is_some(), begun.profile.name == order.profile.name)),
            ("leaseEpochs", differs(options.lease_epochs.is_some(), begun.lease_epochs == order.lease_epochs)),
        ];
        match other.into_iter().find(|(_, is_other)| *is_other) {
            Some((option, _)) => Err(ApiError::BadParams(format!(
                "{option}: resumeKey names an unfinished upload that began with another {option}"
            ))),
            None => Ok(()),
        }
    }

    /// Whether the bytes that the client does not send again are here, and are those that it has.
    pub(super) async fn has_before(&self, Announced { offset, prefix, .. }: Announced) -> Result<(), ApiError> {
        let here = self.job.body.growth().bytes;
        if offset > here {
            return Err(ApiError::BadParams(format!(
                "content-range: the body begins at byte {offset}, but the upload goes on at byte {here}"
            )));
        }
        let Some(prefix) = prefix else { return Ok(()) };
        let body = self.job.body.clone();
        let hashed = tokio::task::spawn_blocking(move || body.rehash(offset)).await;
        let hashed = hashed.map_err(ApiError::internal)?.map_err(disk_error)?.finalize();
        if hashed.as_bytes() == prefix.as_bytes() {
            return Ok(());
        }
        Err(ApiError::BadParams(format!("prefixHash: resumeKey names an upload whose first {offset} bytes are others")))
    }

    pub(super) fn is_final(&self) -> bool {
        self.job.status.borrow().stage == UploadStage::Final
    }

    /// Whether nobody can go on with it.
    pub(super) fn is_over(&self) -> bool {
        self.is_final() || self.is_let_go.load(Ordering::Acquire)
    }

    /// When bytes or steps were last written.
    pub(super) fn is_stale(&self) -> bool {
        let touched = |name| std::fs::metadata(self.folder.join(name)).and_then(|file| file.modified());
        let last = ["journal", "received"].into_iter().filter_map(|name| touched(name).ok()).max();
        let age = last.and_then(|last| SystemTime::now().duration_since(last).ok());
        age.is_some_and(|age| age > KEPT_FOR)
    }

    pub(super) fn remove(&self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "an upload's folder was not removed");
        }
    }

    /// The right to append bytes, and the writer to do it with. A client that comes back after its connection broke may
    /// come before the end of the old one is noticed.
    pub(super) async fn writing(&self) -> Result<OwnedMutexGuard<Option<Writer>>, ApiError> {
        let busy = |_| TryAgain::Overloaded("another client sends to this upload");
        let mut writer = timeout(WRITER_WAIT, self.writer.clone().lock_owned()).await.map_err(busy)?;
        if let (true, Some(failure)) = (self.is_let_go.load(Ordering::Acquire), &self.job.status.borrow().error) {
            return Err(ApiError::Upload(failure.clone()));
        }
        if writer.is_none() && !self.is_whole.load(Ordering::Acquire) {
            *writer = Some(Writer::resume(self.job.body.clone(), self.job.order.file_bytes_max).await?);
        }
        Ok(writer)
    }

    fn received(&self, bytes: u64) {
        self.job.status.send_modify(|status| status.received = bytes);
    }

    /// Appends to the body; after an error the writer is made anew from what is on disk.
    pub(super) async fn append(&self, writer: &mut Option<Writer>, chunk: &[u8], sync: bool) -> Result<u64, ApiError> {
        let mut open = writer.take().ok_or_else(|| ApiError::BadParams("offset: all bytes are here already".into()))?;
        if let Some(size) = self.job.size.filter(|size| open.len().saturating_add(len(chunk)) > *size) {
            *writer = Some(open);
            return Err(ApiError::BadParams(format!("data: more than the {size} bytes that were announced")));
        }
        open.push(chunk).await?;
        if sync {
            open.flush(true).await?;
        }
        let bytes = open.len();
        *writer = Some(open);
        self.received(bytes);
        Ok(bytes)
    }

    /// All bytes are here.
    pub(super) async fn end(&self, writer: &mut Option<Writer>) -> Result<(), ApiError> {
        let Some(open) = writer.take() else { return Ok(()) };
        if let Some(size) = self.job.size.filter(|size| *size != open.len()) {
            let message = format!("size: {} of {size} bytes are here", open.len());
            *writer = Some(open);
            return Err(ApiError::BadParams(message));
        }
        open.end().await?;
        self.job.note(|| Step::Ended).await?;
        self.is_whole.store(true, Ordering::Release);
        Ok(())
    }
}

pub(super) fn len(chunk: &[u8]) -> u64 {
    u64::try_from(chunk.len()).unwrap_or(u64::MAX)
}
