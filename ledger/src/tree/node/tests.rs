#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jmt::JellyfishMerkleTree;

use super::super::{Blake3Hasher, EmptyReader, key_hash};
use super::*;

/// Nodes of a tree with `count` entries.
fn nodes(count: u32) -> BTreeMap<NodeKey, Node> {
    let entries = (0..count).map(|i| (KeyHash(key_hash(&i.to_be_bytes())), Some(i.to_le_bytes().to_vec())));
    let tree = JellyfishMerkleTree::<_, Blake3Hasher>::new(&EmptyReader);
    let (_, batch) = tree.put_value_set(entries, 0).unwrap();
    batch.node_batch.nodes().clone()
}

#[test]
fn every_kind_of_node_survives_the_disk() {
    let mut kinds = (0, 0);
    for node in [0, 1, 2, 1000].into_iter().flat_map(nodes).map(|(_, node)| node).chain([Node::Null]) {
        match &node {
            Node::Null => {}
            Node::Leaf(_) => kinds.0 += 1,
            Node::Internal(_) => kinds.1 += 1,
        }
        let row = NodeRow(Cow::Borrowed(&node));
        assert_eq!(NodeRow::from_row(&row.to_row()).unwrap(), row);
    }
    assert!(kinds.0 >= 1000 && kinds.1 >= 100, "{kinds:?}");
}

#[test]
fn names_differ_and_sort_by_height_first() {
    let names: Vec<_> = nodes(1000).into_keys().map(|key| NodeId(Cow::Owned(key)).to_bytes()).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    let later = NodeKey::new(1, root_path());
    let later = NodeId(Cow::Owned(later)).to_bytes();
    assert!(names.iter().all(|name| *name < later));
}

fn root_path() -> jmt::storage::NibblePath {
    std::iter::empty::<u8>().map(Into::into).collect()
}

#[test]
fn impossible_inner_nodes_are_refused() {
    let child = |nibble, leaves| StoredChild { nibble, hash: [7; 32], height: 3, leaves };
    for children in [
        vec![],
        vec![child(1, 0)],
        vec![child(16, 2)],
        vec![child(2, 0), child(1, 0)],
        vec![child(1, 0), child(1, 0)],
        vec![child(1, u64::MAX), child(2, 0)],
    ] {
        assert!(NodeRow::from_row(&StoredNode::Inner(children).to_row()).is_err());
    }
    assert!(NodeRow::from_row(&StoredNode::Inner(vec![child(15, 2)]).to_row()).is_ok());
    assert!(NodeRow::from_row(&[]).is_err());
    assert!(NodeRow::from_row(&[2, 0]).is_err());
}
