//! The proof of one 1 KiB chunk: how a provider shows in a transaction that it can read a piece.
//!
//! A proof is the bao slice of the chunk at 1 KiB granularity: the hash pairs from the root down to the chunk, then the
//! chunk. It is cut from the 16 KiB outboard by hashing one group again.

use super::walk::{SliceWalk, chunk_range};
use super::{CHUNK_BYTES, PieceReader, ReadAt, SliceError, len_u64};
use crate::hash::PieceHash;
use bytes::Bytes;
use parity_scale_codec::{Compact, Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};

/// Hash pairs above a chunk of the largest piece: 2^32 bytes are 2^22 chunks.
const PAIRS_MAX: usize = 22;

/// The proof of one chunk of a piece: about 2 KiB for 64 MiB. Its length follows from piece size and chunk.
///
/// Encoded in SCALE as a byte vector; decoding refuses more than [`BYTES_MAX`](Self::BYTES_MAX).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, DecodeWithMemTracking)]
pub struct ChunkProof(Vec<u8>);

impl ChunkProof {
    /// Bytes of the longest proof.
    pub const BYTES_MAX: usize = 64 * PAIRS_MAX + 1024;

    /// A proof with these bytes; [`verify_chunk`] tells what it proves. `None` above [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= Self::BYTES_MAX).then_some(Self(bytes))
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Decode for ChunkProof {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let Compact(len) = Compact::<u32>::decode(input)?;
        let len = usize::try_from(len).map_err(|_| Error::from("chunk proof too long"))?;
        if len > Self::BYTES_MAX {
            return Err(Error::from("chunk proof too long"));
        }
        let mut bytes = vec![0; len];
        input.read(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl MaxEncodedLen for ChunkProof {
    fn max_encoded_len() -> usize {
        // Lengths up to 2^14 - 1 have a prefix of two bytes.
        2 + Self::BYTES_MAX
    }
}

/// A chunk, hashed up to the [`PieceHash`] of its piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChunk {
    piece: PieceHash,
    index: u64,
    bytes: Bytes,
}

impl VerifiedChunk {
    /// The piece it belongs to.
    pub fn piece(&self) -> PieceHash {
        self.piece
    }

    /// Which chunk it is: its offset in the piece in KiB.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its bytes: 1024, fewer at the piece's end.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl<D: ReadAt, O: AsRef<[u8]>> PieceReader<D, O> {
    /// The proof of chunk `chunk_index`: reads and hashes one group.
    ///
    /// # Errors
    /// There is no such chunk, the data does not match the hash, or reading fails.
    pub fn prove_chunk(&self, chunk_index: u64) -> Result<ChunkProof, SliceError> {
        let ranges = chunk_range(self.outboard.tree.size(), chunk_index)?;
        let mut proof = Vec::with_capacity(ChunkProof::BYTES_MAX);
        self.encode(&ranges, &mut proof)?;
        Ok(ChunkProof(proof))
    }
}

/// The proof of chunk `chunk_index` of a piece: [`PieceReader::prove_chunk`] in one call.
///
/// # Errors
/// As [`PieceReader::new`] and [`PieceReader::prove_chunk`].
pub fn prove_chunk(
    data: impl ReadAt,
    outboard: &[u8],
    hash: PieceHash,
    piece_bytes: u64,
    chunk_index: u64,
) -> Result<ChunkProof, SliceError> {
    PieceReader::new(data, outboard, hash, piece_bytes)?.prove_chunk(chunk_index)
}

/// Verifies the proof of chunk `chunk_index` (offset `chunk_index * 1024`) of a piece and returns the chunk. A few
/// microseconds.
///
/// # Errors
/// There is no such chunk, the proof has another length than it must have, or any of its bytes does not belong to the
/// piece.
pub fn verify_chunk(
    hash: PieceHash,
    piece_bytes: u64,
    chunk_index: u64,
    proof: &ChunkProof,
) -> Result<VerifiedChunk, SliceError> {
    let expected = SliceWalk::of_chunk(hash, piece_bytes, chunk_index)?.encoded_bytes();
    let actual = len_u64(&proof.0);
    if expected != actual {
        return Err(SliceError::Length { expected, actual });
    }
    let mut walk = SliceWalk::of_chunk(hash, piece_bytes, chunk_index)?;
    let mut chunk = None;
    let mut rest = proof.0.as_slice();
    while let Some(step) = walk.next_step() {
        let (item, behind) =
            rest.split_at_checked(step.encoded_bytes()).ok_or(SliceError::Length { expected, actual })?;
        walk.check(&step, item)?;
        if step.is_group() {
            chunk = Some(Bytes::copy_from_slice(item));
        }
        rest = behind;
    }
    // A walk to a chunk that exists ends at that chunk.
    let bytes = chunk.ok_or(SliceError::Mismatch { piece: hash, offset: chunk_index.saturating_mul(CHUNK_BYTES) })?;
    Ok(VerifiedChunk { piece: hash, index: chunk_index, bytes })
}
