//! Paths of the state's Merkle tree: from a key up to the root.
//!
//! The tree is the ledger's Jellyfish Merkle tree with BLAKE3, seen as binary: the bits of a key's hash, highest first,
//! lead down; a part of the tree with one leaf is that leaf, one with none is a placeholder.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use thiserror::Error;

use crate::types::StateRoot;

/// In front of a leaf's key hash and value hash.
const LEAF_TAG: &[u8] = b"JMT::LeafNode";
/// In front of an inner node's two halves.
const INNER_TAG: &[u8] = b"JMT::IntrnalNode";
/// Stands for a part of the tree without leaves.
pub const EMPTY: [u8; 32] = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";
/// Bits of a key's hash.
const BITS: usize = 256;

/// The name of a state key in the tree: a derive-key hash, so that nobody can choose paths.
#[must_use]
pub fn key_hash(key: &[u8]) -> [u8; 32] {
    blake3::derive_key("piecewise state key v1", key)
}

/// The hash of an inner node.
#[must_use]
pub fn inner_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(&[INNER_TAG, left, right])
}

/// A leaf as the tree hashes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Leaf {
    /// [`key_hash`] of its key.
    pub key_hash: [u8; 32],
    /// Plain BLAKE3 of its value.
    pub value_hash: [u8; 32],
}

impl Leaf {
    /// The leaf of a key and its value.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8]) -> Self {
        Self { key_hash: key_hash(key), value_hash: hash(&[value]) }
    }

    /// The leaf's hash in the tree.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&[LEAF_TAG, &self.key_hash, &self.value_hash])
    }
}

/// From where a key is, or would be, up to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Path {
    /// For a key without value: the only leaf where the key would be; none if nothing is there.
    pub other: Option<Leaf>,
    /// Hashes of the other halves, from below up to the root; at most 256.
    pub siblings: Vec<[u8; 32]>,
}

/// Why a path does not show what it should.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PathError {
    /// Longer than any path of the tree.
    #[error("the path has {0} steps, more than {BITS}")]
    TooLong(usize),
    /// A value is shown, but the path is one of absence.
    #[error("a value is shown, but the path leads to another key")]
    OtherLeaf,
    /// No value is shown, but the path leads to the key's own leaf.
    #[error("no value is shown, but the key has one")]
    HasValue,
    /// The other leaf does not lie where the key would be.
    #[error("the path's leaf does not lie where the key would be")]
    Elsewhere,
    /// Another root.
    #[error("the path does not lead to the state's root")]
    Root,
}

impl Path {
    /// Checks that under `root` the key has this value, or none.
    ///
    /// # Errors
    /// [`PathError`] says why the path does not show it.
    pub fn verify(&self, root: &StateRoot, key: &[u8], value: Option<&[u8]>) -> Result<(), PathError> {
        let steps = self.siblings.len();
        if steps > BITS {
            return Err(PathError::TooLong(steps));
        }
        let name = key_hash(key);
        let below = match (value, &self.other) {
            (Some(value), None) => Leaf::new(key, value).hash(),
            (Some(_), Some(_)) => return Err(PathError::OtherLeaf),
            (None, None) => EMPTY,
            (None, Some(other)) if other.key_hash == name => return Err(PathError::HasValue),
            (None, Some(other)) if !bits(&other.key_hash).take(steps).eq(bits(&name).take(steps)) => {
                return Err(PathError::Elsewhere);
            }
            (None, Some(other)) => other.hash(),
        };
        let down: Vec<bool> = bits(&name).take(steps).collect();
        let found = self.siblings.iter().zip(down.iter().rev()).fold(below, |hash, (sibling, right)| {
            if *right { inner_hash(sibling, &hash) } else { inner_hash(&hash, sibling) }
        });
        if found == *root.as_bytes() { Ok(()) } else { Err(PathError::Root) }
    }
}

/// From the highest bit of the first byte on; true leads to the right.
fn bits(hash: &[u8; 32]) -> impl Iterator<Item = bool> {
    hash.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
