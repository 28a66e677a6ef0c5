//! Reading a range of a piece.

use super::{GetReply, GetRequest, WINDOW_BYTES, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, windows};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::protocol::Protocol;
use crate::protocol::wire::{Wire, WireError};
use crate::scores::Deed;
use bytes::{Bytes, BytesMut};
use dsn_messages::{Message, Refusal};
use pieces::{PieceHash, SliceError, VerifiedSlice, decode_slice, slice_bytes_max};
use std::fmt;
use std::ops::Range;
use tokio::time::{Instant, timeout_at};

/// Why a range of a piece did not come.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// There is no stream.
    #[error("cannot reach {peer}")]
    Open {
        /// The peer.
        peer: String,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The stream broke.
    #[error("the stream from {peer} broke")]
    Wire {
        /// The peer.
        peer: String,
        /// What happened.
        #[source]
        source: WireError,
    },
    /// It took too long.
    #[error("{peer} took too long")]
    Timeout {
        /// The peer.
        peer: String,
    },
    /// The peer has no such piece.
    #[error("{peer} does not have piece {piece}")]
    NotFound {
        /// The peer.
        peer: String,
        /// The piece.
        piece: PieceHash,
    },
    /// The peer refused.
    #[error("{peer} refused")]
    Refused {
        /// The peer.
        peer: String,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// What came is not the piece: the peer lies.
    #[error("{peer} sent bytes that are not of the piece")]
    Lie {
        /// The peer.
        peer: String,
        /// Where.
        #[source]
        source: SliceError,
    },
    /// Not a range of the piece, or not a window.
    #[error("bytes {start}..{end} of a piece of {piece_bytes} in windows of {window_bytes} cannot be asked for")]
    Range {
        /// First byte.
        start: u64,
        /// Behind the last byte.
        end: u64,
        /// Bytes of the piece.
        piece_bytes: u32,
        /// Bytes of a window.
        window_bytes: u32,
    },
}

impl GetError {
    /// What it says about the peer, if anything: to refuse is no fault.
    pub fn deed(&self) -> Option<Deed> {
        match self {
            Self::Open { source, .. } => source.deed(),
            Self::Wire { source, .. } => Some(source.deed()),
            Self::Timeout { .. } | Self::NotFound { .. } => Some(Deed::Failed),
            Self::Lie { .. } => Some(Deed::Lied),
            Self::Refused { .. } | Self::Range { .. } => None,
        }
    }

    /// Whether the peer sent something that it knows to be wrong.
    pub fn is_lie(&self) -> bool {
        matches!(self, Self::Lie { .. })
    }
}

/// The verified windows of a range, as they arrive. Dropped, the peer stops sending.
pub struct SliceStream {
    wire: Wire,
    peer: String,
    deadline: Instant,
    request: GetRequest,
    windows: Box<dyn Iterator<Item = Range<u64>> + Send>,
    /// Room for the encoded window: used again and again.
    buffer: BytesMut,
}

impl fmt::Debug for SliceStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceStream").field("peer", &self.peer).field("request", &self.request).finish_non_exhaustive()
    }
}

/// A request for the bytes `range` of a piece of `piece_bytes` bytes.
pub(crate) fn request_of(
    piece_hash: PieceHash,
    piece_bytes: u32,
    range: Range<u64>,
    window_bytes: u32,
) -> Result<GetRequest, GetError> {
    let Range { start, end } = range;
    let refused = || GetError::Range { start, end, piece_bytes, window_bytes };
    let possible = start <= end && end <= u64::from(piece_bytes);
    if !possible || !(WINDOW_BYTES_MIN..=WINDOW_BYTES_MAX).contains(&window_bytes) {
        return Err(refused());
    }
    let (start, end) = (u32::try_from(start).map_err(|_| refused())?, u32::try_from(end).map_err(|_| refused())?);
    Ok(GetRequest { piece_hash, piece_bytes, start, end, window_bytes })
}

impl Peer {
    /// Asks `target` for the bytes `range` of `piece`, which has `piece_bytes` bytes.
    ///
    /// # Errors
    /// The peer cannot be reached, does not have the piece, or refuses; or there is no such range.
    pub async fn get(
        &self,
        target: &PeerTarget,
        piece: PieceHash,
        piece_bytes: u32,
        range: Range<u64>,
    ) -> Result<SliceStream, GetError> {
        self.get_in_windows(target, piece, piece_bytes, range, WINDOW_BYTES).await
    }

    /// As [`get`](Self::get), with windows of `window_bytes`, from [`WINDOW_BYTES_MIN`] to [`WINDOW_BYTES_MAX`]: a
    /// multiple of the unit keeps units whole.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_in_windows(
        &self,
        target: &PeerTarget,
        piece: PieceHash,
        piece_bytes: u32,
        range: Range<u64>,
        window_bytes: u32,
    ) -> Result<SliceStream, GetError> {
        let request = request_of(piece, piece_bytes, range, window_bytes)?;
        let mut slices = SliceStream::open(self, target, Protocol::Get, request).await?;
        match slices.ask(&request).await? {
            GetReply::Found => Ok(slices),
            GetReply::NotFound => Err(slices.not_found()),
            GetReply::Refused(refusal) => Err(slices.refused(refusal)),
        }
    }

    /// The bytes `range` of a piece, all at once: for ranges that fit into memory.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`SliceStream::next`].
    pub async fn get_bytes(
        &self,
        target: &PeerTarget,
        piece: PieceHash,
        piece_bytes: u32,
        range: Range<u64>,
    ) -> Result<Bytes, GetError> {
        let mut slices = self.get(target, piece, piece_bytes, range).await?;
        let mut bytes = BytesMut::new();
        while let Some(slice) = slices.next().await? {
            bytes.extend_from_slice(&slice.range_bytes());
        }
        Ok(bytes.freeze())
    }
}

impl SliceStream {
    /// The next window, verified; none at the end.
    ///
    /// # Errors
    /// The peer breaks off or lies; then nothing more comes.
    pub async fn next(&mut self) -> Result<Option<VerifiedSlice>, GetError> {
        let Some(window) = self.windows.next() else {
            return Ok(None);
        };
        let next = match timeout_at(self.deadline, self.read(window)).await {
            Ok(read) => read,
            Err(_) => Err(GetError::Timeout { peer: self.peer.clone() }),
        };
        if next.is_err() {
            self.windows = Box::new(std::iter::empty());
        }
        next.map(Some)
    }

    /// A stream on which nothing was said yet.
    pub(crate) async fn open(
        from: &Peer,
        target: &PeerTarget,
        protocol: Protocol,
        request: GetRequest,
    ) -> Result<Self, GetError> {
        let peer = target.to_string();
        let deadline = Instant::now() + from.timeouts().whole;
        let wire = match from.open(target, protocol).await {
            Ok(wire) => wire,
            Err(source) => return Err(GetError::Open { peer, source }),
        };
        let windows = Box::new(windows(request.start.into()..request.end.into(), request.window_bytes));
        Ok(Self { wire, peer, deadline, request, windows, buffer: BytesMut::new() })
    }

    /// Says what is wanted. If the answer says so, the windows follow.
    pub(crate) async fn ask<Q: Message, A: Message>(&mut self, question: &Q) -> Result<A, GetError> {
        let peer = || self.peer.clone();
        match timeout_at(self.deadline, self.wire.ask(question)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(GetError::Wire { peer: peer(), source }),
            Err(_) => Err(GetError::Timeout { peer: peer() }),
        }
    }

    pub(crate) fn not_found(&self) -> GetError {
        GetError::NotFound { peer: self.peer.clone(), piece: self.request.piece_hash }
    }

    pub(crate) fn refused(&self, refusal: Refusal) -> GetError {
        GetError::Refused { peer: self.peer.clone(), refusal }
    }

    async fn read(&mut self, window: Range<u64>) -> Result<VerifiedSlice, GetError> {
        let GetRequest { piece_hash, piece_bytes, .. } = self.request;
        let piece_bytes = u64::from(piece_bytes);
        // At most a window, a group on each side, and their hashes.
        let count = usize::try_from(slice_bytes_max(piece_bytes, window.clone())).unwrap_or(usize::MAX);
        let taken = self.wire.take(&mut self.buffer, count).await;
        let encoded = taken.map_err(|source| GetError::Wire { peer: self.peer.clone(), source })?;
        decode_slice(piece_hash, piece_bytes, window, &encoded)
            .map_err(|source| GetError::Lie { peer: self.peer.clone(), source })
    }
}
