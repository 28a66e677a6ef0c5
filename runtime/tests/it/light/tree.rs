//! The state's tree as its definition reads, without any of the ledger's code.

use std::collections::BTreeMap;

use runtime::light::{EMPTY, Leaf, Path, inner_hash, key_hash};
use runtime::types::StateRoot;

pub struct Tree(Vec<Leaf>);

fn bit(hash: &[u8; 32], depth: usize) -> bool {
    hash[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn node(leaves: &[Leaf], depth: usize) -> [u8; 32] {
    match leaves {
        [] => EMPTY,
        [one] => one.hash(),
        many => {
            let (left, right) = halves(many, depth);
            inner_hash(&node(left, depth + 1), &node(right, depth + 1))
        }
    }
}

fn halves(leaves: &[Leaf], depth: usize) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|leaf| !bit(&leaf.key_hash, depth)))
}

impl Tree {
    pub fn new(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let mut leaves: Vec<_> = entries.iter().map(|(key, value)| Leaf::new(key, value)).collect();
        leaves.sort_by_key(|leaf| leaf.key_hash);
        Self(leaves)
    }

    pub fn root(&self) -> StateRoot {
        StateRoot::from_bytes(node(&self.0, 0))
    }

    pub fn path(&self, key: &[u8]) -> Path {
        let name = key_hash(key);
        let (mut leaves, mut siblings) = (self.0.as_slice(), Vec::new());
        while leaves.len() > 1 {
            let depth = siblings.len();
            let (left, right) = halves(leaves, depth);
            let (mine, other) = if bit(&name, depth) { (right, left) } else { (left, right) };
            siblings.push(node(other, depth + 1));
            leaves = mine;
        }
        siblings.reverse();
        Path { other: leaves.first().filter(|leaf| leaf.key_hash != name).copied(), siblings }
    }
}
