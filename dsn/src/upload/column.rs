//! One column to one holder.

use super::plan::UploadPlan;
use super::{Candidate, ColumnCommitment, ColumnFailure, SegmentUpload};
use crate::net::Peer;
use crate::protocol::put::{PutAnswer, PutError, PutStream};
use crate::service::chain;
use bytes::Bytes;
use dsn_messages::RefusalCode;
use parking_lot::Mutex;
use pieces::PieceHash;
use runtime::types::StorageCommitment;
use std::time::Instant;
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// What a column is fed.
#[derive(Debug)]
pub(super) enum Part {
    /// The next unit.
    Unit(Bytes),
    /// All units have come; the piece's hash.
    End(PieceHash),
}

/// What became of a column in a round.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The checked promise, if somebody holds it now.
    pub(super) held: Option<ColumnCommitment>,
    /// Who failed.
    pub(super) failed: Vec<ColumnFailure>,
}

/// Why a candidate does not hold a column.
struct Failed {
    reason: String,
    refusal: Option<RefusalCode>,
}

impl From<PutError> for Failed {
    fn from(error: PutError) -> Self {
        let refusal = match &error {
            PutError::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        };
        Self { reason: chain(&error), refusal }
    }
}

impl From<&str> for Failed {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), refusal: None }
    }
}

/// A column that looks for a holder.
pub(super) struct Column<'a> {
    peer: &'a Peer,
    upload: &'a SegmentUpload,
    plan: &'a Mutex<UploadPlan<Candidate>>,
    index: u8,
}

impl<'a> Column<'a> {
    pub(super) fn new(
        peer: &'a Peer,
        upload: &'a SegmentUpload,
        plan: &'a Mutex<UploadPlan<Candidate>>,
        index: u8,
    ) -> Self {
        Self { peer, upload, plan, index }
    }

    pub(super) fn index(&self) -> u8 {
        self.index
    }

    /// Finds a candidate that accepts the column and sends it what comes.
    pub(super) async fn send(self, parts: mpsc::Receiver<Part>) -> Outcome {
        let mut failed = Vec::new();
        let Some((candidate, put)) = self.find(&mut failed).await else {
            return Outcome { held: None, failed };
        };
        match self.fill(&candidate, put, parts).await {
            Ok(held) => {
                let (segment, index, provider) = (self.upload.segment, self.index, candidate.provider);
                debug!(segment, index, %provider, "a piece is held");
                Outcome { held: Some(held), failed }
            }
            Err(why) => {
                failed.push(self.failure(&candidate, why));
                Outcome { held: None, failed }
            }
        }
    }

    /// The first candidate that accepts. The other columns wait meanwhile, so no more are tried in this round once it
    /// has taken as long as one may take.
    async fn find(&self, failed: &mut Vec<ColumnFailure>) -> Option<(Candidate, PutStream)> {
        let started = Instant::now();
        loop {
            let (slot, candidate) = self.plan.lock().next(self.index)?;
            let open = self.upload.open(self.index, slot);
            match self.peer.open_put(&candidate.target, open).await {
                Ok(put) => return Some((candidate, put)),
                Err(error) => failed.push(self.failure(&candidate, error.into())),
            }
            if started.elapsed() >= self.peer.timeouts().connect {
                return None;
            }
        }
    }

    async fn fill(
        &self,
        candidate: &Candidate,
        put: PutStream,
        parts: mpsc::Receiver<Part>,
    ) -> Result<ColumnCommitment, Failed> {
        let (answer, piece_hash, piece_bytes) = feed(put, parts).await?;
        let PutAnswer::Committed { commitment, signature } = answer else {
            return Err("it answered something else than a commitment".into());
        };
        let expected = StorageCommitment {
            segment: self.upload.segment,
            index: self.index,
            piece_hash,
            piece_bytes,
            provider: candidate.provider,
            ..self.upload.terms.clone()
        };
        if commitment != expected {
            return Err("it promised something else than it was asked".into());
        }
        commitment
            .verify(&candidate.service_key, &signature)
            .map_err(|_| Failed::from("its promise is not signed with its service key"))?;
        Ok(ColumnCommitment { index: self.index, slot: candidate.slot, commitment, signature })
    }

    fn failure(&self, candidate: &Candidate, Failed { reason, refusal }: Failed) -> ColumnFailure {
        let (segment, index) = (self.upload.segment, self.index);
        let Candidate { slot, provider, .. } = *candidate;
        warn!(segment, index, slot, %provider, reason, "a provider did not take a piece");
        ColumnFailure { index, provider, slot, reason, refusal }
    }
}

async fn feed(mut put: PutStream, mut parts: mpsc::Receiver<Part>) -> Result<(PutAnswer, PieceHash, u32), Failed> {
    let mut piece_bytes = 0_u32;
    while let Some(part) = parts.recv().await {
        match part {
            Part::Unit(unit) => {
                put.send(&unit).await?;
                // The provider's limit, checked by `send`, is below 2^32.
                piece_bytes = piece_bytes.saturating_add(u32::try_from(unit.len()).unwrap_or(u32::MAX));
            }
            Part::End(piece_hash) => {
                drop(parts);
                let answer = put.finish(piece_hash).await?;
                return Ok((answer, piece_hash, piece_bytes));
            }
        }
    }
    Err("the upload was broken off".into())
}
