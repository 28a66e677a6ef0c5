//! Serving a range of a piece.

use super::{GetReply, GetRequest, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, windows};
use crate::protocol::wire::{Wire, WireError};
use crate::service::{Served, chain, internal};
use crate::store::{PieceStore, StoredPiece};
use dsn_messages::{Refusal, RefusalCode};
use pieces::{SliceError, slice_bytes_max};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Answers one request.
pub(crate) async fn serve(wire: &mut Wire, store: &Arc<PieceStore>) -> Result<Served, WireError> {
    let request: GetRequest = wire.receive().await?;
    let piece = match find(request, store).await {
        Ok(piece) => piece,
        Err(reply) => {
            wire.send(&reply).await?;
            return Ok(Served::Refused);
        }
    };
    wire.send(&GetReply::Found).await?;
    send(wire, store, request, piece).await?;
    // Never negative: such a request is refused.
    Ok(Served::Done { bytes: request.end.saturating_sub(request.start).into() })
}

async fn find(request: GetRequest, store: &Arc<PieceStore>) -> Result<StoredPiece, GetReply> {
    let GetRequest { piece_hash, piece_bytes, start, end, window_bytes } = request;
    if start > end || end > piece_bytes || !(WINDOW_BYTES_MIN..=WINDOW_BYTES_MAX).contains(&window_bytes) {
        let message = format!("bytes {start}..{end} of {piece_bytes} in windows of {window_bytes}");
        return Err(GetReply::Refused(Refusal::new(RefusalCode::OutOfBounds, message)));
    }
    let store = Arc::clone(store);
    match spawn_blocking(move || store.open_piece(&piece_hash)).await {
        Ok(Ok(Some(piece))) if piece.piece_bytes == u64::from(piece_bytes) => Ok(piece),
        Ok(Ok(_)) => Err(GetReply::NotFound),
        Ok(Err(error)) => Err(GetReply::Refused(internal("get", &error))),
        Err(error) => Err(GetReply::Refused(internal("get", &error))),
    }
}

/// Sends window after window; the next one is read from disk while one is sent.
async fn send(
    wire: &mut Wire,
    store: &Arc<PieceStore>,
    request: GetRequest,
    piece: StoredPiece,
) -> Result<(), WireError> {
    let range = u64::from(request.start)..u64::from(request.end);
    let mut windows = windows(range, request.window_bytes);
    let Some(first) = windows.next() else {
        return Ok(());
    };
    let mut reading = read(piece, first, Vec::new());
    let mut spare = Vec::new();
    loop {
        let (piece, encoded) = match reading.await {
            Ok((piece, Ok(encoded))) => (piece, encoded),
            Ok((_, Err(error))) => return Err(damaged(store, request, error).await),
            Err(error) => return Err(WireError::Io(io::Error::other(error))),
        };
        let Some(window) = windows.next() else {
            wire.write_all(&encoded).await?;
            return wire.flush().await;
        };
        reading = read(piece, window, spare);
        wire.write_all(&encoded).await?;
        wire.flush().await?;
        spare = encoded;
    }
}

type Encoded = (StoredPiece, Result<Vec<u8>, SliceError>);

fn read(piece: StoredPiece, window: Range<u64>, mut buffer: Vec<u8>) -> JoinHandle<Encoded> {
    spawn_blocking(move || {
        let count = slice_bytes_max(piece.piece_bytes, window.clone());
        buffer.clear();
        buffer.reserve(usize::try_from(count).unwrap_or(0));
        let encoded = piece.reader.encode_slice(window, &mut buffer).map(|()| buffer);
        (piece, encoded)
    })
}

/// The piece on disk is not what it was: finds out how bad it is. The peer sees the stream end.
async fn damaged(store: &Arc<PieceStore>, request: GetRequest, error: SliceError) -> WireError {
    let piece = request.piece_hash;
    tracing::error!(%piece, error = chain(&error), "cannot read a piece");
    if matches!(error, SliceError::Mismatch { .. }) {
        let store = Arc::clone(store);
        match spawn_blocking(move || store.recheck(&piece)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%piece, error = chain(&error), "cannot check a piece"),
            Err(error) => tracing::error!(%piece, %error, "cannot check a piece"),
        }
    }
    WireError::Io(io::Error::other(error))
}
