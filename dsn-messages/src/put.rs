//! `put`: take this piece.
//!
//! ```text
//! -> PutOpen                                  <- PutReply::Accepted | Refused
//! -> units: u32 length, bytes ... then length 0, PutEnd { piece_hash, piece_bytes }
//!                                             <- PutAnswer::Committed { commitment, signature } | Restored | Refused
//! ```
//!
//! A provider that cannot go on, for example because its disk is full, refuses at once and closes the stream.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use crate::{Message, Refusal};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::{FileId, PieceHash};
use runtime::crypto::Signature;
use runtime::types::{SignedIntent, StorageCommitment};

/// Longest unit.
pub const UNIT_BYTES_MAX: u32 = 1024 * 1024;

/// What entitles a client to put a piece.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum Authority {
    /// An upload that its owner promises to pay for.
    #[codec(index = 0)]
    Intent(SignedIntent),
    /// The ledger says that this provider holds the piece: it takes it back.
    #[codec(index = 1)]
    Recorded(FileId),
}

/// Announces a piece.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct PutOpen {
    /// Why the provider should take it.
    pub authority: Authority,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// Piece of the segment, from 0.
    pub index: u8,
    /// The slot of the segment's placement that names the provider; ignored for [`Authority::Recorded`].
    pub slot: u8,
    /// The piece is not longer: how long it is, the end says.
    pub piece_bytes_max: u32,
}

impl Message for PutOpen {
    const NAME: &'static str = "put request";
    const BYTES_MAX: u32 = 1024;
}

/// Whether the provider takes the piece.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum PutReply {
    /// Send it.
    #[codec(index = 0)]
    Accepted,
    /// It does not.
    #[codec(index = 1)]
    Refused(Refusal),
}

impl Message for PutReply {
    const NAME: &'static str = "put reply";
    const BYTES_MAX: u32 = 512;
}

/// Ends a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct PutEnd {
    /// The hash of all bytes that were sent.
    pub piece_hash: PieceHash,
    /// How many there were.
    pub piece_bytes: u32,
}

impl Message for PutEnd {
    const NAME: &'static str = "end of a piece";
    const BYTES_MAX: u32 = 36;
}

/// What became of a piece.
#[expect(clippy::large_enum_variant, reason = "there is one for each piece, and nobody collects them")]
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum PutAnswer {
    /// It is on disk, and this is the promise to keep it. Who asked checks the signature: it knows the service key.
    #[codec(index = 0)]
    Committed {
        /// What is promised.
        commitment: StorageCommitment,
        /// By the provider's service key.
        signature: Signature,
    },
    /// It is on disk again.
    #[codec(index = 1)]
    Restored,
    /// Nothing is kept of it.
    #[codec(index = 2)]
    Refused(Refusal),
}

impl Message for PutAnswer {
    const NAME: &'static str = "put answer";
    const BYTES_MAX: u32 = 512;
}
