//! Messages in frames: four bytes of length, big endian, and the message.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::codec::{self, decode_bounded};
use std::fmt;
use std::marker::PhantomData;

/// Bytes of a length in front of a message.
const LENGTH_BYTES: usize = 4;

/// A message and its limits.
pub trait Message: Encode + Decode + DecodeWithMemTracking {
    /// What it is called in errors.
    const NAME: &'static str;
    /// No valid message is longer.
    const BYTES_MAX: u32;
}

/// Why a frame is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length above the limit of what is expected here.
    #[error("the peer announced {actual} bytes of {what}, more than {max}")]
    TooLong {
        /// What was expected.
        what: &'static str,
        /// Its limit.
        max: u32,
        /// What was announced.
        actual: u32,
    },
    /// Not a message.
    #[error("the peer sent something that is not a {what}")]
    Decode {
        /// What was expected.
        what: &'static str,
        /// Why not.
        #[source]
        source: codec::DecodeError,
    },
}

/// A message with its length in front.
pub fn frame<M: Message>(message: &M) -> Vec<u8> {
    let encoded = message.encode();
    let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    debug_assert!(length <= M::BYTES_MAX, "{} of {length} bytes", M::NAME);
    [&length.to_be_bytes()[..], &encoded].concat()
}

/// Puts one frame together from bytes as they come: fill [`wanted`](Self::wanted) from the front, then say how much
/// there was. Never wants a byte behind the frame.
pub struct FrameReader<M> {
    /// The length while it is not known, then the message.
    buffer: Vec<u8>,
    filled: usize,
    in_message: bool,
    message: PhantomData<fn() -> M>,
}

impl<M> fmt::Debug for FrameReader<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReader").field("filled", &self.filled).finish_non_exhaustive()
    }
}

impl<M: Message> Default for FrameReader<M> {
    fn default() -> Self {
        Self { buffer: vec![0; LENGTH_BYTES], filled: 0, in_message: false, message: PhantomData }
    }
}

impl<M: Message> FrameReader<M> {
    /// Where the next bytes of the frame go; never empty before the frame is whole.
    pub fn wanted(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.filled..).unwrap_or_default()
    }

    /// The first `count` bytes of [`wanted`](Self::wanted) were filled: the message, once it is whole.
    ///
    /// # Errors
    /// [`FrameError`]; too long is found before room for the message is made. The reader is of no use afterwards.
    pub fn advance(&mut self, count: usize) -> Result<Option<M>, FrameError> {
        self.filled = self.filled.saturating_add(count).min(self.buffer.len());
        if self.filled < self.buffer.len() {
            return Ok(None);
        }
        let (what, max) = (M::NAME, M::BYTES_MAX);
        if !self.in_message {
            let length = self.buffer.first_chunk::<LENGTH_BYTES>().copied().unwrap_or_default();
            let actual = u32::from_be_bytes(length);
            if actual > max {
                return Err(FrameError::TooLong { what, max, actual });
            }
            (self.buffer, self.filled, self.in_message) = (vec![0; usize_of(actual)], 0, true);
            if actual > 0 {
                return Ok(None);
            }
        }
        let decoded = decode_bounded(&self.buffer, usize_of(max));
        decoded.map(Some).map_err(|source| FrameError::Decode { what, source })
    }
}

/// Lengths have 32 bits, which every platform that runs this can address.
fn usize_of(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
