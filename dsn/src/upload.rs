//! One segment to `n` holders at once.
//!
//! ```text
//! StripeSource --stripes--> Feed --column 0--> its first candidate that accepts it
//!                                --column 1--> ..
//! a column that breaks:     the source again, for it alone, to its next candidate
//! a column that is slow:    the same, and both go on: whoever commits first has it
//! ```
//!
//! All columns advance together, at most [`COLUMN_UNITS_MAX`] units apart, so memory is bounded by that; a column that the
//! others wait for too long reads on by itself. A slot that was filled under raised caps never races: it is used once an
//! earlier one has failed, or is too slow to be waited for.

mod attempt;
mod feed;
mod parts;
mod plan;
mod race;

pub(crate) use parts::Passes;

use crate::net::{Peer, PeerTarget};
use crate::protocol::put::{Authority, PutOpen};
use bytes::Bytes;
use dsn_messages::RefusalCode;
use feed::Feed;
use futures::future::{BoxFuture, pending};
use futures::stream::BoxStream;
use parking_lot::Mutex;
use parts::Parts;
use pieces::{ErasureCode, SegmentManifest};
use plan::{Choice, UploadPlan};
use race::Race;
use runtime::crypto::{AccountId, PublicKey, Signature};
use runtime::types::{SignedIntent, StorageCommitment};
use std::collections::BTreeMap;
use std::io;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

pub use parts::{SLOW_PASSES_MAX, SPARE_PASSES_MAX};
pub use race::{GIVE_UP_AFTER, RATE_MIN};

/// Columns of a segment that can be reported as slow before that is looked at: all there can be.
const LAGS_MAX: usize = 256;
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
    /// The slot was filled after the placement's caps were raised: it is used only after an earlier one failed.
    pub raised: bool,
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

/// Uploads a segment: each column to its first candidate that takes it in good time. A commitment counts once its fields
/// and its signature are right. Peers that are known to be bad are asked after others.
///
/// # Errors
/// A column is left without candidates, or the source fails; then everything is broken off.
pub async fn upload_segment(
    peer: &Peer,
    upload: SegmentUpload,
    source: &dyn StripeSource,
) -> Result<UploadedSegment, UploadError> {
    let segment = upload.segment;
    let plan = Mutex::new(upload.plan(peer));
    let (lags, mut lagging) = mpsc::channel(LAGS_MAX);
    let mut feed = Feed::new(&upload, &plan, lags);
    let mut race = Race::new(peer, &upload, source, &plan);
    for index in upload.columns.keys() {
        let parts = Parts::fed(peer, source, *index, feed.add(*index));
        race.give(*index, parts)?;
    }
    let stripes = source.open().await.map_err(|source| UploadError::Source { segment, source })?;
    let mut feeding = std::pin::pin!(feed.run(stripes));
    let mut manifest = None;
    let manifest = loop {
        if race.is_done()
            && let Some(manifest) = manifest
        {
            break manifest;
        }
        let check_at = race.check_at();
        // All have to be polled: the columns take what the feed gives.
        tokio::select! {
            fed = &mut feeding, if manifest.is_none() => manifest = Some(fed?),
            Some(lag) = lagging.recv() => race.lagging(lag),
            outcome = race.next() => race.ended(outcome)?,
            () = until(check_at) => race.check()?,
        }
    };
    let (holders, failures) = race.into_parts();
    if holders
        .iter()
        .any(|held| manifest.piece_hashes.get(usize::from(held.index)) != Some(&held.commitment.piece_hash))
    {
        return Err(UploadError::Stripes { segment, what: "other bytes than the first time" });
    }
    Ok(UploadedSegment { manifest, holders, failures })
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

impl SegmentUpload {
    fn plan(&self, peer: &Peer) -> UploadPlan<Candidate> {
        let choice = |candidate: &Candidate| Choice {
            slot: candidate.slot,
            raised: candidate.raised,
            standing: peer.judged().standing(&candidate.target.peer_key),
            candidate: candidate.clone(),
        };
        UploadPlan::new(self.columns.iter().map(|(index, all)| (*index, all.iter().map(choice).collect())))
    }

    fn open(&self, index: u8, slot: u8) -> PutOpen {
        let authority = Authority::Intent(self.intent.clone());
        PutOpen { authority, segment: self.segment, index, slot, piece_bytes_max: self.piece_bytes_max }
    }
}
