//! One column to one candidate.

use super::parts::{Broken, Part, Parts};
use super::{Candidate, ColumnCommitment, SegmentUpload};
use crate::net::Peer;
use crate::protocol::put::{PutAnswer, PutError, PutStream};
use crate::scores::Deed;
use crate::service::chain;
use dsn_messages::RefusalCode;
use runtime::types::StorageCommitment;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a candidate does not hold a column.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) refusal: Option<RefusalCode>,
    /// What it says about the provider.
    pub(super) deed: Option<Deed>,
}

impl Failed {
    fn lied(reason: &str) -> Self {
        Self { reason: reason.to_owned(), refusal: None, deed: Some(Deed::Lied) }
    }
}

/// How an attempt ends that does not succeed.
#[derive(Debug)]
pub(super) enum Unheld {
    /// The candidate's fault, or nobody's.
    Failed(Failed),
    /// The segment cannot be read.
    Source(io::Error),
    /// The source gave something that is no segment.
    Stripes(&'static str),
}

impl From<PutError> for Unheld {
    fn from(error: PutError) -> Self {
        let refusal = match &error {
            PutError::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        };
        Self::Failed(Failed { reason: chain(&error), refusal, deed: error.deed() })
    }
}

impl From<Broken> for Unheld {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Source(source) => Self::Source(source),
            Broken::Stripes(what) => Self::Stripes(what),
            // That it is slow has been noted already.
            Broken::LeftBehind => {
                let reason = "the others went on without it".to_owned();
                Self::Failed(Failed { reason, refusal: None, deed: None })
            }
        }
    }
}

/// What became of an attempt.
pub(super) struct Outcome<'a> {
    pub(super) id: u32,
    pub(super) result: Result<ColumnCommitment, Unheld>,
    /// The parts, if the candidate did not even begin to take them.
    pub(super) untouched: Option<Parts<'a>>,
}

/// One column on its way to one candidate.
pub(super) struct Attempt<'a> {
    pub(super) id: u32,
    pub(super) peer: &'a Peer,
    pub(super) upload: &'a SegmentUpload,
    pub(super) index: u8,
    pub(super) candidate: Candidate,
    pub(super) parts: Parts<'a>,
    /// Bytes that went out so far.
    pub(super) sent: Arc<AtomicU64>,
}

impl<'a> Attempt<'a> {
    /// Has the candidate accept the column, sends it all parts, and checks what it promises.
    pub(super) async fn run(mut self) -> Outcome<'a> {
        let open = self.upload.open(self.index, self.candidate.slot);
        match self.peer.open_put(&self.candidate.target, open).await {
            Ok(put) => Outcome { id: self.id, result: self.fill(put).await, untouched: None },
            Err(error) => Outcome { id: self.id, result: Err(error.into()), untouched: Some(self.parts) },
        }
    }

    async fn fill(&mut self, mut put: PutStream) -> Result<ColumnCommitment, Unheld> {
        let mut piece_bytes = 0_u32;
        let piece_hash = loop {
            match self.parts.next().await? {
                Part::Unit(unit) => {
                    put.send(&unit).await?;
                    // The provider's limit, checked by `send`, is below 2^32.
                    piece_bytes = piece_bytes.saturating_add(u32::try_from(unit.len()).unwrap_or(u32::MAX));
                    self.sent.store(piece_bytes.into(), Ordering::Relaxed);
                }
                Part::End(piece_hash) => break piece_hash,
            }
        };
        // Somebody else may read the segment now.
        self.parts.close();
        let answer = put.finish(piece_hash).await?;
        let expected = StorageCommitment {
            segment: self.upload.segment,
            index: self.index,
            piece_hash,
            piece_bytes,
            provider: self.candidate.provider,
            ..self.upload.terms.clone()
        };
        self.check(answer, &expected).map_err(Unheld::Failed)
    }

    fn check(&self, answer: PutAnswer, expected: &StorageCommitment) -> Result<ColumnCommitment, Failed> {
        let PutAnswer::Committed { commitment, signature } = answer else {
            return Err(Failed::lied("it answered something else than a commitment"));
        };
        if commitment != *expected {
            return Err(Failed::lied("it promised something else than it was asked"));
        }
        commitment
            .verify(&self.candidate.service_key, &signature)
            .map_err(|_| Failed::lied("its promise is not signed with its service key"))?;
        Ok(ColumnCommitment { index: self.index, slot: self.candidate.slot, commitment, signature })
    }
}
