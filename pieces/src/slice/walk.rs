//! Which bytes come next in a slice, and whether they are the right ones.

use super::{CHUNKS_PER_GROUP, SliceError, chunk_ranges, groups_covering, tree_of};
use crate::hash::PieceHash;
use bao_tree::iter::{BaoChunk, ResponseIter};
use bao_tree::{BaoTree, ChunkRanges};
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of an encoded pair of hashes.
pub(super) const PAIR_BYTES: usize = 64;

/// The next item of a slice.
#[derive(Debug)]
pub(super) struct Step(BaoChunk);

impl Step {
    /// Bytes of this item in the slice.
    pub(super) fn encoded_bytes(&self) -> usize {
        match self.0 {
            BaoChunk::Parent { .. } => PAIR_BYTES,
            BaoChunk::Leaf { size, .. } => size,
        }
    }

    /// Whether the item is data, not a pair of hashes.
    pub(super) fn is_group(&self) -> bool {
        matches!(self.0, BaoChunk::Leaf { .. })
    }

    /// Offset in the piece of the first byte under this item.
    pub(super) fn offset(&self) -> u64 {
        match self.0 {
            BaoChunk::Parent { node, .. } => node.chunk_range().start.to_bytes(),
            BaoChunk::Leaf { start_chunk, .. } => start_chunk.to_bytes(),
        }
    }
}

/// A walk down a piece's tree over the items of a slice. Each item must be checked before the next step is taken.
#[derive(Debug)]
pub(super) struct SliceWalk {
    piece: PieceHash,
    tree: BaoTree,
    steps: ResponseIter,
    /// Hashes that the items to come must have, the next one last.
    expected: Vec<ChainingValue>,
}

impl SliceWalk {
    /// The walk over the groups that cover a range.
    pub(super) fn of_range(
        piece: PieceHash,
        piece_bytes: u64,
        range: &std::ops::Range<u64>,
    ) -> Result<Self, SliceError> {
        let tree = tree_of(piece_bytes)?;
        let ranges = groups_covering(piece_bytes, range)?;
        Ok(Self::new(piece, tree, ranges))
    }

    /// The walk to a single chunk.
    pub(super) fn of_chunk(piece: PieceHash, piece_bytes: u64, chunk: u64) -> Result<Self, SliceError> {
        let tree = tree_of(piece_bytes)?;
        let ranges = chunk_range(piece_bytes, chunk)?;
        Ok(Self::new(piece, tree, ranges))
    }

    fn new(piece: PieceHash, tree: BaoTree, ranges: ChunkRanges) -> Self {
        Self { piece, tree, steps: ResponseIter::new(tree, ranges), expected: vec![*piece.as_bytes()] }
    }

    pub(super) fn next_step(&mut self) -> Option<Step> {
        self.steps.next().map(Step)
    }

    /// Where a pair of hashes stands in the piece's outboard, in bytes. None for a group, and for a pair within one.
    pub(super) fn outboard_offset(&self, step: &Step) -> Option<u64> {
        let BaoChunk::Parent { node, .. } = step.0 else { return None };
        self.tree.pre_order_offset(node)?.checked_mul(u64::try_from(PAIR_BYTES).ok()?)
    }

    /// Bytes of all items that are left.
    pub(super) fn encoded_bytes(mut self) -> u64 {
        let mut bytes = 0;
        while let Some(step) = self.next_step() {
            bytes += u64::try_from(step.encoded_bytes()).unwrap_or(u64::MAX);
        }
        bytes
    }

    /// Checks the item that `step` announced.
    pub(super) fn check(&mut self, step: &Step, item: &[u8]) -> Result<(), SliceError> {
        let mismatch = SliceError::Mismatch { piece: self.piece, offset: step.offset() };
        let Some(expected) = self.expected.pop() else {
            return Err(mismatch);
        };
        match step.0 {
            BaoChunk::Parent { is_root, left, right, .. } => {
                let Some((left_hash, right_hash)) = split_pair(item) else {
                    return Err(mismatch);
                };
                if parent_hash(&left_hash, &right_hash, is_root) != expected {
                    return Err(mismatch);
                }
                if right {
                    self.expected.push(right_hash);
                }
                if left {
                    self.expected.push(left_hash);
                }
            }
            BaoChunk::Leaf { is_root, .. } => {
                if subtree_hash(step.offset(), item, is_root) != expected {
                    return Err(mismatch);
                }
            }
        }
        Ok(())
    }
}

/// The one chunk `chunk`, in the form the library wants.
pub(super) fn chunk_range(piece_bytes: u64, chunk: u64) -> Result<ChunkRanges, SliceError> {
    let start = chunk.saturating_mul(super::CHUNK_BYTES);
    if start >= piece_bytes {
        let end = start.saturating_add(1);
        return Err(SliceError::Range { start, end, piece_bytes });
    }
    Ok(chunk_ranges(piece_bytes, chunk, chunk + 1))
}

/// The hash of a subtree of at most a group that starts at `offset`, a multiple of the chunk size.
pub(super) fn subtree_hash(offset: u64, data: &[u8], is_root: bool) -> ChainingValue {
    debug_assert!(data.len() <= blake3::CHUNK_LEN << CHUNKS_PER_GROUP.trailing_zeros());
    if is_root {
        return *blake3::hash(data).as_bytes();
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset);
    hasher.update(data);
    hasher.finalize_non_root()
}

pub(super) fn parent_hash(left: &ChainingValue, right: &ChainingValue, is_root: bool) -> ChainingValue {
    if is_root {
        return *merge_subtrees_root(left, right, Mode::Hash).as_bytes();
    }
    merge_subtrees_non_root(left, right, Mode::Hash)
}

fn split_pair(item: &[u8]) -> Option<(ChainingValue, ChainingValue)> {
    let (left, rest) = item.split_first_chunk::<32>()?;
    Some((*left, *rest.first_chunk::<32>()?))
}
