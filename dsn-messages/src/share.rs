//! `share`: give me this range of that piece, or name others who have read it; I pass on what I read.
//!
//! ```text
//! -> ShareRequest { get, addresses }
//!                                    <- ShareReply::Found | NotFound | Refused
//!                                    <- the bao slices of the range's windows, as those of `get`
//!                                    or
//!                                    <- ShareReply::Elsewhere { sharers }
//! ```
//!
//! Whoever asks so keeps the piece for a while and serves it by `get`, at the addresses it names. Whoever holds the
//! piece may name it to those who ask later. A sharer is nobody's holder: what it gives is believed as much as the
//! hashes say, and where it does not give it, the holder is asked again, by `get`.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use crate::get::GetRequest;
use crate::{Message, Refusal};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};

/// Most addresses of a sharer.
pub const SHARER_ADDRESSES_MAX: usize = 4;
/// Most bytes of each.
pub const SHARER_ADDRESS_BYTES_MAX: usize = 96;
/// Most sharers that are named at once.
pub const SHARERS_NAMED_MAX: usize = 2;

/// Names a range of a piece, and where the one who asks will serve it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct ShareRequest {
    /// The range.
    pub get: GetRequest,
    /// Multiaddresses in bytes, 1 to [`SHARER_ADDRESSES_MAX`] of at most [`SHARER_ADDRESS_BYTES_MAX`].
    pub addresses: Vec<Vec<u8>>,
}

impl Message for ShareRequest {
    const NAME: &'static str = "share request";
    const BYTES_MAX: u32 = GetRequest::BYTES_MAX + ADDRESSES_BYTES_MAX;
}

/// Somebody who has read the piece lately, or reads it now.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Sharer {
    /// Its ed25519 key; whoever answers has to prove it.
    pub peer_key: [u8; 32],
    /// As it named them itself.
    pub addresses: Vec<Vec<u8>>,
}

/// Whether the piece is here, and whether it is given here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum ShareReply {
    /// The slices follow.
    #[codec(index = 0)]
    Found,
    /// There is no such piece of this length here.
    #[codec(index = 1)]
    NotFound,
    /// No answer.
    #[codec(index = 2)]
    Refused(Refusal),
    /// These should be asked first.
    #[codec(index = 3)]
    Elsewhere {
        /// 1 to [`SHARERS_NAMED_MAX`], the one to ask first in front.
        sharers: Vec<Sharer>,
    },
}

impl Message for ShareReply {
    const NAME: &'static str = "share reply";
    /// The sharers, each with its key, their count and the variant; a refusal is shorter.
    const BYTES_MAX: u32 = 2 * (32 + ADDRESSES_BYTES_MAX) + 2;
}

/// The addresses of one peer, each with its length, and their count.
const ADDRESSES_BYTES_MAX: u32 = 4 * (96 + 2) + 1;
const _: () = assert!(SHARER_ADDRESSES_MAX == 4 && SHARER_ADDRESS_BYTES_MAX == 96 && SHARERS_NAMED_MAX == 2);

/// Whether these are addresses that a sharer may have, as far as their number and lengths go.
pub fn are_addresses(addresses: &[Vec<u8>]) -> bool {
    let is_short = |address: &Vec<u8>| !address.is_empty() && address.len() <= SHARER_ADDRESS_BYTES_MAX;
    (1..=SHARER_ADDRESSES_MAX).contains(&addresses.len()) && addresses.iter().all(is_short)
}
