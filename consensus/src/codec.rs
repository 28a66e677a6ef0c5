//! Every format the engine sends or stores, as SCALE of mirror structs.
//!
//! Decoding is bounded (length first, then depth and heap), takes all the bytes or fails, and cannot panic its
//! caller.

pub mod limits;
mod raw;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use malachite::app::consensus::LivenessMsg;
use malachite::app::streaming::StreamMessage;
use malachite::app::types::codec::{Codec, HasEncodedLen};
use malachite::app::types::core::{PolkaCertificate, ValidatorProof};
use malachite::app::types::sync::{Request, Response, Status};
use malachite::app::types::{ProposedValue, SignedConsensusMsg};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::codec::{DecodeError, decode_bounded};
use thiserror::Error;

use crate::context::ChainContext;
use crate::types::ProposalPart;

/// All formats; it has no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireCodec;

/// Bytes that are not a message, or a message that has no bytes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes are too long or malformed.
    #[error("{what}")]
    Malformed {
        /// The type that was wanted.
        what: &'static str,
        /// What is wrong.
        #[source]
        source: DecodeError,
    },
    /// The bytes decode to something that no honest peer sends.
    #[error("{what}: {why}")]
    Meaningless {
        /// The type that was wanted.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The decoder panicked; that is a bug in it, and the message is dropped.
    #[error("{what}: the decoder panicked")]
    Panicked {
        /// The type that was wanted.
        what: &'static str,
    },
    /// A message that this node would never be understood to say.
    #[error("{what} cannot be encoded: {why}")]
    Unspeakable {
        /// The type.
        what: &'static str,
        /// Why not.
        why: &'static str,
    },
}

/// A type of the engine's and the SCALE type that mirrors it.
trait Mirrored: Sized {
    /// For errors.
    const NAME: &'static str;
    /// Most bytes of an encoding.
    const BYTES_MAX: usize;
    /// What is encoded.
    type Mirror: Encode + Decode + DecodeWithMemTracking;

    /// Into the mirror; fails on what is never sent.
    fn mirror(&self) -> Result<Self::Mirror, &'static str>;
    /// Out of the mirror; fails on what no honest peer sends.
    fn restore(mirror: Self::Mirror) -> Result<Self, &'static str>;
}

fn encode<T: Mirrored>(message: &T) -> Result<T::Mirror, CodecError> {
    message.mirror().map_err(|why| CodecError::Unspeakable { what: T::NAME, why })
}

fn decode<T: Mirrored>(bytes: &[u8]) -> Result<T, CodecError> {
    let what = T::NAME;
    // Nothing below is shared, so nothing is left half done by a panic.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mirror = decode_bounded::<T::Mirror>(bytes, T::BYTES_MAX)
            .map_err(|source| CodecError::Malformed { what, source })?;
        T::restore(mirror).map_err(|why| CodecError::Meaningless { what, why })
    }));
    result.unwrap_or(Err(CodecError::Panicked { what }))
}

/// The engine wants `Codec<T>` for each type by name; a blanket implementation would break the orphan rule.
macro_rules! codecs {
    ($($message:ty),* $(,)?) => {$(
        impl Codec<$message> for WireCodec {
            type Error = CodecError;

            fn decode(&self, bytes: Bytes) -> Result<$message, CodecError> {
                decode(&bytes)
            }

            fn encode(&self, message: &$message) -> Result<Bytes, CodecError> {
                encode(message).map(|mirror| mirror.encode().into())
            }
        }
    )*};
}

codecs!(
    ProposalPart,
    StreamMessage<ProposalPart>,
    SignedConsensusMsg<ChainContext>,
    LivenessMsg<ChainContext>,
    ValidatorProof<ChainContext>,
    Status<ChainContext>,
    Request<ChainContext>,
    Response<ChainContext>,
    ProposedValue<ChainContext>,
    PolkaCertificate<ChainContext>,
);

impl HasEncodedLen<Response<ChainContext>> for WireCodec {
    fn encoded_len(&self, message: &Response<ChainContext>) -> Result<usize, CodecError> {
        raw::response_len(message).map_err(|why| CodecError::Unspeakable { what: Response::NAME, why })
    }
}
