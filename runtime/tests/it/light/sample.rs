//! A proof over one change of validators: block 0 names the old set, block 5 the new one, block 9 has the state.

use std::collections::BTreeMap;

use runtime::light::{Agreed, Entry, Proof};
use runtime::testkit::{Kit, ValidatorKeys, dev_parameters, key};
use runtime::types::{Header, Height, ValidatorEntry, ValidatorSet};

use super::tree::Tree;

pub const HANDOFF: Height = 5;
pub const HEIGHT: Height = 9;
pub const KEYS: [&[u8]; 3] = [b"\x02alice", b"\x06file", b"\x07segment"];
pub const ABSENT: &[u8] = b"\x06no file";

pub fn value(key: &[u8]) -> Vec<u8> {
    [key, b" is this"].concat()
}

/// A proof, and the keys of both sets.
pub struct Sample {
    pub proof: Proof,
    pub old: Kit,
    pub new: Kit,
}

fn set(kit: &Kit) -> ValidatorSet {
    let entry = |keys: &ValidatorKeys| ValidatorEntry {
        account: keys.account.account(),
        consensus_key: keys.consensus.public_key(),
        power: 1,
    };
    ValidatorSet::new(kit.validators.iter().map(entry).collect())
}

impl Sample {
    pub fn new() -> Self {
        let old = Kit::new(dev_parameters(), 4, 3);
        let mut new = old.clone();
        for (number, keys) in (0..).zip(&mut new.validators) {
            *keys =
                ValidatorKeys { account: key(&format!("new {number}")), consensus: key(&format!("votes {number}")) };
        }
        // More keys than are proven, so that paths have some length.
        let mut state: BTreeMap<_, _> = (0u8..60).map(|at| (vec![0x40, at], vec![at])).collect();
        state.extend(KEYS.map(|key| (key.to_vec(), value(key))));
        let tree = Tree::new(&state);
        let entry = |key: &[u8]| Entry { key: key.to_vec(), value: state.get(key).cloned(), path: tree.path(key) };
        let mut entries: Vec<_> = KEYS.into_iter().chain([ABSENT]).map(entry).collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));

        let genesis = old.genesis.header(tree.root());
        let (mut old, mut new) = (old, new);
        (old.genesis_hash, new.genesis_hash) = (genesis.hash(), genesis.hash());
        let agreed = |voters: &mut Kit, height, next: &Kit| {
            let header = Header {
                height,
                timestamp_ms: genesis.timestamp_ms + 1_000 * height,
                validators_hash: set(voters).hash(),
                next_validators_hash: set(next).hash(),
                ..genesis.clone()
            };
            Agreed { certificate: voters.certificate(&header), validators: set(voters), header }
        };
        let handoff = agreed(&mut old, HANDOFF, &new);
        let same = new.clone();
        let block = agreed(&mut new, HEIGHT, &same);
        let proof = Proof { version: Proof::VERSION, genesis, handoffs: vec![handoff], block: Some(block), entries };
        Self { proof, old, new }
    }

    /// The proven block.
    pub fn block(&mut self) -> &mut Agreed {
        self.proof.block.as_mut().unwrap()
    }
}
