//! One segment to `n` holders at once.
//!
//! ```text
//! StripeSource --stripes--> units --column 0--> its first candidate that accepts it
//!                                 --column 1--> ..
//! round 1: all columns.  round 2: the source again, for the columns that broke, to their next candidates.  ..
//! ```
//!
//! All columns advance together, at most [`COLUMN_UNITS_MAX`] units apart, so memory is bounded by that. A column that
//! breaks leaves the others alone; it starts anew on its next candidate, as nothing of a broken piece is kept.

mod column;
mod plan;

use crate::net::{Peer, PeerTarget};
use crate::protocol::put::{Authority, PutOpen};
use bytes::Bytes;
use column::{Column, Outcome, Part};
use dsn_messages::RefusalCode;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use parking_lot::Mutex;
use pieces::{ErasureCode, SegmentManifest};
use plan::UploadPlan;
use runtime::crypto::{AccountId, PublicKey, Signature};
use runtime::types::{SignedIntent, StorageCommitment};
use std::collections::BTreeMap;
use std::io;
use tokio::sync::mpsc;

/// Units that wait for one holder.
pub const COLUMN_UNITS_MAX: usize = 4;

/// What a [`StripeSource`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StripeItem {
    /// The `n` units of the next stripe, in column order.
    Stripe(Vec<Bytes>),
    /// The end: length of the segment, and the hashes of its pieces.
    End(SegmentManifest),
}

/// The stripes of one segment, ended by [`StripeItem::End`].
pub type StripeStream = BoxStream<'static, io::Result<StripeItem>>;

/// Gives the stripes of one segment, again and again the same: what a holder that fails has not kept has to be computed
/// anew for another.
pub trait StripeSource: Send + Sync {
    /// Starts from the first stripe.
    ///
    /// # Errors
    /// The bytes cannot be read any more.
    fn open(&self) -> BoxFuture<'_, io::Result<StripeStream>>;
}

/// Somebody who may hold a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The slot of the placement that names it. Used once in a segment.
    pub slot: u8,
    /// Where it is.
    pub target: PeerTarget,
    /// Its account.
    pub provider: AccountId,
    /// The key its commitments are signed with.
    pub service_key: PublicKey,
}

/// What is to be uploaded.
#[derive(Clone, Debug)]
pub struct SegmentUpload {
    /// The owner's promise to pay.
    pub intent: SignedIntent,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// How it is coded.
    pub code: ErasureCode,
    /// No piece is longer.
    pub piece_bytes_max: u32,
    /// What every commitment must say, apart from segment, index, piece and provider.
    pub terms: StorageCommitment,
    /// The columns to upload, all or those that are missing, each with its candidates, the best first.
    pub columns: BTreeMap<u8, Vec<Candidate>>,
}

/// A holder's promise, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnCommitment {
    /// The column.
    pub index: u8,
    /// The holder's slot.
    pub slot: u8,
    /// What it promised.
    pub commitment: StorageCommitment,
    /// By its service key.
    pub signature: Signature,
}

/// A candidate that did not take its column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFailure {
    /// The column.
    pub index: u8,
    /// The candidate.
    pub provider: AccountId,
    /// Its slot.
    pub slot: u8,
    /// Why.
    pub reason: String,
    /// What it said, if it refused.
    pub refusal: Option<RefusalCode>,
}

/// A segment whose columns are all held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedSegment {
    /// Length and hashes.
    pub manifest: SegmentManifest,
    /// The promises, in the order of the columns.
    pub holders: Vec<ColumnCommitment>,
    /// Who failed on the way.
    pub failures: Vec<ColumnFailure>,
}

/// Why a segment was not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Some columns found no holder.
    #[error("segment {segment}: no holder for {}", describe(.missing, .failures))]
    NoHolder {
        /// The segment.
        segment: u16,
        /// Columns without a holder.
        missing: Vec<u8>,
        /// The promises for the others: they hold, and need not be asked for again.
        holders: Vec<ColumnCommitment>,
        /// Everybody who failed, and why.
        failures: Vec<ColumnFailure>,
    },
    /// The segment cannot be read.
    #[error("segment {segment}: cannot read its bytes")]
    Source {
        /// The segment.
        segment: u16,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The source gave something that is not a segment coded so, or something else the second time.
    #[error("segment {segment}: the source gave {what}")]
    Stripes {
        /// The segment.
        segment: u16,
        /// What is wrong.
        what: &'static str,
    },
}

fn describe(missing: &[u8], failures: &[ColumnFailure]) -> String {
    let why = |index: &u8| {
        let reasons = failures.iter().filter(|failure| failure.index == *index);
        let reasons: Vec<_> = reasons
            .map(|failure| format!("{} in slot {}: {}", failure.provider, failure.slot, failure.reason))
            .collect();
        let reasons = if reasons.is_empty() { "no candidate".into() } else { reasons.join(", ") };
        format!("piece {index} ({reasons})")
    };
    missing.iter().map(why).collect::<Vec<_>>().join("; ")
}

/// Uploads a segment: each column to its first candidate that takes it. A commitment counts once its fields and its
/// signature are right.
///
/// # Errors
/// A column is left without candidates, or the source fails; then everything is broken off.
pub async fn upload_segment(
    peer: &Peer,
    upload: SegmentUpload,
    source: &dyn StripeSource,
) -> Result<UploadedSegment, UploadError> {
    let segment = upload.segment;
    let columns = upload.columns.iter().map(|(index, candidates)| {
        (*index, candidates.iter().cloned().map(|candidate| (candidate.slot, candidate)).collect())
    });
    let plan = UploadPlan::new(columns);
    let mut missing = plan.columns();
    let plan = Mutex::new(plan);
    let mut holders: BTreeMap<u8, ColumnCommitment> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut manifest: Option<SegmentManifest> = None;
    loop {
        // One column without a candidate is enough to fail: nothing is sent in vain.
        if missing.iter().any(|index| !plan.lock().has_next(*index)) {
            let (missing, holders) = (missing.into_iter().collect(), holders.into_values().collect());
            return Err(UploadError::NoHolder { segment, missing, holders, failures });
        }
        let columns = missing.iter().map(|index| Column::new(peer, &upload, &plan, *index)).collect();
        let stripes = source.open().await.map_err(|source| UploadError::Source { segment, source })?;
        let (found, outcomes) = run(&upload, columns, stripes).await?;
        if manifest.as_ref().is_some_and(|before| *before != found) {
            return Err(UploadError::Stripes { segment, what: "other bytes than the first time" });
        }
        for Outcome { held, failed } in outcomes {
            failures.extend(failed);
            if let Some(held) = held {
                missing.remove(&held.index);
                holders.insert(held.index, held);
            }
        }
        if missing.is_empty() {
            return Ok(UploadedSegment { manifest: found, holders: holders.into_values().collect(), failures });
        }
        manifest = Some(found);
    }
}

/// Feeds all stripes to some columns and waits for what becomes of them.
async fn run(
    upload: &SegmentUpload,
    columns: Vec<Column<'_>>,
    stripes: StripeStream,
) -> Result<(SegmentManifest, Vec<Outcome>), UploadError> {
    let mut feeds = BTreeMap::new();
    let mut sending = FuturesUnordered::new();
    for column in columns {
        let (feed, parts) = mpsc::channel(COLUMN_UNITS_MAX);
        feeds.insert(column.index(), feed);
        sending.push(column.send(parts));
    }
    let mut outcomes = Vec::new();
    let feeding = feed(upload, stripes, feeds);
    tokio::pin!(feeding);
    // Both sides have to be polled: the columns take what the feed gives.
    let manifest = loop {
        tokio::select! {
            fed = &mut feeding => break fed?,
            Some(outcome) = sending.next() => outcomes.push(outcome),
        }
    };
    while let Some(outcome) = sending.next().await {
        outcomes.push(outcome);
    }
    Ok((manifest, outcomes))
}

/// Gives every column its units and the end. Columns that have failed are left out; the slowest sets the pace.
async fn feed(
    upload: &SegmentUpload,
    mut stripes: StripeStream,
    feeds: BTreeMap<u8, mpsc::Sender<Part>>,
) -> Result<SegmentManifest, UploadError> {
    let segment = upload.segment;
    let n = usize::from(upload.code.n);
    let wrong = |what| UploadError::Stripes { segment, what };
    while let Some(item) = stripes.next().await {
        match item.map_err(|source| UploadError::Source { segment, source })? {
            StripeItem::Stripe(units) => {
                if units.len() != n {
                    return Err(wrong("a stripe of another number of units"));
                }
                for (index, feed) in &feeds {
                    let unit = units.get(usize::from(*index)).ok_or_else(|| wrong("no such column"))?;
                    // A column that has failed has dropped its end.
                    drop(feed.send(Part::Unit(unit.clone())).await);
                }
            }
            StripeItem::End(manifest) => {
                if manifest.piece_hashes.len() != n {
                    return Err(wrong("another number of hashes"));
                }
                for (index, feed) in &feeds {
                    let hash = manifest.piece_hashes.get(usize::from(*index)).ok_or_else(|| wrong("no such column"))?;
                    drop(feed.send(Part::End(*hash)).await);
                }
                return Ok(manifest);
            }
        }
    }
    Err(wrong("no end"))
}

impl SegmentUpload {
    fn open(&self, index: u8, slot: u8) -> PutOpen {
        let authority = Authority::Intent(self.intent.clone());
        PutOpen { authority, segment: self.segment, index, slot, piece_bytes_max: self.piece_bytes_max }
    }
}
