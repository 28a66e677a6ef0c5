//! The uploads this gateway knows: those under way, those that ended a while ago, and those that survive a crash.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use futures::FutureExt;
use parking_lot::Mutex;
use rpc::ports::{Announced, ByteStream, Upload};
use rpc::types::{Page, Receipt, SubmitOptions, UploadStage, UploadStatus};
use rpc::{ApiError, TryAgain};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::AbortHandle;

use super::deal::{Deal, remembered};
use super::giving_back::is_full;
use super::journal::{Journal, Remembered, Step};
use super::kept::Kept;
use super::receive::receive_again;
use super::upload::Job;
use super::{Inner, is_id, new_id};
use crate::spool::{Body, disk_error};

/// Uploads that survive a crash, unfinished ones, all accounts together.
const KEPT_MAX: usize = 1024;
/// Uploads that ended and can still be asked for.
const ENDED_MAX: usize = 1024;
/// How often it is looked for uploads that nobody went on with.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Uploads on a page.
const PAGE_ITEMS: usize = 100;

/// The uploads by name.
#[derive(Default)]
pub(super) struct Uploads {
    known: Mutex<Known>,
    /// Held by whoever begins one: two with one key at once are one upload. With when those that nobody went on with
    /// were last looked for.
    beginning: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    uploads: BTreeMap<String, Entry>,
    /// Those that ended, the oldest first.
    ended: VecDeque<String>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) status: watch::Sender<UploadStatus>,
    task: Option<AbortHandle>,
    kept: Option<Arc<Kept>>,
}

/// What waits for an upload that is taken away.
pub(super) fn cancelled() -> ApiError {
    ApiError::NotFound("the upload was cancelled".into())
}

fn no_upload(id: &str) -> ApiError {
    ApiError::NotFound(format!("there is no upload {id:?}"))
}

impl Uploads {
    /// An upload has begun that is gone with the process.
    pub(super) fn began(&self, id: &str, status: &watch::Sender<UploadStatus>, task: AbortHandle) {
        let entry = Entry { status: status.clone(), task: Some(task), kept: None };
        let mut known = self.known.lock();
        known.uploads.insert(id.to_owned(), entry);
        // It may have ended meanwhile.
        if is_over(status) {
            known.ended.push_back(id.to_owned());
        }
    }

    /// Tells everybody how an upload ended, and forgets the one that ended longest ago.
    pub(super) fn ended(
        &self,
        status: &watch::Sender<UploadStatus>,
        result: Result<Receipt, ApiError>,
    ) -> Result<Receipt, ApiError> {
        let result = result.map_err(rpc::types::UploadFailure::from);
        status.send_modify(|status| match &result {
            Ok(receipt) => (status.stage, status.result) = (UploadStage::Final, Some(receipt.clone())),
            Err(failure) => (status.stage, status.error) = (UploadStage::Failed, Some(failure.clone())),
        });
        let id = status.borrow().upload_id.clone();
        let mut known = self.known.lock();
        let is_over = known.uploads.get(&id).is_some_and(|entry| {
            entry.kept.as_ref().is_none_or(|kept| kept.is_let_go.load(Ordering::Acquire)) || result.is_ok()
        });
        if is_over {
            known.ended.push_back(id);
        }
        if known.ended.len() > ENDED_MAX
            && let Some(oldest) = known.ended.pop_front()
            && let Some(Entry { kept: Some(kept), .. }) = known.uploads.remove(&oldest)
        {
            kept.remove();
        }
        drop(known);
        result.map_err(ApiError::Upload)
    }

    /// Uploads in the order in which they began, behind `cursor`. Those that came in one call and are recorded are left
    /// out: nobody goes on with them, and the client has their receipt.
    pub(super) fn page(&self, cursor: Option<&String>) -> Result<Page<UploadStatus>, ApiError> {
        use std::ops::Bound::{Excluded, Unbounded};
        if cursor.is_some_and(|cursor| !is_id(cursor)) {
            return Err(ApiError::BadParams(format!("cursor: {:?} is not one", cursor.map_or("", String::as_str))));
        }
        let from = cursor.map_or(Unbounded, Excluded);
        let known = self.known.lock();
        let is_listed = |entry: &Entry| entry.kept.is_some() || entry.status.borrow().stage != UploadStage::Final;
        let behind = known.uploads.range::<String, _>((from, Unbounded));
        let mut behind = behind.filter(|(_, entry)| is_listed(entry));
        let items: Vec<_> = behind.by_ref().take(PAGE_ITEMS).map(|(_, entry)| entry.status.borrow().clone()).collect();
        let cursor = behind.next().and(items.last()).map(|last| last.upload_id.clone());
        Ok(Page { items, cursor })
    }

    /// Gives an upload up.
    pub(super) fn cancel(&self, id: &str) -> Result<(), ApiError> {
        let mut known = self.known.lock();
        let entry = known.uploads.get(id).ok_or_else(|| no_upload(id))?;
        if entry.status.borrow().stage == UploadStage::Final {
            return Err(ApiError::NotPermitted(format!("upload {id} is recorded already; release the file instead")));
        }
        entry.give_up();
        known.uploads.remove(id);
        Ok(())
    }

    /// Ends the task that places an upload.
    pub(super) fn stop_task(&self, id: &str) {
        if let Some(Entry { task: Some(task), .. }) = self.known.lock().uploads.get(id) {
            task.abort();
        }
    }

    pub(super) fn entry(&self, id: &str) -> Result<Entry, ApiError> {
        self.known.lock().uploads.get(id).cloned().ok_or_else(|| no_upload(id))
    }

    pub(super) fn kept(&self, id: &str) -> Result<Arc<Kept>, ApiError> {
        let not_kept = || ApiError::BadParams(format!("uploadId: {id} does not come in chunks"));
        self.entry(id)?.kept.ok_or_else(not_kept)
    }
}

fn is_over(status: &watch::Sender<UploadStatus>) -> bool {
    matches!(status.borrow().stage, UploadStage::Final | UploadStage::Failed)
}

impl Inner {
    /// Opens the uploads of an earlier life, and goes on with those whose bytes are all here.
    pub(super) fn recover(self: &Arc<Self>) -> anyhow::Result<()> {
        let folder = &self.parts.uploads;
        let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("read {}", folder.display()))?.path();
            // One that cannot be read must not keep the node from starting.
            if let Err(error) = self.recover_one(path.clone()) {
                tracing::warn!(upload = %path.display(), error = format!("{error:#}"), "an upload is not taken up");
            }
        }
        Ok(())
    }

    fn recover_one(self: &Arc<Self>, folder: PathBuf) -> anyhow::Result<()> {
        let id =
            folder.file_name().and_then(|name| name.to_str()).context("its name is not one of an upload")?.to_owned();
        let (journal, known) = Journal::open(&folder)?;
        let Some(known) = known else {
            return std::fs::remove_dir_all(&folder).context("remove an upload that never began");
        };
        let order = self.order(&known.options).map_err(anyhow::Error::new)?;
        let body = Body::kept(&folder)?;
        // The bytes of a recorded upload are gone.
        let received = known.receipt.as_ref().map_or(body.growth().bytes, |receipt| receipt.size);
        let status = UploadStatus {
            upload_id: id,
            resume_key: known.options.resume_key.clone(),
            received,
            stage: match (&known.receipt, &known.failure) {
                (Some(_), _) => UploadStage::Final,
                (None, Some(_)) => UploadStage::Failed,
                (None, None) => UploadStage::Receiving,
            },
            result: known.receipt.clone(),
            error: known.failure.clone(),
            ..UploadStatus::default()
        };
        let job = Job {
            order,
            size: known.size,
            body,
            status: watch::Sender::new(status),
            journal: Some(journal),
            deals: AtomicU32::new(0),
        };
        job.count_again(&known, received);
        let kept = self.keep(folder, job, &known);
        if !kept.is_over() {
            tracing::info!(upload = kept.id(), received, whole = known.ended, "an upload goes on");
            // Held from now on, so that nobody begins another deal before the old one is read.
            let deal = kept.deal.clone().try_lock_owned().context("take up its deal")?;
            let inner = self.clone();
            tokio::spawn(async move {
                if let Err(error) = inner.take_up(&kept, known, deal).await {
                    tracing::warn!(upload = kept.id(), %error, "an upload was not taken up");
                }
            });
        }
        Ok(())
    }

    /// Reads again what was placed, and all bytes if they are here.
    async fn take_up(
        self: &Arc<Self>,
        kept: &Arc<Kept>,
        known: Remembered,
        mut deal: OwnedMutexGuard<Option<Deal>>,
    ) -> Result<(), ApiError> {
        if let Some((intent, placed)) = known.deal {
            let segments = placed.len();
            *deal = remembered(self, &kept.job, intent, placed).await?;
            // Pieces of a promise that counts no more are sent anew.
            kept.job.acknowledged(if deal.is_some() { segments } else { 0 });
        }
        drop(deal);
        if known.ended {
            let mut writer = kept.writing().await?;
            kept.end(&mut writer).await?;
        }
        if known.ended || kept.job.size.is_some() {
            self.go_on(kept);
        }
        Ok(())
    }

    fn keep(&self, folder: PathBuf, job: Job, known: &Remembered) -> Arc<Kept> {
        let (id, status) = (job.status.borrow().upload_id.clone(), job.status.clone());
        let kept = Arc::new(Kept {
            owner: known.owner,
            options: known.options.clone(),
            folder,
            job,
            deal: Arc::default(),
            writer: Arc::default(),
            is_whole: AtomicBool::new(false),
            is_let_go: AtomicBool::new(known.failure.is_some()),
        });
        let mut uploads = self.uploads.known.lock();
        if kept.is_over() {
            uploads.ended.push_back(id.clone());
        }
        uploads.uploads.insert(id, Entry { status, task: None, kept: Some(kept.clone()) });
        kept
    }

    /// Starts the task that places and records, unless it runs or is done.
    pub(super) fn go_on(self: &Arc<Self>, kept: &Arc<Kept>) {
        let mut known = self.uploads.known.lock();
        let Some(entry) = known.uploads.get_mut(&kept.id()) else { return };
        let is_running = entry.task.as_ref().is_some_and(|task| !task.is_finished()) && !is_over(&kept.job.status);
        if is_running || kept.is_over() {
            return;
        }
        kept.job.status.send_modify(|status| (status.stage, status.error) = (UploadStage::Receiving, None));
        kept.job.deals.store(0, Ordering::Relaxed);
        let (inner, kept) = (self.clone(), kept.clone());
        let task = tokio::spawn(async move {
            let mut deal = kept.deal.lock().await;
            let counted = inner.parts.metrics.begin(kept.job.status.subscribe());
            let mut stored = counted.until(inner.run(&kept.job, &mut deal)).await;
            stored = match stored {
                Err(error) if is_full(&error) => Err(inner.let_go_of(&kept, &mut deal, error).await),
                stored => stored,
            };
            if let Ok(receipt) = &stored {
                let noted = kept.job.note(|| Step::Final { receipt: receipt.clone() }).await;
                stored = noted.map(|()| receipt.clone());
                // The nonce is used.
                *deal = None;
                let kept = kept.clone();
                // A client that sends the same bytes again may be compared with them still.
                tokio::spawn(async move {
                    let _nobody = kept.writer.lock().await;
                    kept.job.body.let_go();
                });
            }
            // How it ended is in the status.
            inner.uploads.ended(&kept.job.status, stored).ok();
        });
        entry.task = Some(task.abort_handle());
    }

    /// The unfinished upload of this account and key, or a new one.
    pub(super) async fn begin(
        self: &Arc<Self>,
        options: SubmitOptions,
        size: Option<u64>,
    ) -> Result<Arc<Kept>, ApiError> {
        let inner = self.clone();
        let begun = tokio::task::spawn_blocking(move || inner.begin_here(options, size)).await;
        begun.map_err(ApiError::internal)?
    }

    /// The same on this thread, which waits for the disk.
    fn begin_here(&self, options: SubmitOptions, size: Option<u64>) -> Result<Arc<Kept>, ApiError> {
        let order = self.order(&options)?;
        let owner = order.owner.account();
        let mut forgotten = self.uploads.beginning.lock();
        let unfinished = || -> Vec<Arc<Kept>> {
            let known = self.uploads.known.lock();
            known.uploads.values().filter_map(|entry| entry.kept.clone()).filter(|kept| !kept.is_over()).collect()
        };
        // It asks the disk about each of them.
        if forgotten.is_none_or(|last| last.elapsed() > FORGET_EVERY) || unfinished().len() >= KEPT_MAX {
            self.forget_stale();
            *forgotten = Some(Instant::now());
        }
        let unfinished = unfinished();
        let same = |kept: &&Arc<Kept>| kept.owner == owner && kept.options.resume_key == options.resume_key;
        if let Some(kept) = unfinished.iter().filter(|_| options.resume_key.is_some()).find(same) {
            kept.is_asked_for(&options, &order, size)?;
            return Ok(kept.clone());
        }
        if unfinished.len() >= KEPT_MAX {
            return Err(TryAgain::Overloaded("too many uploads are unfinished").into());
        }
        self.check_announced(&self.parts.uploads, &order.profile.code, size)?;
        let id = new_id()?;
        let folder = self.parts.uploads.join(&id);
        let options = SubmitOptions { from: Some(owner), ..options };
        let begun = Step::Begun { owner, options: options.clone(), size, resume_key: options.resume_key.clone() };
        let (journal, body) = self.make(&folder, &begun)?;
        let status = watch::Sender::new(UploadStatus {
            upload_id: id,
            resume_key: options.resume_key.clone(),
            ..UploadStatus::default()
        });
        let job = Job { order, size, body, status, journal: Some(journal), deals: AtomicU32::new(0) };
        let known = Remembered { owner, options, size, ended: false, deal: None, receipt: None, failure: None };
        Ok(self.keep(folder, job, &known))
    }

    /// The folder of a new upload, which lasts once this returns.
    fn make(&self, folder: &std::path::Path, begun: &Step) -> Result<(Journal, Arc<Body>), ApiError> {
        std::fs::create_dir(folder).map_err(disk_error)?;
        let (journal, _) = Journal::open(folder).map_err(|error| ApiError::internal(format!("{error:#}")))?;
        let body = Body::kept(folder).map_err(disk_error)?;
        journal.note_here(begun).map_err(disk_error)?;
        for folder in [folder, self.parts.uploads.as_path()] {
            std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk_error)?;
        }
        Ok((journal, body))
    }

    fn forget_stale(&self) {
        let mut known = self.uploads.known.lock();
        let is_stale = |entry: &Entry| entry.kept.as_ref().is_some_and(|kept| !kept.is_over() && kept.is_stale());
        for (id, entry) in known.uploads.extract_if(.., |_, entry| is_stale(entry)) {
            tracing::info!(upload = id, "an upload that nobody went on with is forgotten");
            entry.give_up();
        }
    }

    /// The body of an upload that is perhaps here in part.
    pub(super) async fn submit_kept(
        self: &Arc<Self>,
        body: ByteStream,
        options: SubmitOptions,
        announced: Announced,
    ) -> Result<Upload, ApiError> {
        let kept = self.begin(options, announced.size).await?;
        if kept.job.size.is_some() {
            self.go_on(&kept);
        }
        let (id, progress) = (kept.id(), kept.job.status.subscribe());
        let inner = self.clone();
        let task = tokio::spawn(async move {
            match receive_again(body, announced, &kept).await {
                Err(error) if is_full(&error) => return Err(inner.let_go(&kept, error).await),
                received => received?,
            }
            inner.go_on(&kept);
            outcome(kept.job.status.subscribe()).await
        });
        let receipt = async move { task.await.map_err(ApiError::internal)? };
        Ok(Upload { id, progress, receipt: receipt.boxed() })
    }
}

impl Entry {
    fn give_up(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        if let Some(kept) = &self.kept {
            kept.remove();
        }
        self.status.send_modify(|status| {
            status.stage = UploadStage::Failed;
            status.error = Some(cancelled().into());
        });
    }
}

/// Waits for the end of an upload.
pub(super) async fn outcome(mut status: watch::Receiver<UploadStatus>) -> Result<Receipt, ApiError> {
    let over = |status: &UploadStatus| matches!(status.stage, UploadStage::Final | UploadStage::Failed);
    let ended = status.wait_for(over).await.map_err(|_| cancelled())?;
    match (&ended.result, &ended.error) {
        (Some(receipt), _) => Ok(receipt.clone()),
        (None, Some(failure)) => Err(ApiError::Upload(failure.clone())),
        (None, None) => Err(ApiError::internal("an upload ended without an outcome")),
    }
}
