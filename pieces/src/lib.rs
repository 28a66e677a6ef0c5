//! Turn files into pieces and any k of n pieces back into files.
//!
//! ```text
//! bytes --FileEncoder--> stripes of n units --(the network)--> pieces on n disks, each with PieceHash and outboard
//!              |                                                     |
//!              +--> FileManifest --file_id()--> FileId               | encode_slice(range)      prove_chunk(index)
//!                        |                                           v                                |
//!                        +--plan_range()--> StripeRange --> decode_slice --> VerifiedSlice            v
//!                                                                     | units()                 verify_chunk
//!                                                                     v
//! bytes <--SegmentDecoder.decode_stripe-- any k VerifiedUnit of a stripe
//! ```
//!
//! # Laws
//! - **Any k rebuild.** Any `k` different columns of a stripe decode to the same bytes, and rebuild the same missing
//!   columns.
//! - **Sizes follow.** Every size follows from `(len, k, n, unit)`; sizes that others send are compared, never used.
//! - **Verified first.** Reed-Solomon does not notice corruption, so the decoder takes only [`VerifiedUnit`]s, and
//!   those come only from bytes that were hashed up to a [`PieceHash`]. A lying peer is caught within [`GROUP_BYTES`].
//! - **One encoding.** A segment has one encoding: padding is zero and the decoder refuses any other.
//! - **Pure.** No clock, disk, network, threads or randomness; memory is bounded by stripes, not by files.
//!
//! The matrix of the code is written down in [`code`]. Processors are checked by [`check_cpu`].

pub mod bundle;
pub mod code;
mod codec;
pub mod cpu;
pub mod decode;
pub mod encode;
pub mod hash;
pub mod manifest;
pub mod range;
pub mod slice;
mod spares;

pub use bundle::{BUNDLE_ENTRIES_MAX, BundleEntry, BundleError, BundleTable, object_id};
pub use code::{CODE_REED_SOLOMON, CodeError, ErasureCode};
pub use cpu::{CpuError, check_cpu};
pub use decode::{DecodeError, SegmentDecoder, VerifiedUnit};
pub use encode::{EncodeError, FileEncoder, FileEvent, SegmentEncoder};
pub use hash::{ContentHash, FileId, Hash, ObjectId, ParseHashError, PieceHash};
pub use manifest::{
    FileManifest, MANIFEST_VERSION, ManifestBuilder, ManifestError, ManifestLimits, MediaType, SegmentManifest,
};
pub use range::{StripeRange, plan_range};
pub use slice::{
    CHUNK_BYTES, ChunkProof, GROUP_BYTES, HashPair, PieceHasher, PieceReader, ReadAt, SliceDecoder, SliceError,
    VerifiedChunk, VerifiedGroup, VerifiedSlice, decode_slice, encode_slice, outboard, outboard_bytes, prove_chunk,
    slice_bytes_max, verify_chunk,
};
pub use spares::Spares;
