//! One pass over the segment that feeds all columns.

use super::parts::Part;
use super::plan::UploadPlan;
use super::{COLUMN_UNITS_MAX, Candidate, SegmentUpload, StripeItem, StripeStream, UploadError};
use crate::pace::Pace;
use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use pieces::SegmentManifest;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::sleep_until;

/// A column that the others had to wait for too long.
#[derive(Debug)]
pub(super) struct Lag {
    pub(super) index: u8,
    /// Who is to race it; then the pass goes on without it.
    pub(super) spare: Option<Candidate>,
}

/// Feeds columns in step: the slowest sets the pace, until it is behind and a spare slot can race it.
pub(super) struct Feed<'a> {
    upload: &'a SegmentUpload,
    plan: &'a Mutex<UploadPlan<Candidate>>,
    feeds: BTreeMap<u8, mpsc::Sender<Part>>,
    pace: Pace,
    lags: mpsc::Sender<Lag>,
}

/// Columns that have no room for the next part yet; whether they took it in the end.
type Waiting = BTreeMap<u8, BoxFuture<'static, bool>>;

impl<'a> Feed<'a> {
    pub(super) fn new(
        upload: &'a SegmentUpload,
        plan: &'a Mutex<UploadPlan<Candidate>>,
        lags: mpsc::Sender<Lag>,
    ) -> Self {
        Self { upload, plan, feeds: BTreeMap::new(), pace: Pace::new(Instant::now()), lags }
    }

    /// One more column; what it is fed.
    pub(super) fn add(&mut self, index: u8) -> mpsc::Receiver<Part> {
        let (feed, parts) = mpsc::channel(COLUMN_UNITS_MAX);
        self.feeds.insert(index, feed);
        parts
    }

    /// Gives every column its units and the end. Columns that have failed are left out.
    pub(super) async fn run(mut self, mut stripes: StripeStream) -> Result<SegmentManifest, UploadError> {
        let segment = self.upload.segment;
        let n = usize::from(self.upload.code.n);
        let wrong = |what| UploadError::Stripes { segment, what };
        self.pace = Pace::new(Instant::now());
        while let Some(item) = stripes.next().await {
            match item.map_err(|source| UploadError::Source { segment, source })? {
                StripeItem::Stripe(units) if units.len() == n => {
                    self.give(|index| units.get(index).cloned().map(Part::Unit)).await;
                }
                StripeItem::Stripe(_) => return Err(wrong("a stripe of another number of units")),
                StripeItem::End(manifest) if manifest.piece_hashes.len() == n => {
                    self.give(|index| manifest.piece_hashes.get(index).copied().map(Part::End)).await;
                    return Ok(manifest);
                }
                StripeItem::End(_) => return Err(wrong("another number of hashes")),
            }
        }
        Err(wrong("no end"))
    }

    /// Gives every column its part.
    async fn give(&mut self, part: impl Fn(usize) -> Option<Part>) {
        let mut waiting = Waiting::new();
        let mut gone = Vec::new();
        self.pace.step(self.feeds.len());
        for (index, feed) in &self.feeds {
            let Some(part) = part(usize::from(*index)) else { continue };
            match feed.try_send(part) {
                Ok(()) => self.pace.ready(*index, Instant::now()),
                // A column that has failed has dropped its end.
                Err(TrySendError::Closed(_)) => gone.push(*index),
                Err(TrySendError::Full(part)) => {
                    let feed = feed.clone();
                    waiting.insert(*index, async move { feed.send(part).await.is_ok() }.boxed());
                }
            }
        }
        gone.iter().for_each(|index| drop(self.feeds.remove(index)));
        while !waiting.is_empty() {
            tokio::select! {
                (index, taken) = next_of(&mut waiting) => {
                    waiting.remove(&index);
                    if taken {
                        self.pace.ready(index, Instant::now());
                    } else {
                        self.feeds.remove(&index);
                    }
                }
                () = sleep_until(self.pace.judges_at().into()) => self.judge(&mut waiting),
            }
        }
        self.judge(&mut waiting);
    }

    /// Whoever is behind and can be raced is not waited for any longer.
    fn judge(&mut self, waiting: &mut Waiting) {
        for index in self.pace.judge(waiting.keys().copied(), Instant::now()) {
            let Ok(room) = self.lags.try_reserve() else { return };
            let spare = self.plan.lock().race(index);
            if spare.is_some() {
                waiting.remove(&index);
                self.feeds.remove(&index);
            }
            room.send(Lag { index, spare });
        }
    }
}

/// The next column that took its part, or failed.
async fn next_of(waiting: &mut Waiting) -> (u8, bool) {
    poll_fn(|cx| {
        for (index, taking) in waiting.iter_mut() {
            if let Poll::Ready(taken) = taking.poll_unpin(cx) {
                return Poll::Ready((*index, taken));
            }
        }
        Poll::Pending
    })
    .await
}
