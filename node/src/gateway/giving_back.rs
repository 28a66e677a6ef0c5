//! What an upload that found no room leaves behind goes at once: its body, and its pieces at providers of this node. Others'
//! providers let go of theirs when the deal's time is up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dsn::{PieceStore, StoreError};
use rpc::ApiError;
use rpc::error::codes;
use rpc::types::UploadFailure;
use runtime::types::DealId;

use super::Inner;
use super::deal::Deal;
use super::journal::Step;
use super::kept::Kept;
use super::upload::Job;
use crate::spool::check_room;

/// The providers of this node.
#[derive(Clone, Debug, Default)]
pub struct LocalStores {
    /// Their pieces.
    pub stores: Vec<Arc<PieceStore>>,
    /// Whether these are on the disk of the bodies.
    pub share_disk: bool,
}

impl LocalStores {
    /// Pieces of a body of `size` bytes that come to the disk of the bodies, in bytes: each provider takes at most one piece
    /// of a segment.
    fn piece_bytes(&self, size: u64, code: &pieces::ErasureCode) -> u64 {
        if !self.share_disk {
            return 0;
        }
        let here = u64::try_from(self.stores.len()).unwrap_or(u64::MAX).min(code.n.into());
        size.saturating_mul(here).div_ceil(u64::from(code.k).max(1))
    }

    /// Releases what is kept here of the first `segments` of a deal that is given up.
    fn release(&self, deal: &DealId, segments: u16, n: u8) -> Result<(), StoreError> {
        for store in &self.stores {
            for (segment, index) in (0..segments).flat_map(|segment| (0..n).map(move |index| (segment, index))) {
                for (key, row) in store.rows_of(deal, segment, index)? {
                    if !row.recorded {
                        store.release(&key)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether it failed because there is no room.
pub(super) fn is_full(error: &ApiError) -> bool {
    error.code() == codes::FULL
}

impl Inner {
    /// Refuses a body of an announced size that cannot be kept with its pieces, before it comes.
    pub(super) fn check_announced(
        &self,
        folder: &std::path::Path,
        code: &pieces::ErasureCode,
        size: Option<u64>,
    ) -> Result<(), ApiError> {
        let size = size.unwrap_or(0);
        check_room(folder, size, self.parts.local.piece_bytes(size, code))
    }

    /// Gives up what is placed of a file of which nothing was sent to the ledger.
    pub(super) async fn give_back(&self, job: &Job, deal: &mut Option<Deal>) {
        if job.is_known() {
            return;
        }
        let Some(Deal { intent, placed, .. }) = deal.take() else { return };
        // The segment behind them may be here in part.
        let segments = u16::try_from(placed.len()).unwrap_or(u16::MAX).saturating_add(1);
        let (local, deal, n) = (self.parts.local.clone(), intent.intent.deal(), intent.intent.code.n);
        let released = tokio::task::spawn_blocking(move || local.release(&deal, segments, n)).await;
        if let Ok(Err(error)) = released {
            let error = anyhow::Error::from(error);
            tracing::warn!(error = format!("{error:#}"), "pieces of an upload that failed stay until its time is up");
        }
        job.acknowledged(0);
    }

    /// Lets a kept upload go whose body found no room; its task, if there is one, ends.
    pub(super) async fn let_go(&self, kept: &Kept, failure: ApiError) -> ApiError {
        self.uploads.stop_task(&kept.id());
        let mut deal = kept.deal.lock().await;
        let failed = self.let_go_of(kept, &mut deal, failure).await;
        // How it ended is in the status.
        self.uploads.ended(&kept.job.status, Err(failed)).err().unwrap_or_else(super::uploads::cancelled)
    }

    /// The same by the task that places it.
    pub(super) async fn let_go_of(&self, kept: &Kept, deal: &mut Option<Deal>, failure: ApiError) -> ApiError {
        if kept.job.is_known() {
            return failure;
        }
        kept.is_let_go.store(true, Ordering::Release);
        self.give_back(&kept.job, deal).await;
        let failure = UploadFailure::from(failure);
        // First, so that there is room for the note.
        kept.job.body.let_go();
        if let Err(error) = kept.job.note(|| Step::Failed { error: failure.clone() }).await {
            tracing::warn!(upload = kept.id(), %error, "how an upload ended is not written down");
            kept.remove();
        }
        tracing::warn!(upload = kept.id(), reason = failure.message, "an upload found no room and is given up");
        ApiError::Upload(failure)
    }
}
