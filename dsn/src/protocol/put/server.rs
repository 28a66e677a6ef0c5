//! Taking a piece.

use super::{PutAnswer, PutEnd, PutOpen, PutReply, UNIT_BYTES_MAX, WRITE_BYTES};
use crate::admission::{Admission, Admitted, AdmittedKind};
use crate::protocol::wire::{Wire, WireError, usize_of};
use crate::service::{Served, internal};
use crate::store::{FinishError, PieceStore, PieceTerms, PieceWriter, StoreError};
use bytes::{Bytes, BytesMut};
use dsn_messages::{Refusal, RefusalCode};
use fail::fail_point;
use runtime::types::StorageCommitment;
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Parts of a batch: units of the usual size fill one with four.
const WRITE_PARTS_MAX: usize = 64;

/// Why a piece is not taken after all.
enum Stop {
    /// The peer is told.
    Refuse(Refusal),
    /// Nobody is there to be told.
    Broken(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Broken(error)
    }
}

/// Answers one request.
pub(crate) async fn serve(
    wire: &mut Wire,
    store: &Arc<PieceStore>,
    admission: &Arc<dyn Admission>,
) -> Result<Served, WireError> {
    let open: PutOpen = wire.receive().await?;
    let (admitted, writer) = match admit(open.clone(), store, admission).await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            wire.send(&PutReply::Refused(refusal)).await?;
            return Ok(Served::Refused);
        }
    };
    wire.send(&PutReply::Accepted).await?;
    let (answer, served) = match take(wire, writer, &open, admitted, admission).await {
        Ok((answer, bytes)) => (answer, Served::Done { bytes }),
        Err(Stop::Refuse(refusal)) => (PutAnswer::Refused(refusal), Served::Refused),
        Err(Stop::Broken(error)) => return Err(error),
    };
    wire.send(&answer).await?;
    Ok(served)
}

async fn admit(
    open: PutOpen,
    store: &Arc<PieceStore>,
    admission: &Arc<dyn Admission>,
) -> Result<(Admitted, PieceWriter), Refusal> {
    if open.piece_bytes_max == 0 {
        return Err(Refusal::new(RefusalCode::OutOfBounds, "a piece has at least one byte"));
    }
    let (store, admission) = (Arc::clone(store), Arc::clone(admission));
    let asked = spawn_blocking(move || {
        let admitted = admission.admit(&open)?;
        let writer = match &admitted.quota {
            Some(quota) => store.begin_unrecorded(open.piece_bytes_max, quota),
            None => store.begin(open.piece_bytes_max),
        };
        let writer = writer.map_err(|error| refusal_of(&error))?;
        Ok((admitted, writer))
    });
    asked.await.unwrap_or_else(|error| Err(internal("put", &error)))
}

/// The answer, and how many bytes the piece has.
async fn take(
    wire: &mut Wire,
    writer: PieceWriter,
    open: &PutOpen,
    admitted: Admitted,
    admission: &Arc<dyn Admission>,
) -> Result<(PutAnswer, u64), Stop> {
    let (writer, end) = receive(wire, writer).await?;
    let (deal, segment, index) = (admitted.deal, open.segment, open.index);
    let (terms, answer) = match admitted.kind {
        AdmittedKind::Restore { piece_hash, until_epoch } => {
            if end.piece_hash != piece_hash {
                let message = format!("the ledger records piece {piece_hash} here, not {}", end.piece_hash);
                return Err(Stop::Refuse(Refusal::new(RefusalCode::Mismatch, message)));
            }
            (PieceTerms { deal, segment, index, until_epoch, store_by_ms: 0, recorded: true }, None)
        }
        AdmittedKind::Commit(template) => {
            let PutEnd { piece_hash, piece_bytes } = end;
            let commitment = StorageCommitment { piece_hash, piece_bytes, ..template };
            let StorageCommitment { until_epoch, store_by_ms, .. } = commitment;
            let terms = PieceTerms { deal, segment, index, until_epoch, store_by_ms, recorded: false };
            (terms, Some(commitment))
        }
    };
    let admission = Arc::clone(admission);
    let kept = spawn_blocking(move || {
        writer.finish(end.piece_hash, end.piece_bytes, terms)?;
        // Signed only now, with everything on disk.
        Ok(match answer {
            Some(commitment) => {
                let signature = admission.sign(&commitment);
                fail_point!("dsn::commitment::after_sign");
                PutAnswer::Committed { commitment, signature }
            }
            None => PutAnswer::Restored,
        })
    });
    match kept.await {
        Ok(Ok(answer)) => Ok((answer, end.piece_bytes.into())),
        Ok(Err(FinishError::Store(error))) => Err(Stop::Refuse(refusal_of(&error))),
        Ok(Err(error @ (FinishError::Hash { .. } | FinishError::Length { .. }))) => {
            Err(Stop::Refuse(Refusal::new(RefusalCode::Mismatch, error.to_string())))
        }
        Err(error) => Err(Stop::Refuse(internal("put", &error))),
    }
}

/// Receives units up to the end. One batch is written and hashed while the next one comes; the peer waits when both are
/// full.
async fn receive(wire: &mut Wire, writer: PieceWriter) -> Result<(PieceWriter, PutEnd), Stop> {
    let mut room = usize_of(writer.room());
    let mut sink = Sink::new(writer);
    let mut batch = Batch::default();
    let mut buffer = BytesMut::new();
    loop {
        let unit_bytes = wire.read_u32().await?;
        if unit_bytes == 0 {
            break;
        }
        let mut left = usize_of(unit_bytes);
        if unit_bytes > UNIT_BYTES_MAX || left > room {
            let message = format!("a unit of {unit_bytes} bytes is too long, or the piece is");
            // Who is refused may come again at once, and finds the room that was reserved free again.
            drop(sink.idle().await);
            return Err(Stop::Refuse(Refusal::new(RefusalCode::OutOfBounds, message)));
        }
        room -= left;
        while left > 0 {
            let part = wire.take(&mut buffer, left.min(WRITE_BYTES - batch.bytes)).await?;
            left -= part.len();
            batch.add(part);
            if batch.is_full() {
                batch = sink.write(batch).await.map_err(Stop::Refuse)?;
            }
        }
    }
    let end: PutEnd = wire.receive().await?;
    sink.write(batch).await.map_err(Stop::Refuse)?;
    let (writer, _) = sink.idle().await.map_err(Stop::Refuse)?;
    Ok((writer, end))
}

/// Bytes that are written together: at most [`WRITE_BYTES`], in few parts, as each takes memory of its own.
#[derive(Default)]
struct Batch {
    parts: Vec<Bytes>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, part: Bytes) {
        self.bytes += part.len();
        self.parts.push(part);
    }

    fn is_full(&self) -> bool {
        self.bytes >= WRITE_BYTES || self.parts.len() >= WRITE_PARTS_MAX
    }
}

type Written = (PieceWriter, Batch, Result<(), StoreError>);

/// Writes on a blocking thread, one batch at a time.
struct Sink {
    writing: JoinHandle<Written>,
}

impl Sink {
    fn new(writer: PieceWriter) -> Self {
        Self { writing: spawn_blocking(move || (writer, Batch::default(), Ok(()))) }
    }

    /// Starts to write `full` once the batch before is written, which it returns empty.
    async fn write(&mut self, full: Batch) -> Result<Batch, Refusal> {
        let (mut writer, mut empty) = self.idle().await?;
        self.writing = spawn_blocking(move || {
            let written = full.parts.iter().try_for_each(|part| writer.write(part));
            (writer, full, written)
        });
        empty.parts.clear();
        empty.bytes = 0;
        Ok(empty)
    }

    /// Waits for the write that is going on.
    async fn idle(&mut self) -> Result<(PieceWriter, Batch), Refusal> {
        match (&mut self.writing).await {
            Ok((writer, batch, Ok(()))) => Ok((writer, batch)),
            Ok((_, _, Err(error))) => Err(refusal_of(&error)),
            Err(error) => Err(internal("put", &error)),
        }
    }
}

fn refusal_of(error: &StoreError) -> Refusal {
    if error.is_full() {
        tracing::warn!(error = crate::service::chain(error), "no room for a piece");
        return match error {
            // Names the quota: its owner can wait until what it has here is recorded.
            StoreError::Unrecorded { .. } => Refusal::new(RefusalCode::Unrecorded, error.to_string()),
            _ => Refusal::new(RefusalCode::Full, "there is no room left"),
        };
    }
    let refusal = internal("put", error);
    match error {
        StoreError::Gone { .. } => Refusal::new(RefusalCode::Internal, "the folder of its pieces is gone"),
        _ => refusal,
    }
}
