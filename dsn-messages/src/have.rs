//! `have`: which of these pieces do you hold?
//!
//! ```text
//! -> HaveRequest { hashes }      <- HaveReply::Held { bitmap } | Kept { held, cached } | Refused
//! ```
//!
//! To hold a piece is to keep it for a promise. A piece that was read and is kept for a while is cached: it can be had,
//! but nobody may count on it.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use crate::{Message, Refusal};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::PieceHash;

/// Most pieces that can be asked for at once.
pub const HAVE_HASHES_MAX: usize = 1024;

/// Names the pieces.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct HaveRequest {
    /// At most [`HAVE_HASHES_MAX`].
    pub hashes: Vec<PieceHash>,
}

impl Message for HaveRequest {
    const NAME: &'static str = "have request";
    /// As many hashes as are allowed, and their count.
    const BYTES_MAX: u32 = 32 * 1024 + 2;
}

/// Says which of them are held.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum HaveReply {
    /// Bit `i % 8` of byte `i / 8`, lowest bit first, is set if piece `i` is held; other bits are zero.
    #[codec(index = 0)]
    Held {
        /// One bit for each piece.
        bitmap: Vec<u8>,
    },
    /// No answer.
    #[codec(index = 1)]
    Refused(Refusal),
    /// As [`HaveReply::Held`], where some of the pieces are cached.
    #[codec(index = 2)]
    Kept {
        /// One bit for each piece that is held.
        held: Vec<u8>,
        /// One bit for each piece that is cached, whole.
        cached: Vec<u8>,
    },
}

impl Message for HaveReply {
    const NAME: &'static str = "have reply";
    const BYTES_MAX: u32 = 512;
}

/// One bit for each piece, as [`HaveReply::Held`] has them.
pub fn bitmap(held: &[bool]) -> Vec<u8> {
    held.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// `count` bits, if there are just so many and what is left over is zero.
pub fn bits(bitmap: &[u8], count: usize) -> Option<Vec<bool>> {
    if bitmap.len() != count.div_ceil(8) {
        return None;
    }
    let mut bits: Vec<bool> = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
    let left_over = bits.split_off(count);
    left_over.iter().all(|bit| !bit).then_some(bits)
}
