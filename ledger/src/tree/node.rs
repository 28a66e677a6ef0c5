//! Nodes of the tree on disk.
//!
//! The layout is ours, SCALE like every other row, so that it does not change when jmt does.

use std::borrow::Cow;

use jmt::storage::{LeafNode, Node, NodeKey};
use jmt::{KeyHash, SimpleHasher, ValueHash};
use parity_scale_codec::{Decode, Encode};

use super::inner::inner_node;
use crate::db::key::RowKey;
use crate::db::tables::Row;

/// A node's name: the height that made it, then how many nibbles its path has (one byte), then the path, two nibbles a
/// byte, high one first, padded with a zero nibble.
///
/// The height comes first, so that a block appends its nodes behind all others.
pub struct NodeId<'a>(pub Cow<'a, NodeKey>);

impl RowKey for NodeId<'_> {
    fn to_bytes(&self) -> Vec<u8> {
        let path = self.0.nibble_path();
        let mut bytes = Vec::with_capacity(8 + 1 + path.num_nibbles().div_ceil(2));
        bytes.extend(self.0.version().to_be_bytes());
        bytes.push(u8::try_from(path.num_nibbles()).expect("a path has at most 64 nibbles"));
        let mut nibbles = path.nibbles().map(u8::from);
        while let Some(high) = nibbles.next() {
            bytes.push(high << 4 | nibbles.next().unwrap_or(0));
        }
        bytes
    }
}

/// A node as jmt has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRow<'a>(pub Cow<'a, Node>);

/// A node as it is on disk.
#[derive(Encode, Decode)]
#[allow(clippy::cast_possible_truncation, reason = "the derive casts the index of a variant")]
enum StoredNode {
    /// The root of an empty tree.
    #[codec(index = 0)]
    Null,
    #[codec(index = 1)]
    Leaf { key_hash: [u8; 32], value_hash: [u8; 32] },
    #[codec(index = 2)]
    Inner(Vec<StoredChild>),
}

/// A child as its parent knows it; ascending by nibble.
#[derive(Encode, Decode)]
pub struct StoredChild {
    pub nibble: u8,
    pub hash: [u8; 32],
    /// The height that made it.
    #[codec(compact)]
    pub height: u64,
    /// Leaves below it; 0 if it is a leaf itself.
    #[codec(compact)]
    pub leaves: u64,
}

impl Row for NodeRow<'_> {
    fn to_row(&self) -> Vec<u8> {
        match &*self.0 {
            Node::Null => StoredNode::Null,
            Node::Leaf(leaf) => StoredNode::Leaf { key_hash: leaf.key_hash().0, value_hash: value_hash(leaf) },
            Node::Internal(inner) => StoredNode::Inner(
                inner
                    .children_sorted()
                    .map(|(nibble, child)| StoredChild {
                        nibble: nibble.into(),
                        hash: child.hash,
                        height: child.version,
                        leaves: if child.is_leaf() { 0 } else { count(child.leaf_count()) },
                    })
                    .collect(),
            ),
        }
        .to_row()
    }

    fn from_row(bytes: &[u8]) -> Result<Self, String> {
        let node = match StoredNode::from_row(bytes)? {
            StoredNode::Null => Node::Null,
            StoredNode::Leaf { key_hash, value_hash } => {
                Node::Leaf(LeafNode::new(KeyHash(key_hash), ValueHash(value_hash)))
            }
            StoredNode::Inner(children) => inner_node(&children)?,
        };
        Ok(Self(Cow::Owned(node)))
    }
}

fn count(leaves: usize) -> u64 {
    u64::try_from(leaves).expect("a count of leaves fits 64 bits")
}

/// jmt keeps a leaf's value hash to itself, but hashes a leaf as (tag, key hash, value hash): a hasher that gives back
/// what it was told last hands it over.
fn value_hash(leaf: &LeafNode) -> [u8; 32] {
    leaf.hash::<LastPart>()
}

struct LastPart([u8; 32]);

impl SimpleHasher for LastPart {
    fn new() -> Self {
        Self([0; 32])
    }

    fn update(&mut self, data: &[u8]) {
        if let Ok(part) = data.try_into() {
            self.0 = part;
        }
    }

    fn finalize(self) -> [u8; 32] {
        self.0
    }
}

#[cfg(test)]
mod tests;
