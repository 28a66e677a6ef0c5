//! Verified ranges of pieces: bao streams in groups of 16 KiB.
//!
//! A *slice* is the bao encoding of the groups that cover a byte range of a piece: 64-byte parent hash pairs and groups
//! in pre-order, without a size prefix. Whoever decodes it knows the piece's hash and size from the ledger, so a slice
//! has exactly one valid form and one length, [`slice_bytes_max`], and no byte of it is believed before it has been
//! hashed up to the [`PieceHash`].

mod outboard;
mod proof;
mod walk;

pub use bao_tree::io::sync::ReadAt;
pub use outboard::{PieceHasher, outboard, outboard_bytes};
pub use proof::{ChunkProof, VerifiedChunk, prove_chunk, verify_chunk};

use crate::code::ErasureCode;
use crate::decode::VerifiedUnit;
use crate::hash::PieceHash;
use bao_tree::io::outboard::PreOrderMemOutboard;
use bao_tree::io::sync::encode_ranges_validated;
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges, io::EncodeError as BaoEncodeError};
use bytes::{Bytes, BytesMut};
use std::io::{self, Read, Write};
use std::ops::Range;
use walk::{PAIR_BYTES, SliceWalk};

/// Bytes of a group: what is sent whole and verified at once.
pub const GROUP_BYTES: u64 = 16 * 1024;
/// Bytes of a BLAKE3 chunk: what an audit reads.
pub const CHUNK_BYTES: u64 = 1024;
/// Bytes of the largest piece whose slices are known. Sizes on the ledger are `u32` limits.
pub const PIECE_BYTES_MAX: u64 = u32::MAX as u64;

const CHUNKS_PER_GROUP: u64 = GROUP_BYTES / CHUNK_BYTES;
const GROUP_SIZE: BlockSize = BlockSize::from_chunk_log(4);

/// Why a slice or a chunk proof cannot be made or believed.
#[derive(Debug, thiserror::Error)]
pub enum SliceError {
    /// Pieces have 1 to [`PIECE_BYTES_MAX`] bytes.
    #[error("a piece cannot have {piece_bytes} bytes")]
    Piece {
        /// Bytes of the piece.
        piece_bytes: u64,
    },
    /// The range is empty or does not lie in the piece.
    #[error("bytes {start}..{end} are not a range of a piece of {piece_bytes} bytes")]
    Range {
        /// First byte asked for.
        start: u64,
        /// Byte behind the last one asked for.
        end: u64,
        /// Bytes of the piece.
        piece_bytes: u64,
    },
    /// The outboard does not belong to a piece of this size.
    #[error("the outboard of a piece has {expected} bytes, not {actual}")]
    Outboard {
        /// Bytes it must have.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// Data or hashes do not belong to the piece: a lying peer, or a damaged disk.
    #[error("bytes at offset {offset} do not belong to piece {piece}")]
    Mismatch {
        /// The piece that was asked for.
        piece: PieceHash,
        /// Offset in the piece where the first wrong group, or the range of the first wrong hash pair, starts.
        offset: u64,
    },
    /// The encoded bytes end early or go on behind the end.
    #[error("the encoding has {expected} bytes, not {actual}")]
    Length {
        /// Bytes a valid encoding has.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// The piece's size is not that of a piece of this segment.
    #[error("a piece of this segment has {expected} bytes, not {actual}")]
    PieceLength {
        /// Bytes such a piece has.
        expected: u64,
        /// Bytes this piece has.
        actual: u64,
    },
    /// The code has no such column.
    #[error("there is no column {column} of {n}")]
    Column {
        /// The column asked for.
        column: u8,
        /// Columns there are.
        n: u8,
    },
    /// The slice cuts through a unit.
    #[error("the slice does not hold the whole unit of stripe {stripe}")]
    PartOfUnit {
        /// The stripe whose unit is cut.
        stripe: u64,
    },
    /// Reading or writing failed.
    #[error("cannot read or write a slice")]
    Io(#[source] io::Error),
}

/// The bytes of a piece on disk or in memory, with its outboard: what a provider serves slices and answers audits from.
#[derive(Debug, Clone)]
pub struct PieceReader<D, O> {
    data: D,
    outboard: PreOrderMemOutboard<O>,
}

impl<D: ReadAt, O: AsRef<[u8]>> PieceReader<D, O> {
    /// A piece of `piece_bytes` bytes with this hash, and its outboard as [`outboard`] makes it.
    ///
    /// # Errors
    /// [`SliceError::Piece`] or [`SliceError::Outboard`] if the sizes are impossible. Contents are checked as they are
    /// read.
    pub fn new(data: D, outboard: O, hash: PieceHash, piece_bytes: u64) -> Result<Self, SliceError> {
        let tree = tree_of(piece_bytes)?;
        let (expected, actual) = (tree.outboard_size(), len_u64(outboard.as_ref()));
        if expected != actual {
            return Err(SliceError::Outboard { expected, actual });
        }
        let root = blake3::Hash::from_bytes(*hash.as_bytes());
        let outboard = PreOrderMemOutboard { root, tree, data: outboard };
        Ok(Self { data, outboard })
    }

    /// Writes the slice of the groups that cover `range` to `out`. Every group is hashed before it is written, so that
    /// a provider with a damaged disk notices instead of looking like a liar.
    ///
    /// # Errors
    /// A bad range, data that does not match the hash, or a failed read or write; then `out` holds the beginning of a
    /// slice.
    pub fn encode_slice(&self, range: Range<u64>, out: impl Write) -> Result<(), SliceError> {
        let ranges = groups_covering(self.outboard.tree.size(), &range)?;
        self.encode(&ranges, out)
    }

    fn encode(&self, ranges: &ChunkRanges, out: impl Write) -> Result<(), SliceError> {
        encode_ranges_validated(&self.data, &self.outboard, ranges, out).map_err(|error| self.explain(error))
    }

    fn explain(&self, error: BaoEncodeError) -> SliceError {
        let piece = PieceHash::from_bytes(*self.outboard.root.as_bytes());
        match error {
            BaoEncodeError::ParentHashMismatch(node) => {
                SliceError::Mismatch { piece, offset: node.chunk_range().start.to_bytes() }
            }
            BaoEncodeError::LeafHashMismatch(chunk) => SliceError::Mismatch { piece, offset: chunk.to_bytes() },
            other => SliceError::Io(other.into()),
        }
    }
}

/// Writes the slice of the groups of a piece that cover `range` to `out`: [`PieceReader::encode_slice`] in one call.
///
/// # Errors
/// As [`PieceReader::new`] and [`PieceReader::encode_slice`].
pub fn encode_slice(
    data: impl ReadAt,
    outboard: &[u8],
    hash: PieceHash,
    piece_bytes: u64,
    range: Range<u64>,
    out: impl Write,
) -> Result<(), SliceError> {
    PieceReader::new(data, outboard, hash, piece_bytes)?.encode_slice(range, out)
}

/// The exact number of bytes of the slice that covers `range`, so that receivers know how much to read. Zero for a
/// range or a piece that has no slice.
pub fn slice_bytes_max(piece_bytes: u64, range: Range<u64>) -> u64 {
    match SliceWalk::of_range(PieceHash::ZERO, piece_bytes, &range) {
        Ok(walk) => walk.encoded_bytes(),
        Err(_) => 0,
    }
}

/// Some whole groups of a piece, hashed up to its [`PieceHash`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSlice {
    piece: PieceHash,
    piece_bytes: u64,
    range: Range<u64>,
    offset: u64,
    bytes: Bytes,
    pairs: Vec<HashPair>,
}

/// Two hashes of a piece's tree, and where they stand in its outboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashPair {
    /// Offset in the outboard in bytes.
    pub offset: u64,
    /// The hashes of the left and the right half.
    pub hashes: [u8; PAIR_BYTES],
}

impl VerifiedSlice {
    /// Verifies a piece that is at hand as a whole.
    ///
    /// # Errors
    /// [`SliceError::Mismatch`] if it has another hash, [`SliceError::Piece`] if it is empty or too large.
    pub fn from_piece(piece: PieceHash, bytes: Bytes) -> Result<Self, SliceError> {
        let piece_bytes = len_u64(&bytes);
        tree_of(piece_bytes)?;
        if PieceHash::of(&bytes) != piece {
            return Err(SliceError::Mismatch { piece, offset: 0 });
        }
        Ok(Self { piece, piece_bytes, range: 0..piece_bytes, offset: 0, bytes, pairs: Vec::new() })
    }

    /// The piece these bytes belong to.
    pub fn piece(&self) -> PieceHash {
        self.piece
    }

    /// Bytes of the whole piece.
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Offset of [`bytes`](Self::bytes) in the piece: a multiple of [`GROUP_BYTES`].
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The hash pairs that came with the slice, hashed up to the piece like its groups: with them written into an
    /// outboard, whatever else it holds, a [`PieceReader`] cuts this slice again. None of a piece that was at hand as a
    /// whole.
    pub fn pairs(&self) -> &[HashPair] {
        &self.pairs
    }

    /// The covering groups: the range that was asked for, rounded outwards.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The range that was asked for, in the piece.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Exactly the bytes that were asked for.
    pub fn range_bytes(&self) -> Bytes {
        self.cut(self.range()).unwrap_or_default()
    }

    /// The units of every stripe that the range asked for touches, in order, without copying. `column` is the column
    /// whose [`PieceHash`] the slice was asked by; [`SegmentDecoder::for_segment`](crate::SegmentDecoder::for_segment)
    /// checks that.
    ///
    /// # Errors
    /// The piece's size is not that of a piece of such a segment, the column does not exist, or the slice cuts through
    /// a unit.
    pub fn units(&self, code: &ErasureCode, segment_len: u64, column: u8) -> Result<Vec<VerifiedUnit>, SliceError> {
        let (expected, actual) = (code.piece_bytes(segment_len), self.piece_bytes);
        if expected != actual {
            return Err(SliceError::PieceLength { expected, actual });
        }
        if column >= code.n {
            return Err(SliceError::Column { column, n: code.n });
        }
        let unit_bytes = u64::from(code.unit_bytes);
        let first = self.range.start.checked_div(unit_bytes).unwrap_or(0);
        let mut units = Vec::new();
        for stripe in first..code.stripe_count(segment_len) {
            let start = stripe * unit_bytes;
            if start >= self.range.end {
                break;
            }
            let end = (start + unit_bytes).min(self.piece_bytes);
            let bytes = self.cut(start..end).ok_or(SliceError::PartOfUnit { stripe })?;
            units.push(VerifiedUnit::new(column, stripe, self.piece, bytes));
        }
        Ok(units)
    }

    /// The bytes at `range` of the piece, if this slice holds them all.
    fn cut(&self, range: Range<u64>) -> Option<Bytes> {
        let start = usize::try_from(range.start.checked_sub(self.offset)?).ok()?;
        let end = usize::try_from(range.end.checked_sub(self.offset)?).ok()?;
        (start <= end && end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

/// Verifies a whole slice that is at hand: hashes each group where it lies, then copies it once.
///
/// Never allocates more than the covering groups, whatever `encoded` is.
///
/// # Errors
/// A bad range, [`SliceError::Length`] unless `encoded` has exactly [`slice_bytes_max`] bytes, and
/// [`SliceError::Mismatch`] at the first group or hash pair that does not belong to the piece; then no byte is handed
/// out.
pub fn decode_slice(
    hash: PieceHash,
    piece_bytes: u64,
    range: Range<u64>,
    encoded: &[u8],
) -> Result<VerifiedSlice, SliceError> {
    let (expected, actual) = (slice_bytes_max(piece_bytes, range.clone()), len_u64(encoded));
    let mut walk = SliceWalk::of_range(hash, piece_bytes, &range)?;
    if expected != actual {
        return Err(SliceError::Length { expected, actual });
    }
    let offset = group_start(range.start);
    // Not above the length of `encoded`, which holds these groups and the hash pairs.
    let covered = group_end(range.end).min(piece_bytes) - offset;
    let mut bytes = BytesMut::with_capacity(usize_of(covered)?);
    let mut pairs = Vec::new();
    let mut rest = encoded;
    while let Some(step) = walk.next_step() {
        let (item, behind) =
            rest.split_at_checked(step.encoded_bytes()).ok_or(SliceError::Length { expected, actual })?;
        walk.check(&step, item)?;
        if step.is_group() {
            bytes.extend_from_slice(item);
        } else if let (Some(offset), Ok(hashes)) = (walk.outboard_offset(&step), item.try_into()) {
            pairs.push(HashPair { offset, hashes });
        }
        rest = behind;
    }
    let bytes = bytes.freeze();
    Ok(VerifiedSlice { piece: hash, piece_bytes, range, offset, bytes, pairs })
}

/// A group of a piece, hashed up to its [`PieceHash`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedGroup {
    /// Offset in the piece: a multiple of [`GROUP_BYTES`].
    pub offset: u64,
    /// The group: [`GROUP_BYTES`], fewer at the piece's end.
    pub bytes: Bytes,
}

/// Verifies a slice while it is read: an iterator over its groups, in order, each verified before it is handed out. It
/// reads exactly [`slice_bytes_max`] bytes and ends after the first error.
#[derive(Debug)]
pub struct SliceDecoder<R> {
    walk: Option<SliceWalk>,
    reader: R,
}

impl<R: Read> SliceDecoder<R> {
    /// A decoder of the slice that covers `range`, read from `reader`.
    ///
    /// # Errors
    /// A bad range or piece size.
    pub fn new(hash: PieceHash, piece_bytes: u64, range: Range<u64>, reader: R) -> Result<Self, SliceError> {
        let walk = SliceWalk::of_range(hash, piece_bytes, &range)?;
        Ok(Self { walk: Some(walk), reader })
    }

    fn next_group(&mut self) -> Result<Option<VerifiedGroup>, SliceError> {
        let Some(walk) = self.walk.as_mut() else {
            return Ok(None);
        };
        while let Some(step) = walk.next_step() {
            let mut item = BytesMut::zeroed(step.encoded_bytes());
            self.reader.read_exact(&mut item).map_err(SliceError::Io)?;
            walk.check(&step, &item)?;
            if step.is_group() {
                let bytes = item.freeze();
                let offset = step.offset();
                return Ok(Some(VerifiedGroup { offset, bytes }));
            }
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for SliceDecoder<R> {
    type Item = Result<VerifiedGroup, SliceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.next_group();
        if !matches!(group, Ok(Some(_))) {
            self.walk = None;
        }
        group.transpose()
    }
}

fn tree_of(piece_bytes: u64) -> Result<BaoTree, SliceError> {
    if piece_bytes == 0 || piece_bytes > PIECE_BYTES_MAX {
        return Err(SliceError::Piece { piece_bytes });
    }
    Ok(BaoTree::new(piece_bytes, GROUP_SIZE))
}

fn group_start(offset: u64) -> u64 {
    offset - offset % GROUP_BYTES
}

/// Offsets lie in pieces, below 2^32, so rounding up cannot overflow.
fn group_end(offset: u64) -> u64 {
    offset.next_multiple_of(GROUP_BYTES)
}

fn groups_covering(piece_bytes: u64, range: &Range<u64>) -> Result<ChunkRanges, SliceError> {
    let Range { start, end } = *range;
    if start >= end || end > piece_bytes {
        return Err(SliceError::Range { start, end, piece_bytes });
    }
    let first = group_start(start) / CHUNK_BYTES;
    let behind = first.max(group_end(end) / CHUNK_BYTES);
    Ok(chunk_ranges(piece_bytes, first, behind))
}

/// Chunks `first..behind` in the library's canonical form: a range that reaches the end is open.
fn chunk_ranges(piece_bytes: u64, first: u64, behind: u64) -> ChunkRanges {
    if behind >= piece_bytes.div_ceil(CHUNK_BYTES) {
        return ChunkRanges::from(ChunkNum(first)..);
    }
    ChunkRanges::from(ChunkNum(first)..ChunkNum(behind))
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn usize_of(piece_bytes: u64) -> Result<usize, SliceError> {
    usize::try_from(piece_bytes).map_err(|_| SliceError::Piece { piece_bytes })
}
