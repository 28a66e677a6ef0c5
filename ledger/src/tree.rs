//! The state's Jellyfish Merkle tree: the only door to jmt.
//!
//! A leaf's key is [`key_hash`] of the state key, its value the state's value with its version byte; leaves and inner
//! nodes are hashed with plain BLAKE3 under jmt's own domain tags. The root depends on the entries alone, not on the
//! order of blocks that made them. Nodes are never overwritten, so the tree of every height stays readable.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::anyhow;
use jmt::storage::{LeafNode, Node, NodeBatch, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, SimpleHasher};
use runtime::types::{Height, StateRoot};

use crate::db::Database;
use crate::db::key::{RowKey, ValueKey};
use crate::db::tables::NODES;
use crate::error::LedgerError;

mod inner;
mod node;
mod path;

pub use node::{NodeId, NodeRow};
pub use path::path;
pub use runtime::light::key_hash;

/// Plain BLAKE3 as jmt wants it.
pub struct Blake3Hasher(blake3::Hasher);

impl SimpleHasher for Blake3Hasher {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}

/// What a block adds to the tree, and the root that it leads to.
pub struct TreeUpdate {
    /// Root after the block.
    pub root: StateRoot,
    batch: NodeBatch,
}

impl TreeUpdate {
    /// The new nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId<'_>, NodeRow<'_>)> {
        self.batch.nodes().iter().map(|(key, node)| (NodeId(Cow::Borrowed(key)), NodeRow(Cow::Borrowed(node))))
    }

    /// The values set (or deleted) by key hash.
    pub fn values(&self) -> &BTreeMap<(Height, KeyHash), Option<Vec<u8>>> {
        self.batch.values()
    }
}

/// Computes the tree of `height` from that of the height before; writes nothing.
///
/// jmt's batch form hashes each touched node once instead of once per key, but knows no deletions; both forms give the
/// same root, as the root depends on the entries alone.
pub fn update(
    reader: &impl TreeReader,
    height: Height,
    leaves: Vec<(KeyHash, Option<Vec<u8>>)>,
) -> Result<TreeUpdate, LedgerError> {
    let tree = JellyfishMerkleTree::<_, Blake3Hasher>::new(reader);
    let only_sets = !leaves.is_empty() && leaves.iter().all(|(_, value)| value.is_some());
    let (root, batch) = if only_sets {
        let sets = leaves.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect();
        tree.batch_put_value_sets(vec![sets], None, height)
            .and_then(|(roots, batch)| Ok((*roots.first().ok_or_else(|| anyhow!("jmt gave no root"))?, batch)))
    } else {
        tree.put_value_set(leaves, height)
    }
    .map_err(|error| tree_error(height, &error))?;
    Ok(TreeUpdate { root: StateRoot::from_bytes(root.0), batch: batch.node_batch })
}

/// The root at `height`; none if the tree has no such height.
pub fn root(database: &Database, height: Height) -> Result<Option<StateRoot>, LedgerError> {
    let reader = DiskReader(database);
    let tree = JellyfishMerkleTree::<_, Blake3Hasher>::new(&reader);
    let root = tree.get_root_hash_option(height).map_err(|error| tree_error(height, &error))?;
    Ok(root.map(|root| StateRoot::from_bytes(root.0)))
}

/// jmt reports through `anyhow`; the whole chain of causes becomes one line.
fn tree_error(height: Height, error: &anyhow::Error) -> LedgerError {
    LedgerError::Tree { height, what: format!("{error:#}") }
}

/// The nodes of the database.
pub struct DiskReader<'a>(pub &'a Database);

impl TreeReader for DiskReader<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let row = self.0.get_by_bytes(&NODES, &NodeId(Cow::Borrowed(key)).to_bytes())?;
        Ok(row.map(|row| row.0.into_owned()))
    }

    fn get_value_option(&self, height: Height, key: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.value_at(&ValueKey { key_hash: key.0, height })?)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Err(anyhow!("the rightmost leaf is for restoring a tree, which the ledger does not do"))
    }
}

/// The tree before genesis.
pub struct EmptyReader;

impl TreeReader for EmptyReader {
    fn get_node_option(&self, _: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(None)
    }

    fn get_value_option(&self, _: Height, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
