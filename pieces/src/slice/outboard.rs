//! The hash tree of a piece, kept beside it so that slices can be cut without hashing the whole piece again.

use super::walk::parent_hash;
use super::{GROUP_BYTES, GROUP_SIZE};
use crate::hash::PieceHash;
use bao_tree::BaoTree;
use blake3::hazmat::{ChainingValue, HasherExt};
use std::io::{self, Read};

/// Bytes read from a reader at a time.
const READ_BYTES: usize = 64 * 1024;

/// Hashes a piece while it streams in, once: gives its hash and its outboard.
///
/// Holds 32 bytes for each 16 KiB of the piece.
#[derive(Debug, Clone, Default)]
pub struct PieceHasher {
    /// Hashes of the groups that are complete and have a successor.
    groups: Vec<ChainingValue>,
    group: blake3::Hasher,
    piece_bytes: u64,
}

impl PieceHasher {
    /// A hasher that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes seen so far.
    pub fn piece_bytes(&self) -> u64 {
        self.piece_bytes
    }

    /// Takes the next bytes of the piece, as many as there are.
    pub fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            // A full group is closed only now, because the last group of a piece may turn out to be its root.
            if self.group.count() == GROUP_BYTES {
                self.close_group();
            }
            let room = usize::try_from(GROUP_BYTES - self.group.count()).unwrap_or(usize::MAX);
            let (head, rest) = data.split_at(data.len().min(room));
            self.group.update(head);
            self.piece_bytes += u64::try_from(head.len()).unwrap_or(u64::MAX);
            data = rest;
        }
    }

    /// The piece's hash, which is plain BLAKE3, and its outboard: the hash pairs above the groups in pre-order, without
    /// a prefix, [`outboard_bytes`] long.
    pub fn finish(mut self) -> (PieceHash, Vec<u8>) {
        if self.groups.is_empty() {
            return (PieceHash::from_bytes(*self.group.finalize().as_bytes()), Vec::new());
        }
        self.groups.push(self.group.finalize_non_root());
        let mut outboard = Vec::with_capacity((self.groups.len() - 1) * 64);
        let root = merge(&self.groups, true, &mut outboard);
        (PieceHash::from_bytes(root), outboard)
    }

    fn close_group(&mut self) {
        self.groups.push(self.group.finalize_non_root());
        self.group = blake3::Hasher::new();
        self.group.set_input_offset(self.piece_bytes);
    }
}

/// Appends the hash pairs of the tree over `groups` (at least one) to `outboard` and returns the tree's hash.
fn merge(groups: &[ChainingValue], is_root: bool, outboard: &mut Vec<u8>) -> ChainingValue {
    if let [group] = groups {
        return *group;
    }
    // BLAKE3's left subtrees are the largest power of two that leaves something to the right.
    let (left, right) = groups.split_at(groups.len().next_power_of_two() / 2);
    let at = outboard.len();
    outboard.extend_from_slice(&[0; 64]);
    let left_hash = merge(left, false, outboard);
    let right_hash = merge(right, false, outboard);
    outboard[at..at + 32].copy_from_slice(&left_hash);
    outboard[at + 32..at + 64].copy_from_slice(&right_hash);
    parent_hash(&left_hash, &right_hash, is_root)
}

/// Hashes a piece of `piece_bytes` bytes in one pass: its hash and its outboard, as [`PieceHasher::finish`] gives them.
///
/// # Errors
/// Reading fails, or `data` ends before `piece_bytes`.
pub fn outboard(data: impl Read, piece_bytes: u64) -> io::Result<(PieceHash, Vec<u8>)> {
    let mut data = data.take(piece_bytes);
    let mut hasher = PieceHasher::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match data.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.push(buffer.get(..count).unwrap_or_default());
    }
    if hasher.piece_bytes() < piece_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(hasher.finish())
}

/// Bytes of the outboard of a piece of `piece_bytes` bytes: 64 for each group but one.
pub fn outboard_bytes(piece_bytes: u64) -> u64 {
    BaoTree::new(piece_bytes, GROUP_SIZE).outboard_size()
}
