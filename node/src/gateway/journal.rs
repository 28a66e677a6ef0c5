//! What a resumable upload remembers on disk, so that a crash costs nothing that was acknowledged.
//!
//! ```text
//! BASE/chains/ID/uploads/<upload>/journal     one synced line for each step
//!                                 body        the bytes so far
//!                                 received    how many of them are synced
//! ```

use std::io;
use std::path::Path;
use std::sync::Arc;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use parking_lot::Mutex;
use pieces::SegmentManifest;
use rpc::ApiError;
use rpc::types::{Hex, Receipt, ResumeKey, SubmitOptions, UploadFailure};
use runtime::codec::decode_bounded;
use runtime::crypto::AccountId;
use runtime::types::{Holder, SignedIntent};
use serde::{Deserialize, Serialize};

use crate::line_log::LineLog;

/// No intent and no segment of a Store is longer: 256 pieces of a hash, a slot and a signature.
const STEP_BYTES_MAX: usize = 64 * 1024;

/// A step of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "camelCase")]
pub enum Step {
    /// It began.
    #[serde(rename_all = "camelCase")]
    Begun {
        /// Who pays.
        owner: AccountId,
        /// How the file is to be stored.
        options: SubmitOptions,
        /// Bytes of the whole file, if the client knew.
        size: Option<u64>,
        /// What the client calls it.
        resume_key: Option<ResumeKey>,
    },
    /// All bytes are here.
    Ended,
    /// The owner's promise was made; what was placed under an earlier one counts no more.
    Deal {
        /// SCALE of the [`SignedIntent`].
        intent: Hex,
    },
    /// The next segment has its holders.
    Segment {
        /// SCALE of the [`SegmentManifest`].
        manifest: Hex,
        /// SCALE of the [`Holder`]s.
        holders: Hex,
    },
    /// It found no room, and what was here of it is given back.
    Failed {
        /// What the client is told.
        error: UploadFailure,
    },
    /// A final block records the file.
    Final {
        /// What the client is told.
        receipt: Receipt,
    },
}

/// A segment and who holds its pieces.
#[derive(Clone, Debug)]
pub struct PlacedSegment {
    /// Its length and hashes.
    pub manifest: SegmentManifest,
    /// One for each piece.
    pub holders: Vec<Holder>,
}

/// What the journal tells of an upload.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Who pays.
    pub owner: AccountId,
    /// How the file is to be stored, with the resume key.
    pub options: SubmitOptions,
    /// Bytes of the whole file, if the client knew.
    pub size: Option<u64>,
    /// Whether all bytes are here.
    pub ended: bool,
    /// The last promise and what was placed under it.
    pub deal: Option<(SignedIntent, Vec<PlacedSegment>)>,
    /// What it came to.
    pub receipt: Option<Receipt>,
    /// Why it was given up.
    pub failure: Option<UploadFailure>,
}

/// The open journal of one upload.
#[derive(Clone, Debug)]
pub struct Journal {
    log: Arc<Mutex<LineLog<Step>>>,
}

impl Journal {
    /// Opens the journal in `folder`, or makes it; none is remembered of an upload that had not begun.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Option<Remembered>)> {
        let (log, steps) = LineLog::open(&folder.join("journal"))?;
        Ok((Self { log: Arc::new(Mutex::new(log)) }, remembered(steps)))
    }

    /// Writes a step down; it is synced when this returns.
    pub async fn note(&self, step: Step) -> Result<(), ApiError> {
        let log = self.log.clone();
        let noted = tokio::task::spawn_blocking(move || log.lock().append(&step)).await;
        noted.map_err(ApiError::internal)?.map_err(crate::spool::disk_error)
    }

    /// As [`note`](Self::note), on this thread.
    pub fn note_here(&self, step: &Step) -> io::Result<()> {
        self.log.lock().append(step)
    }
}

impl Step {
    /// The step after which nothing of an earlier promise counts.
    pub fn deal(intent: &SignedIntent) -> Self {
        Self::Deal { intent: Hex(intent.encode()) }
    }

    /// The next segment has its holders.
    pub fn segment(placed: &PlacedSegment) -> Self {
        Self::Segment { manifest: Hex(placed.manifest.encode()), holders: Hex(placed.holders.encode()) }
    }
}

fn remembered(steps: Vec<Step>) -> Option<Remembered> {
    let mut steps = steps.into_iter();
    let Step::Begun { owner, mut options, size, resume_key } = steps.next()? else { return None };
    options.resume_key = resume_key;
    let mut known = Remembered { owner, options, size, ended: false, deal: None, receipt: None, failure: None };
    for step in steps {
        match step {
            Step::Begun { .. } => {}
            Step::Ended => known.ended = true,
            Step::Deal { intent } => known.deal = decoded(&intent).map(|intent| (intent, Vec::new())),
            Step::Segment { manifest, holders } => {
                // Without one segment those behind it cannot be told apart.
                known.deal = known.deal.and_then(|(intent, mut placed)| {
                    placed.push(PlacedSegment { manifest: decoded(&manifest)?, holders: decoded(&holders)? });
                    Some((intent, placed))
                });
            }
            Step::Failed { error } => known.failure = Some(error),
            Step::Final { receipt } => known.receipt = Some(receipt),
        }
    }
    Some(known)
}

fn decoded<T: Decode + DecodeWithMemTracking>(bytes: &Hex) -> Option<T> {
    decode_bounded(&bytes.0, STEP_BYTES_MAX).ok()
}
