//! A proof shows what the state says, to somebody who knows one hash, and nothing else can be made of it.

mod sample;
mod tree;

use parity_scale_codec::Encode;
use proptest::collection::btree_map;
use proptest::prelude::*;
use runtime::crypto::Purpose;
use runtime::light::{KEY_BYTES_MAX, Leaf, PROOF_BYTES_MAX, Path, PathError, Proof, ProofError, Trust};
use runtime::state::StateView;
use runtime::types::{BlockHash, CertificateError, StateRoot};

use sample::{ABSENT, HANDOFF, HEIGHT, KEYS, Sample};
use tree::Tree;

#[test]
fn a_proof_leads_from_the_genesis_hash_to_each_value_and_each_absence() {
    let Sample { proof, .. } = Sample::new();
    let state = proof.verify(&Trust::Genesis(proof.genesis_hash())).unwrap();
    for key in KEYS {
        assert_eq!(state.get(key).unwrap(), Some(sample::value(key)));
    }
    assert_eq!(state.get(ABSENT).unwrap(), None);
    assert!(state.get(b"another").is_err(), "unknown is not absent");
    assert!(state.next_key(b"", b"\xff").is_err());
    assert_eq!((state.header().height, state.genesis()), (HEIGHT, proof.genesis_hash()));
    assert_eq!(state.first_handoff_ms(), Some(proof.handoffs[0].header.timestamp_ms));
    assert_eq!(Proof::decode_bounded(&proof.encode()), Ok(proof));
}

#[test]
fn any_changed_byte_is_refused() {
    let Sample { proof, .. } = Sample::new();
    let (bytes, trust) = (proof.encode(), Trust::Genesis(proof.genesis_hash()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let valid = Proof::decode_bounded(&changed).is_ok_and(|proof| proof.verify(&trust).is_ok());
        assert!(!valid, "byte {at} of {}", bytes.len());
    }
}

/// Why a proof that is changed like this shows nothing.
fn refused(change: impl FnOnce(&mut Sample)) -> ProofError {
    let mut sample = Sample::new();
    let trust = Trust::Genesis(sample.proof.genesis_hash());
    change(&mut sample);
    sample.proof.verify(&trust).unwrap_err()
}

#[test]
fn each_link_must_hold() {
    assert_eq!(refused(|s| s.proof.version = 2), ProofError::Version(2));
    assert_eq!(refused(|s| s.proof.genesis.height = 1), ProofError::NotGenesis(1));
    assert!(matches!(refused(|s| s.proof.genesis.epoch = 1), ProofError::OtherGenesis { .. }));
    let validators = |height| ProofError::Validators { height };
    assert_eq!(refused(|s| s.proof.handoffs.clear()), validators(HEIGHT), "a handoff is left out");
    assert_eq!(refused(|s| s.block().validators = s.proof.handoffs[0].validators.clone()), validators(HEIGHT));
    let twice = refused(|s| s.proof.handoffs.push(s.proof.handoffs[0].clone()));
    assert_eq!(twice, ProofError::Order { height: HANDOFF, before: HANDOFF });
    let other = ProofError::OtherCertificate { height: HEIGHT };
    assert_eq!(refused(|s| s.block().header.state_root = StateRoot::ZERO), other);
    assert_eq!(refused(|s| s.block().certificate.height = 1), other);
    assert_eq!(refused(|s| s.proof.entries.swap(0, 1)), ProofError::KeyOrder { key: KEYS[0].to_vec() });
    let long = refused(|s| s.proof.entries[0].key = vec![0; KEY_BYTES_MAX + 1]);
    assert_eq!(long, ProofError::KeyTooLong { bytes: KEY_BYTES_MAX + 1 });
}

#[test]
fn two_thirds_are_not_enough_and_nobody_counts_twice() {
    let certificate = |height, source| ProofError::Certificate { height, source };
    let few = CertificateError::TooFew { power: 2, total: 3 };
    assert_eq!(refused(|s| s.block().certificate.signatures.truncate(2)), certificate(HEIGHT, few));
    let twice = refused(|s| {
        let signatures = &mut s.block().certificate.signatures;
        signatures[1] = signatures[0].clone();
    });
    assert!(matches!(twice, ProofError::Certificate { source: CertificateError::Twice(_), .. }));
    let stranger = refused(|s| {
        let header = s.block().header.clone();
        s.block().certificate = s.old.certificate(&header);
    });
    assert!(matches!(stranger, ProofError::Certificate { source: CertificateError::Stranger(_), .. }));
    assert_eq!(
        refused(|s| {
            let signatures = &mut s.block().certificate.signatures;
            let (first, second) = (signatures[0].signature, signatures[1].signature);
            (signatures[0].signature, signatures[1].signature) = (second, first);
        }),
        certificate(HEIGHT, CertificateError::Signature)
    );
}

#[test]
fn votes_for_another_chain_do_not_count() {
    // The same validators with the same keys vote on two chains; the trusted block is of one, the votes of the other.
    let Sample { proof, mut new, .. } = Sample::new();
    let block = proof.block.clone().unwrap();
    let trust = Trust::Block { height: HEIGHT, hash: block.header.hash() };
    assert!(proof.verify(&trust).is_ok());
    new.genesis_hash = BlockHash::from_bytes([7; 32]);
    let mut elsewhere = proof;
    elsewhere.block.as_mut().unwrap().certificate = new.certificate(&block.header);
    let source = CertificateError::Signature;
    assert_eq!(elsewhere.verify(&trust).unwrap_err(), ProofError::Certificate { height: HEIGHT, source });
}

#[test]
fn trust_may_begin_at_any_block_of_the_proof() {
    let Sample { proof, .. } = Sample::new();
    let verified = |height, hash| proof.verify(&Trust::Block { height, hash });
    let handoff = proof.handoffs[0].header.hash();
    assert_eq!(verified(HANDOFF, handoff).unwrap().first_handoff_ms(), None, "nothing since block 0 is relied on");
    assert!(verified(HEIGHT, proof.header().hash()).is_ok());
    assert!(verified(0, proof.genesis_hash()).unwrap().first_handoff_ms().is_some());
    let zero = BlockHash::ZERO;
    assert_eq!(verified(HANDOFF + 1, handoff).unwrap_err(), ProofError::NoTrustedBlock { height: HANDOFF + 1 });
    let other = ProofError::OtherBlock { height: HANDOFF, found: handoff, trusted: zero };
    assert_eq!(verified(HANDOFF, zero).unwrap_err(), other);
    let other = ProofError::OtherGenesis { found: proof.genesis_hash(), trusted: zero };
    assert_eq!(verified(0, zero).unwrap_err(), other);
}

#[test]
fn block_0_needs_no_votes() {
    let Sample { mut proof, .. } = Sample::new();
    let trust = |proof: &Proof| Trust::Genesis(proof.genesis_hash());
    assert_eq!(proof.genesis.state_root, proof.header().state_root);
    proof.block = None;
    let behind = ProofError::Order { height: 0, before: HANDOFF };
    assert_eq!(proof.verify(&trust(&proof)).unwrap_err(), behind, "nothing hands over to block 0");
    proof.handoffs.clear();
    assert_eq!(proof.verify(&trust(&proof)).unwrap().header().height, 0);
}

#[test]
fn what_is_too_long_is_not_decoded() {
    assert!(Proof::decode_bounded(&vec![0; PROOF_BYTES_MAX + 1]).is_err());
    let Sample { proof, .. } = Sample::new();
    let mut bytes = proof.encode();
    // The count of entries becomes 2^30.
    let tail = proof.entries.encode().len();
    let at = bytes.len() - tail;
    bytes.splice(at..=at, [0xfe, 0xff, 0xff, 0xff]);
    assert!(Proof::decode_bounded(&bytes).is_err());
    let path = Path { other: None, siblings: vec![[0; 32]; 257] };
    assert_eq!(path.verify(&StateRoot::ZERO, b"key", None), Err(PathError::TooLong(257)));
}

#[test]
fn votes_are_signatures_over_the_vote_alone() {
    // What a light client checks is what the engine signs: tag, genesis, SCALE of the precommit.
    let Sample { proof, new, .. } = Sample::new();
    let certificate = &proof.block.as_ref().unwrap().certificate;
    let first = &certificate.signatures[0];
    let payload = certificate.precommit(first.validator).payload(&proof.genesis_hash());
    let keys = new.validators.iter().find(|keys| keys.account.account() == first.validator).unwrap();
    keys.consensus.public_key().verify(Purpose::Consensus, &payload, &first.signature).unwrap();
}

fn entries() -> impl Strategy<Value = std::collections::BTreeMap<Vec<u8>, Vec<u8>>> {
    btree_map((0u16..400).prop_map(|key| key.to_be_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..4), 0..80)
}

proptest! {
    #[test]
    fn every_key_has_one_provable_answer(entries in entries(), asked in 0u16..400, other in any::<Vec<u8>>()) {
        let tree = Tree::new(&entries);
        let (key, root) = (asked.to_be_bytes(), tree.root());
        let value = entries.get(&key[..]).map(Vec::as_slice);
        let path = tree.path(&key);
        prop_assert_eq!(path.verify(&root, &key, value), Ok(()));
        // No other answer has a path: not this one with another value, nor with none or some.
        if value != Some(&other) {
            prop_assert!(path.verify(&root, &key, Some(&other)).is_err());
        }
        if value.is_some() {
            prop_assert_eq!(path.verify(&root, &key, None), Err(PathError::Root));
            let own = Path { other: value.map(|value| Leaf::new(&key, value)), ..path.clone() };
            prop_assert_eq!(own.verify(&root, &key, None), Err(PathError::HasValue));
        }
        // A path cut short, or of another key, shows nothing.
        if !path.siblings.is_empty() {
            let mut short = path.clone();
            short.siblings.pop();
            prop_assert!(short.verify(&root, &key, value).is_err());
        }
        for (present, _) in entries.iter().filter(|(present, _)| present.as_slice() != key) {
            prop_assert!(tree.path(&key).verify(&root, present, None).is_err(), "a key that is there is not shown absent");
        }
    }
}
