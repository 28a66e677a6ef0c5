//! One upload from its body to its receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pieces::{ContentHash, FileId, FileManifest, ManifestBuilder, SegmentManifest};
use rpc::types::{Receipt, UploadStage, UploadStatus};
use rpc::{ApiError, TryAgain};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{Lease, Leases};
use runtime::types::{Call, Epoch, ExtendLease, StorageCall, Store};
use tokio::sync::watch;
use tracing::Instrument;

use super::deal::Deal;
use super::journal::{Journal, Remembered, Step};
use super::{Inner, Order};
use crate::directory::live_file;
use crate::errors::{of_call, of_ledger, of_state};
use crate::labels::LabelError;
use crate::source::SpooledSegment;
use crate::spool::Body;
use crate::submitter::{CallError, Landed};

/// Deals of one upload, each of which sends everything anew.
const DEALS_MAX: u32 = 16;
/// Times a Store is made anew because its deal's time was up when it came to a block.
const STORE_ATTEMPTS_MAX: u32 = 3;

/// An upload that is under way.
pub(super) struct Job {
    pub(super) order: Order,
    /// What the client announced.
    pub(super) size: Option<u64>,
    pub(super) body: Arc<Body>,
    pub(super) status: watch::Sender<UploadStatus>,
    /// Of an upload that survives a crash.
    pub(super) journal: Option<Journal>,
    /// Deals made so far in this life of the node.
    pub(super) deals: AtomicU32,
}

impl Job {
    pub(super) fn stage(&self, stage: UploadStage) {
        self.status.send_modify(|status| status.stage = stage);
    }

    /// So many segments have holders for all their pieces.
    pub(super) fn acknowledged(&self, segments: usize) {
        let n = u32::from(self.order.profile.code.n);
        let pieces = u32::try_from(segments).unwrap_or(u32::MAX).saturating_mul(n);
        self.status.send_modify(|status| status.pieces_acknowledged = pieces);
    }

    /// The pieces of an upload of an earlier life of the node: all of them once it is recorded, else those of the segments
    /// that were placed.
    pub(super) fn count_again(&self, known: &Remembered, received: u64) {
        let whole = known.size.or((known.ended || known.receipt.is_some()).then_some(received));
        let all = whole.map_or(0, |size| self.segment_lens(size).len());
        // Those of one that was given up are gone.
        let deal = known.deal.as_ref().filter(|_| known.failure.is_none());
        let placed = deal.map_or(0, |(_, placed)| placed.len());
        self.acknowledged(if known.receipt.is_some() { all } else { placed });
    }

    /// Whether the ledger may know the file: then nothing of it is given back.
    pub(super) fn is_known(&self) -> bool {
        self.status.borrow().file_id.is_some()
    }

    /// Counts a deal that is about to be made.
    pub(super) fn another_deal(&self) -> Result<(), ApiError> {
        if self.deals.fetch_add(1, Ordering::Relaxed) < DEALS_MAX {
            return Ok(());
        }
        Err(TryAgain::Overloaded("to place the file takes longer than a deal lasts").into())
    }

    pub(super) async fn note(&self, step: impl FnOnce() -> Step) -> Result<(), ApiError> {
        match &self.journal {
            Some(journal) => journal.note(step()).await,
            None => Ok(()),
        }
    }

    /// Lengths of the segments of a file of `size` bytes.
    fn segment_lens(&self, size: u64) -> Vec<u64> {
        let code = self.order.profile.code;
        let lens: Vec<u64> = code.segment_lens(size, self.order.piece_bytes_max).collect();
        let pieces = u32::try_from(lens.len()).unwrap_or(u32::MAX).saturating_mul(u32::from(code.n));
        self.status.send_modify(|status| status.pieces_total = pieces);
        lens
    }
}

impl Inner {
    /// Stores the body of a job while it comes. What was placed stays in `deal` if it fails. All that is logged on the
    /// way names the upload.
    pub(super) async fn run(&self, job: &Job, deal: &mut Option<Deal>) -> Result<Receipt, ApiError> {
        let (id, name) = (job.status.borrow().upload_id.clone(), job.order.name.as_deref());
        self.run_named(job, deal).instrument(tracing::info_span!("upload", id, name)).await
    }

    async fn run_named(&self, job: &Job, deal: &mut Option<Deal>) -> Result<Receipt, ApiError> {
        self.place_ahead(job, deal).await?;
        let (size, content) = job.body.whole().await;
        if let Some(announced) = job.size.filter(|announced| *announced != size) {
            return Err(ApiError::BadParams(format!("size: {announced} bytes were announced, {size} came")));
        }
        // The same bytes by the same account, twice at once: the second finds the first one's lease.
        let turn = self.turn(job.order.owner.account(), content);
        let receipt = {
            let _alone = turn.lock().await;
            self.store(job, deal, size, content).await
        };
        self.turn_is_over(turn);
        let receipt = receipt?;
        // Also of a file that another upload placed.
        job.acknowledged(job.segment_lens(size).len());
        self.label(&receipt.file_id, &job.order).await?;
        Ok(receipt)
    }

    /// Sends all segments but the last while the body comes, if its size is known: by the time it has come, most of it
    /// is placed. The last one waits for the content's hash, which tells whether the ledger may know the file.
    async fn place_ahead(&self, job: &Job, deal: &mut Option<Deal>) -> Result<(), ApiError> {
        let Some(size) = job.size else { return Ok(()) };
        let lens = job.segment_lens(size);
        let mut end = 0;
        for (segment, len) in lens.iter().enumerate().take(lens.len().saturating_sub(1)) {
            end += len;
            job.body.reaches(end).await;
            match self.place_through(job, deal, &lens, segment).await {
                // Perhaps nothing has to be paid: that is known at the end.
                Err(ApiError::Rejected { rule: Rule::InsufficientBalance }) => return Ok(()),
                placed => placed?,
            }
        }
        Ok(())
    }

    /// Makes the ledger record the file with a lease of this account, if it does not yet.
    async fn store(
        &self,
        job: &Job,
        deal: &mut Option<Deal>,
        size: u64,
        content: ContentHash,
    ) -> Result<Receipt, ApiError> {
        let lens = job.segment_lens(size);
        let ledger = self.parts.chain.ledger();
        if !ledger.files_by_content(&content, None, 1).map_err(of_ledger)?.items.is_empty() {
            job.stage(UploadStage::Encoding);
            let manifest = self.manifest(job, deal.as_ref(), &lens, content).await?;
            if let Some(receipt) = self.store_again(job, &manifest).await? {
                return Ok(receipt);
            }
        }
        job.stage(UploadStage::Placing);
        for attempt in 1.. {
            self.place_through(job, deal, &lens, lens.len()).await?;
            let Deal { intent, placed, hasher, .. } = self.current(job, deal, size).await?;
            if placed.len() != lens.len() {
                continue;
            }
            if hasher.finalize().as_bytes() != content.as_bytes() {
                return Err(ApiError::internal("the spooled body changed while it was sent"));
            }
            job.stage(UploadStage::Committed);
            let manifest = assemble(job, placed.iter().map(|segment| segment.manifest.clone()), content)?;
            self.check_label(manifest.file_id(), &job.order)?;
            let holders = placed.iter().map(|segment| segment.holders.clone()).collect();
            let store = Store { intent: intent.clone(), manifest: manifest.clone(), holders };
            match self.record(job, &manifest, store).await {
                Err(Rejection::OfDeal(_)) if attempt < STORE_ATTEMPTS_MAX => *deal = None,
                Err(Rejection::OfDeal(error) | Rejection::Other(error)) => return Err(error),
                // By a Store that was sent before a crash, or by another gateway of this account.
                Err(Rejection::Stored) => {
                    let known = self.store_again(job, &manifest).await?;
                    return known.ok_or_else(|| ApiError::internal("a file is stored and is not"));
                }
                Ok(receipt) => return Ok(receipt),
            }
        }
        Err(ApiError::internal("a count of attempts ended"))
    }

    /// A file that the ledger may know: puts back what its holders lost, and adds a lease unless this account has one.
    /// None if the ledger does not know it.
    async fn store_again(&self, job: &Job, manifest: &FileManifest) -> Result<Option<Receipt>, ApiError> {
        let file = manifest.file_id();
        let state = self.parts.chain.ledger().state();
        let epoch = state.head().header.epoch;
        if live_file(&state, &file, epoch).map_err(of_state)?.is_none() {
            return Ok(None);
        }
        self.check_label(file, &job.order)?;
        job.status.send_modify(|status| status.file_id = Some(file));
        job.stage(UploadStage::Placing);
        self.heal(&job.body, manifest).await?;
        let lease = state.read::<Leases>(&(file, job.order.owner.account())).map_err(of_state)?;
        let (intent, _nonce) = match lease.and_then(|lease| live_until(&lease, epoch)) {
            // It was released, or ends by itself, with this epoch.
            Some(to) if to <= epoch.saturating_add(1) => return self.prolong(job, manifest).await.map(Some),
            Some(to) => return self.known(manifest, file, &job.order, to).map(Some),
            None => self.intent(&job.order, manifest.size)?,
        };
        let store = Store { intent, manifest: manifest.clone(), holders: Vec::new() };
        match self.record(job, manifest, store).await {
            Ok(receipt) => Ok(Some(receipt)),
            Err(Rejection::OfDeal(error) | Rejection::Other(error)) => Err(error),
            Err(Rejection::Stored) => Err(ApiError::Rejected { rule: Rule::AlreadyStored }),
        }
    }

    /// Pays longer for a file whose lease by this account is about to end.
    async fn prolong(&self, job: &Job, manifest: &FileManifest) -> Result<Receipt, ApiError> {
        let Order { owner, lease_epochs, .. } = &job.order;
        let max_price = self.intent(&job.order, manifest.size)?.0.intent.max_price;
        let file = manifest.file_id();
        let call = StorageCall::Extend(ExtendLease { file, lease_epochs: *lease_epochs, max_price });
        let landed = self.parts.submitter.call(owner, Call::Storage(call)).await.map_err(of_call)?;
        job.status.send_modify(|status| status.tx_hash = Some(landed.hash));
        self.receipt(manifest, file, &job.order, landed)
    }

    /// The manifest of a body of which some segments are placed.
    async fn manifest(
        &self,
        job: &Job,
        deal: Option<&Deal>,
        lens: &[u64],
        content: ContentHash,
    ) -> Result<FileManifest, ApiError> {
        let known = deal.map_or(&[][..], |deal| &deal.placed);
        let mut segments: Vec<SegmentManifest> = known.iter().map(|segment| segment.manifest.clone()).collect();
        let mut start: u64 = lens.iter().take(segments.len()).sum();
        for len in lens.iter().skip(segments.len()) {
            let source = SpooledSegment::new(job.body.clone(), job.order.profile.code, start, *len);
            segments.push(source.manifest().await.map_err(ApiError::internal)?);
            start += len;
        }
        assemble(job, segments, content)
    }

    /// Sends a Store and waits until it is final.
    async fn record(&self, job: &Job, manifest: &FileManifest, store: Store) -> Result<Receipt, Rejection> {
        let file = manifest.file_id();
        job.status.send_modify(|status| status.file_id = Some(file));
        let submitter = &self.parts.submitter;
        let call = Call::Storage(StorageCall::Store(store));
        let hash = submitter.submit(&job.order.owner, call).await.map_err(rejection)?;
        job.status.send_modify(|status| status.tx_hash = Some(hash));
        let landed = submitter.landed(hash).await.map_err(rejection)?;
        job.stage(UploadStage::Included);
        self.receipt(manifest, file, &job.order, landed).map_err(Rejection::Other)
    }

    /// The receipt of a file that this account pays for already: of the transaction that founded it.
    fn known(
        &self,
        manifest: &FileManifest,
        file: FileId,
        order: &Order,
        lease_until_epoch: Epoch,
    ) -> Result<Receipt, ApiError> {
        let ledger = self.parts.chain.ledger();
        let missing = || ApiError::internal(format!("no transaction founded file {file}"));
        let hash = ledger.store_transaction_of(&file).map_err(of_ledger)?.ok_or_else(missing)?;
        let height = ledger.transaction(&hash).map_err(of_ledger)?.ok_or_else(missing)?.height;
        let block_hash = ledger.header(height).map_err(of_ledger)?.ok_or_else(missing)?.hash();
        let landed = Landed { hash, height, block_hash };
        Ok(receipt(manifest, file, order, landed, lease_until_epoch))
    }

    fn receipt(
        &self,
        manifest: &FileManifest,
        file: FileId,
        order: &Order,
        landed: Landed,
    ) -> Result<Receipt, ApiError> {
        let state = self.parts.chain.ledger().state();
        let lease = state.read::<Leases>(&(file, order.owner.account())).map_err(of_state)?;
        let until = lease.and_then(|lease| lease.tranches.last().map(|tranche| tranche.to));
        let until = until.ok_or_else(|| ApiError::internal(format!("file {file} has no lease though it was paid")))?;
        Ok(receipt(manifest, file, order, landed, until))
    }

    /// Before anything is paid.
    fn check_label(&self, file: FileId, order: &Order) -> Result<(), ApiError> {
        let Some(name) = &order.name else { return Ok(()) };
        self.parts.labels.check(file, name).map_err(of_label)
    }

    async fn label(&self, file: &FileId, order: &Order) -> Result<(), ApiError> {
        let Some(name) = order.name.clone() else { return Ok(()) };
        let (labels, file) = (self.parts.labels.clone(), *file);
        let added = tokio::task::spawn_blocking(move || labels.add(file, &name)).await;
        added.map_err(ApiError::internal)?.map_err(of_label)
    }
}

fn of_label(error: LabelError) -> ApiError {
    match error {
        LabelError::Full(_) => ApiError::BadParams(format!("name: {error}")),
        LabelError::Disk(error) => crate::spool::disk_error(error),
    }
}

/// Why a Store is not in a block.
enum Rejection {
    /// The chain has gone on since the deal was made; with a new one it may land.
    OfDeal(ApiError),
    /// This account has a lease of the file already.
    Stored,
    /// Another deal would not help.
    Other(ApiError),
}

fn rejection(error: CallError) -> Rejection {
    use Rule::{
        AlreadyStored, BadCommitment, PriceAboveMax, ProviderFull, ProviderNotActive, SnapshotTooOld, StoreTooLate,
    };
    let rule = match &error {
        CallError::Failed { rule, .. } => Some(*rule),
        _ => None,
    };
    let error = of_call(error);
    match rule {
        Some(AlreadyStored) => Rejection::Stored,
        Some(StoreTooLate | SnapshotTooOld | PriceAboveMax | ProviderFull | ProviderNotActive | BadCommitment) => {
            Rejection::OfDeal(error)
        }
        _ => Rejection::Other(error),
    }
}

fn assemble(
    job: &Job,
    segments: impl IntoIterator<Item = SegmentManifest>,
    content: ContentHash,
) -> Result<FileManifest, ApiError> {
    let order = &job.order;
    let mut builder = ManifestBuilder::new(order.profile.code, order.piece_bytes_max, order.media_type.clone());
    segments.into_iter().for_each(|segment| builder.add_segment(segment));
    builder.finish(content).map_err(ApiError::internal)
}

/// When the lease ends, if it has not yet.
fn live_until(lease: &Lease, epoch: Epoch) -> Option<Epoch> {
    lease.tranches.iter().map(|tranche| tranche.to).max().filter(|to| *to > epoch)
}

fn receipt(manifest: &FileManifest, file: FileId, order: &Order, landed: Landed, lease_until_epoch: Epoch) -> Receipt {
    Receipt {
        file_id: file,
        content_hash: manifest.content_hash,
        size: manifest.size,
        profile: order.profile.name.to_string(),
        tx_hash: landed.hash,
        height: landed.height,
        block_hash: landed.block_hash,
        lease_until_epoch,
    }
}
