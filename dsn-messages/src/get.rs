//! `get`: give me this range of that piece.
//!
//! ```text
//! -> GetRequest { piece_hash, piece_bytes, start, end, window_bytes }
//!                                             <- GetReply::Found | NotFound | Refused
//!                                             <- the bao slices of the range's windows, one after another
//! ```
//!
//! A window ends where `window_bytes` divides the offset in the piece, or with the range. Both sides compute how many
//! bytes its slice has; nothing announces it. Only verified windows are handed out.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use crate::{Message, Refusal};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::{GROUP_BYTES, PieceHash};
use std::ops::Range;

/// Largest window: what either side keeps in memory.
pub const WINDOW_BYTES_MAX: u32 = 1024 * 1024;
/// Smallest window; smaller ones would be mostly hashes.
pub const WINDOW_BYTES_MIN: u32 = 16 * 1024;
/// The window unless there is a reason for another.
pub const WINDOW_BYTES: u32 = 256 * 1024;

/// Names a range of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct GetRequest {
    /// The piece.
    pub piece_hash: PieceHash,
    /// Its length, as the ledger says.
    pub piece_bytes: u32,
    /// First byte.
    pub start: u32,
    /// Behind the last byte; nothing is sent for an empty range.
    pub end: u32,
    /// From [`WINDOW_BYTES_MIN`] to [`WINDOW_BYTES_MAX`].
    pub window_bytes: u32,
}

impl Message for GetRequest {
    const NAME: &'static str = "get request";
    const BYTES_MAX: u32 = 48;
}

/// Whether the piece is here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum GetReply {
    /// The slices follow.
    #[codec(index = 0)]
    Found,
    /// There is no such piece of this length here.
    #[codec(index = 1)]
    NotFound,
    /// No answer.
    #[codec(index = 2)]
    Refused(Refusal),
}

impl Message for GetReply {
    const NAME: &'static str = "get reply";
    const BYTES_MAX: u32 = 512;
}

/// The windows of a range, in order: each ends where `window_bytes` divides the offset in the piece, or with the range.
pub fn windows(range: Range<u64>, window_bytes: u32) -> impl Iterator<Item = Range<u64>> {
    let window_bytes = u64::from(window_bytes).max(GROUP_BYTES);
    let mut start = range.start;
    std::iter::from_fn(move || {
        let window = start..range.end.min((start / window_bytes + 1) * window_bytes);
        start = window.end;
        (window.start < window.end).then_some(window)
    })
}
