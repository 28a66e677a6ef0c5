//! What a provider answers instead of doing what it was asked.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::types::Text;
use std::fmt;

/// Most bytes of a refusal's text.
pub const REFUSAL_TEXT_BYTES: usize = 200;

/// Why a peer does not do what it was asked, in a form that programs can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, DecodeWithMemTracking)]
pub enum RefusalCode {
    /// Too many requests at once; another time it may work.
    #[codec(index = 0)]
    Busy,
    /// No room left on this provider: on its disk, or in its quota.
    #[codec(index = 1)]
    Full,
    /// The authority does not allow it: a bad signature, another chain, a slot that names another provider.
    #[codec(index = 2)]
    NotPermitted,
    /// The owner cannot pay for it.
    #[codec(index = 3)]
    Unfunded,
    /// Too late: the time or the epoch it was for has passed.
    #[codec(index = 4)]
    Expired,
    /// The ledger does not say that this provider holds this piece.
    #[codec(index = 5)]
    NotRecorded,
    /// The bytes are not those of the piece: another hash or another length.
    #[codec(index = 6)]
    Mismatch,
    /// More than is allowed, or a range that is not one.
    #[codec(index = 7)]
    OutOfBounds,
    /// Something went wrong on the provider's side; its log says what.
    #[codec(index = 8)]
    Internal,
    /// No room left for pieces that no block records yet: of this owner, or of all.
    #[codec(index = 9)]
    Unrecorded,
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "busy",
            Self::Full => "full",
            Self::NotPermitted => "not permitted",
            Self::Unfunded => "unfunded",
            Self::Expired => "expired",
            Self::NotRecorded => "not recorded",
            Self::Mismatch => "mismatch",
            Self::OutOfBounds => "out of bounds",
            Self::Internal => "internal",
            Self::Unrecorded => "unrecorded",
        })
    }
}

/// A refusal with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people; printable ASCII.
    pub message: Text<REFUSAL_TEXT_BYTES>,
}

impl Refusal {
    /// A refusal that says `message`: cut at [`REFUSAL_TEXT_BYTES`], anything but printable ASCII replaced.
    pub fn new(code: RefusalCode, message: impl AsRef<str>) -> Self {
        let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        let message: String = message.as_ref().chars().take(REFUSAL_TEXT_BYTES).map(printable).collect();
        // Always within the bound, as every character is one byte now.
        Self { code, message: Text::new(message).unwrap_or_default() }
    }
}
