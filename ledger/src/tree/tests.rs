#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jmt::storage::Node;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::db::tables::Row;

/// A tree in memory that keeps nodes as they would be on disk.
#[derive(Default)]
struct MemoryTree {
    nodes: BTreeMap<NodeKey, Vec<u8>>,
    next: Height,
}

impl TreeReader for MemoryTree {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).map(|row| NodeRow::from_row(row).unwrap().0.into_owned()))
    }

    fn get_value_option(&self, _: Height, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Err(anyhow!("updating a tree reads no values"))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Err(anyhow!("updating a tree restores nothing"))
    }
}

type Leaves = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn leaves(changes: &Leaves) -> Vec<(KeyHash, Option<Vec<u8>>)> {
    changes.iter().map(|(key, value)| (KeyHash(key_hash(key)), value.clone())).collect()
}

impl MemoryTree {
    fn apply(&mut self, changes: &Leaves) -> StateRoot {
        let update = update(self, self.next, leaves(changes)).unwrap();
        for (NodeId(key), row) in update.nodes() {
            assert!(self.nodes.insert(key.into_owned(), row.to_row()).is_none(), "a node was overwritten");
        }
        self.next += 1;
        update.root
    }
}

/// The root of these entries alone, by jmt's form for single keys.
fn fresh_root(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> StateRoot {
    let entries = entries.iter().map(|(key, value)| (KeyHash(key_hash(key)), Some(value.clone())));
    let (root, _) = JellyfishMerkleTree::<_, Blake3Hasher>::new(&EmptyReader).put_value_set(entries, 0).unwrap();
    StateRoot::from_bytes(root.0)
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Few enough that keys are set again, deleted, and deleted without being there.
    (0u16..300).prop_map(|number| number.to_be_bytes().to_vec())
}

fn changes() -> impl Strategy<Value = Leaves> {
    let value = vec(any::<u8>(), 0..4);
    prop_oneof![
        btree_map(key(), prop::option::weighted(0.6, value.clone()), 0..60),
        btree_map(key(), value.prop_map(Some), 0..60),
        btree_map(key(), Just(None), 0..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_root_depends_on_the_entries_alone(blocks in vec(changes(), 1..12)) {
        let mut tree = MemoryTree::default();
        let mut model = BTreeMap::new();
        for changes in blocks {
            for (key, value) in &changes {
                match value {
                    Some(value) => model.insert(key.clone(), value.clone()),
                    None => model.remove(key),
                };
            }
            prop_assert_eq!(tree.apply(&changes), fresh_root(&model));
        }
    }
}

#[test]
fn a_block_that_changes_nothing_keeps_the_root() {
    let mut tree = MemoryTree::default();
    let first = tree.apply(&BTreeMap::from([(vec![1], Some(vec![2])), (vec![2], Some(vec![3]))]));
    assert_eq!(tree.apply(&BTreeMap::new()), first);
    assert_eq!(tree.apply(&BTreeMap::from([(vec![9], None)])), first);
    assert_ne!(tree.apply(&BTreeMap::from([(vec![1], None)])), first);
    assert_eq!(tree.apply(&BTreeMap::from([(vec![1], Some(vec![2]))])), first);
}
