//! Serving a range of a piece.

use super::{GetReply, GetRequest, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, windows};
use crate::cache::CacheReader;
use crate::protocol::wire::{Wire, WireError};
use crate::service::{PieceService, Served, Source, chain, internal};
use crate::store::{PieceStore, StoredPiece};
use bytes::{BufMut as _, Bytes, BytesMut};
use dsn_messages::{Refusal, RefusalCode};
use libp2p::PeerId;
use pieces::{SliceError, slice_bytes_max};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};

/// How long a window of a cached piece is waited for that another reader is about to bring.
const COMING_WAIT: Duration = Duration::from_secs(2);

/// A piece that can be given.
pub(crate) enum Found {
    /// From the store.
    Held(StoredPiece),
    /// From the cache, as far as it is there or comes.
    Cached(CacheReader),
}

/// Why there is none.
pub(crate) enum Missing {
    /// It is not here.
    NotFound,
    /// It cannot be given.
    Refused(Refusal),
}

/// Answers one request.
pub(crate) async fn serve(wire: &mut Wire, service: &PieceService, peer: PeerId) -> Result<Served, WireError> {
    let request: GetRequest = wire.receive().await?;
    let found = match find(request, service).await {
        Ok(found) => found,
        Err(missing) => {
            let reply = match missing {
                Missing::NotFound => GetReply::NotFound,
                Missing::Refused(refusal) => GetReply::Refused(refusal),
            };
            wire.send(&reply).await?;
            return Ok(Served::Refused);
        }
    };
    wire.send(&GetReply::Found).await?;
    give(wire, service, peer, request, found).await
}

/// The piece from the store, or from the cache if there is at least its first window or somebody about to bring it.
pub(crate) async fn find(request: GetRequest, service: &PieceService) -> Result<Found, Missing> {
    let GetRequest { piece_hash, piece_bytes, start, end, window_bytes } = request;
    if start > end || end > piece_bytes || !(WINDOW_BYTES_MIN..=WINDOW_BYTES_MAX).contains(&window_bytes) {
        let message = format!("bytes {start}..{end} of {piece_bytes} in windows of {window_bytes}");
        return Err(Missing::Refused(Refusal::new(RefusalCode::OutOfBounds, message)));
    }
    let (service, piece_bytes) = (service.clone(), u64::from(piece_bytes));
    let looking = spawn_blocking(move || {
        let held = service.store().map_or(Ok(None), |store| store.open_piece(&piece_hash))?;
        if let Some(piece) = held.filter(|piece| piece.piece_bytes == piece_bytes) {
            return Ok(Some(Found::Held(piece)));
        }
        let cached = service.cache().and_then(|cache| cache.reader(&piece_hash, piece_bytes));
        let first = windows(start.into()..end.into(), window_bytes).next();
        Ok(cached.filter(|cached| first.is_none_or(|window| cached.may_have(&window))).map(Found::Cached))
    });
    match looking.await {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Ok(None)) => Err(Missing::NotFound),
        Ok(Err::<_, crate::store::StoreError>(error)) => Err(Missing::Refused(internal("get", &error))),
        Err(error) => Err(Missing::Refused(internal("get", &error))),
    }
}

/// Sends what was asked for. Of a cached piece, as much of it as is there in time; then the stream ends.
pub(crate) async fn give(
    wire: &mut Wire,
    service: &PieceService,
    peer: PeerId,
    request: GetRequest,
    found: Found,
) -> Result<Served, WireError> {
    match found {
        Found::Held(piece) => {
            send(wire, service, request, piece).await?;
            // Never negative: such a request is refused.
            Ok(Served::Done { bytes: request.end.saturating_sub(request.start).into() })
        }
        Found::Cached(piece) => {
            let source = service.source_for(peer, Source::Cached);
            let bytes = send_cached(wire, service, source, request, Arc::new(piece)).await?;
            Ok(Served::Done { bytes })
        }
    }
}

/// Sends window after window; the next one is read from disk while one is sent.
async fn send(
    wire: &mut Wire,
    service: &PieceService,
    request: GetRequest,
    piece: StoredPiece,
) -> Result<(), WireError> {
    let range = u64::from(request.start)..u64::from(request.end);
    let mut windows = windows(range, request.window_bytes);
    let Some(mut window) = windows.next() else {
        return Ok(());
    };
    let mut reading = read(piece, window.clone(), BytesMut::new());
    let mut spare = BytesMut::new();
    loop {
        let (piece, encoded) = match reading.await {
            Ok((piece, Ok(encoded))) => (piece, encoded),
            Ok((_, Err(error))) => return Err(damaged(service.store(), request, error).await),
            Err(error) => return Err(WireError::Io(io::Error::other(error))),
        };
        let window_bytes = window.end.saturating_sub(window.start);
        let Some(next) = windows.next() else {
            wire.give(&encoded).await?;
            service.counters().sent(Source::Committed, window_bytes);
            return wire.flush().await;
        };
        reading = read(piece, next.clone(), spare);
        wire.give(&encoded).await?;
        service.counters().sent(Source::Committed, window_bytes);
        wire.flush().await?;
        // Unless the peer has it now.
        (spare, window) = (encoded.try_into_mut().unwrap_or_default(), next);
    }
}

type Encoded = (StoredPiece, Result<Bytes, SliceError>);

fn read(piece: StoredPiece, window: Range<u64>, mut buffer: BytesMut) -> JoinHandle<Encoded> {
    spawn_blocking(move || {
        let count = slice_bytes_max(piece.piece_bytes, window.clone());
        buffer.clear();
        buffer.reserve(usize::try_from(count).unwrap_or(0));
        let encoded = piece.reader.encode_slice(window, (&mut buffer).writer());
        (piece, encoded.map(|()| buffer.freeze()))
    })
}

/// Sends windows of a cached piece as long as there are any, each once it is there. How many bytes of the piece went.
async fn send_cached(
    wire: &mut Wire,
    service: &PieceService,
    source: Source,
    request: GetRequest,
    piece: Arc<CacheReader>,
) -> Result<u64, WireError> {
    let mut bytes: u64 = 0;
    let mut buffer = BytesMut::new();
    for window in windows(request.start.into()..request.end.into(), request.window_bytes) {
        if !piece.wait_for(&window, COMING_WAIT).await {
            break;
        }
        let (piece, range) = (Arc::clone(&piece), window.clone());
        buffer.clear();
        let encoding =
            spawn_blocking(move || piece.encode_slice(range, (&mut buffer).writer()).map(|()| buffer.freeze()));
        let encoded = match encoding.await {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(error)) => return Err(WireError::Io(io::Error::other(error))),
            Err(error) => return Err(WireError::Io(io::Error::other(error))),
        };
        wire.give(&encoded).await?;
        buffer = encoded.try_into_mut().unwrap_or_default();
        let window_bytes = window.end.saturating_sub(window.start);
        service.counters().sent(source, window_bytes);
        bytes += window_bytes;
        wire.flush().await?;
    }
    Ok(bytes)
}

/// The piece on disk is not what it was: finds out how bad it is. The peer sees the stream end.
async fn damaged(store: Option<&Arc<PieceStore>>, request: GetRequest, error: SliceError) -> WireError {
    let piece = request.piece_hash;
    tracing::error!(%piece, error = chain(&error), "cannot read a piece");
    if let (Some(store), SliceError::Mismatch { .. }) = (store, &error) {
        let store = Arc::clone(store);
        match spawn_blocking(move || store.recheck(&piece)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%piece, error = chain(&error), "cannot check a piece"),
            Err(error) => tracing::error!(%piece, %error, "cannot check a piece"),
        }
    }
    WireError::Io(io::Error::other(error))
}
