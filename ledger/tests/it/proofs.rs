//! What the ledger proves, a light client believes: over changes of validators, at every height, for absence too.

use std::collections::BTreeSet;

use ledger::{Ledger, LedgerError};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use runtime::light::{PROOF_BYTES_MAX, Proof, Trust};
use runtime::state::{Changes, StateView, encode_value};
use runtime::tables::{Table, ValidatorSets};
use runtime::testkit::{Kit, ValidatorKeys, dev_parameters, key};
use runtime::types::{BlockHash, Height, ValidatorEntry, ValidatorSet};
use tempfile::TempDir;

use crate::support::{executed, folder};

/// A chain whose blocks are voted on by whoever the block before names.
struct Voted {
    _folder: TempDir,
    ledger: Ledger,
    kit: Kit,
}

fn set(validators: &[ValidatorKeys]) -> ValidatorSet {
    let entry = |keys: &ValidatorKeys| ValidatorEntry {
        account: keys.account.account(),
        consensus_key: keys.consensus.public_key(),
        power: 1,
    };
    ValidatorSet::new(validators.iter().map(entry).collect())
}

fn validators(label: &str) -> Vec<ValidatorKeys> {
    let keys = |number| ValidatorKeys {
        account: key(&format!("{label} {number}")),
        consensus: key(&format!("{label} {number} votes")),
    };
    (0..3).map(keys).collect()
}

impl Voted {
    fn new() -> Self {
        let folder = folder();
        let mut kit = Kit::new(dev_parameters(), 4, 3);
        let ledger = Ledger::open(folder.path(), &kit.genesis).unwrap();
        kit.genesis_hash = ledger.genesis_hash();
        Self { _folder: folder, ledger, kit }
    }

    /// Commits a block; from the next on, `next` votes.
    fn commit(&mut self, mut changes: Changes, next: Option<Vec<ValidatorKeys>>) -> BlockHash {
        let voting = set(&self.kit.validators);
        let named = next.as_deref().map_or_else(|| voting.clone(), set);
        if named != voting {
            changes.insert(ValidatorSets::key(&0), Some(encode_value(&named)));
        }
        let mut executed = executed(&self.ledger.head(), changes);
        executed.draft.validators_hash = voting.hash();
        executed.draft.next_validators_hash = named.hash();
        let preview = self.ledger.preview(&executed.changes).unwrap();
        let block = executed.block(preview.root);
        let certificate = self.kit.certificate(&block.header);
        self.ledger.commit(&block, &executed, preview, &certificate).unwrap();
        if let Some(next) = next {
            self.kit.validators = next;
        }
        block.hash()
    }

    fn empty_blocks(&mut self, count: usize) {
        for _ in 0..count {
            self.commit(Changes::new(), None);
        }
    }

    fn trust(&self) -> Trust {
        Trust::Genesis(self.ledger.genesis_hash())
    }

    fn prove(&self, key: &[u8], height: Height, trusted: Height) -> Proof {
        self.ledger.prove(&BTreeSet::from([key.to_vec()]), height, trusted).unwrap()
    }
}

fn handoffs(proof: &Proof) -> Vec<Height> {
    proof.handoffs.iter().map(|handoff| handoff.header.height).collect()
}

fn change(key: u8, value: Option<u8>) -> Changes {
    [(vec![0x40, key], value.map(|value| vec![value]))].into()
}

#[test]
fn every_height_is_proven_over_every_change_of_validators() {
    let mut chain = Voted::new();
    chain.empty_blocks(2);
    chain.commit(change(1, Some(1)), Some(validators("second")));
    chain.empty_blocks(3);
    chain.commit(change(1, Some(2)), Some(validators("third")));
    chain.commit(change(1, None), Some(validators("fourth")));
    chain.empty_blocks(1);
    let values = [None, None, None, Some(1), Some(1), Some(1), Some(1), Some(2), None, None];
    for (height, value) in (0..).zip(values) {
        let proof = chain.prove(&[0x40, 1], height, 0);
        let passed: Vec<_> = [3, 7, 8].into_iter().filter(|changed| *changed < height).collect();
        assert_eq!(handoffs(&proof), passed);
        let state = proof.verify(&chain.trust()).unwrap();
        assert_eq!(state.get(&[0x40, 1]).unwrap(), value.map(|value| vec![value]), "height {height}");
        assert_eq!(*state.header(), chain.ledger.header(height).unwrap().unwrap());
    }
}

#[test]
fn a_proof_begins_at_the_block_that_is_trusted() {
    let mut chain = Voted::new();
    let mut hashes = vec![chain.ledger.genesis_hash()];
    for label in ["second", "", "third", ""] {
        let next = (!label.is_empty()).then(|| validators(label));
        hashes.push(chain.commit(Changes::new(), next));
    }
    let expected: [&[Height]; 5] = [&[1, 3], &[1, 3], &[2, 3], &[3], &[]];
    for ((trusted, hash), expected) in (0..).zip(hashes).zip(expected) {
        let proof = chain.prove(&[0x40], 4, trusted);
        assert_eq!(handoffs(&proof), expected, "trusted {trusted}");
        proof.verify(&Trust::Block { height: trusted, hash }).unwrap();
    }
}

#[test]
fn heights_that_are_not_there_and_keys_without_end_are_refused() {
    let mut chain = Voted::new();
    chain.empty_blocks(1);
    let prove = |keys: &BTreeSet<_>, height, trusted| chain.ledger.prove(keys, height, trusted).unwrap_err();
    let key = BTreeSet::from([vec![0x40]]);
    assert!(matches!(prove(&key, 2, 0), LedgerError::UnknownHeight { height: 2, head: 1 }));
    assert!(matches!(prove(&key, 0, 1), LedgerError::TrustedAbove { trusted: 1, height: 0 }));
    let many = (0..PROOF_BYTES_MAX as u64 / 100).map(|key| key.to_be_bytes().repeat(13)).collect();
    assert!(matches!(prove(&many, 1, 0), LedgerError::ProofTooLarge { limit: PROOF_BYTES_MAX }));
}

#[test]
fn what_the_rules_made_is_proven_as_it_is_read() {
    let mut chain = crate::support::Chain::new();
    chain.commit(&[]);
    chain.go_to_epoch(2);
    let state = chain.ledger.state();
    let mut keys = BTreeSet::new();
    let mut from = Vec::new();
    while let Some(key) = state.next_key(&from, &[0xff]).unwrap() {
        from = [key.as_slice(), &[0]].concat();
        keys.insert(key);
    }
    assert!(keys.len() > 20);
    let proof = chain.ledger.prove(&keys, state.height(), 0).unwrap();
    let proven = proof.verify(&Trust::Genesis(chain.ledger.genesis_hash())).unwrap();
    for key in &keys {
        assert_eq!(proven.get(key).unwrap(), state.get(key).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_key_of_any_block_is_proven(
        blocks in vec(btree_map(any::<u8>(), any::<Option<u8>>(), 0..120), 1..5),
        asked in vec(any::<u8>(), 30),
    ) {
        let mut chain = Voted::new();
        for changes in blocks {
            let mut all = Changes::new();
            // A block changes nothing that it does not change.
            for (key, value) in changes {
                if value.is_some() || chain.ledger.state().get(&[0x40, key]).unwrap().is_some() {
                    all.extend(change(key, value));
                }
            }
            chain.commit(all, None);
        }
        let keys: BTreeSet<_> = asked.into_iter().map(|key| vec![0x40, key]).collect();
        for height in 0..=chain.ledger.head().header.height {
            let proven = chain.ledger.prove(&keys, height, 0).unwrap().verify(&chain.trust()).unwrap();
            for key in &keys {
                prop_assert_eq!(proven.get(key).unwrap(), chain.ledger.state_get_at(key, height).unwrap());
            }
        }
    }
}
