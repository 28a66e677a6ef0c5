//! Decoding what comes from outside: bounded in length, depth and memory, with nothing left over.

use parity_scale_codec::{Decode, DecodeLimit, DecodeWithMemTracking, MemTrackingInput};
use thiserror::Error;

/// Deepest nesting of vectors and boxes; no type here has half of it.
const DEPTH_MAX: u32 = 16;
/// Heap that a value may take for each byte that its encoding may have.
const HEAP_FACTOR: usize = 8;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// More bytes than anybody may send.
    #[error("{actual} bytes are more than {max}")]
    TooLong {
        /// Most bytes.
        max: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// Not an encoding of this type, or one that nests too deep or takes too much memory.
    #[error("the bytes are malformed")]
    Malformed(#[source] parity_scale_codec::Error),
    /// An encoding, and something behind it.
    #[error("{count} bytes are left over")]
    LeftOver {
        /// How many.
        count: usize,
    },
}

/// Decodes all of `bytes`, at most `max_bytes` of them, with at most 16 levels of nesting and 8 times `max_bytes` of
/// heap.
///
/// # Errors
/// [`DecodeError`]; too long is found before anything is decoded.
pub fn decode_bounded<T: Decode + DecodeWithMemTracking>(bytes: &[u8], max_bytes: usize) -> Result<T, DecodeError> {
    if bytes.len() > max_bytes {
        return Err(DecodeError::TooLong { max: max_bytes, actual: bytes.len() });
    }
    let mut rest = bytes;
    let mut input = MemTrackingInput::new(&mut rest, max_bytes.saturating_mul(HEAP_FACTOR));
    let value = T::decode_with_depth_limit(DEPTH_MAX, &mut input).map_err(DecodeError::Malformed)?;
    if rest.is_empty() { Ok(value) } else { Err(DecodeError::LeftOver { count: rest.len() }) }
}
