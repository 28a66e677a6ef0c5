#![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

use runtime::light::{Agreed, Proof};
use runtime::testkit::{Kit, dev_parameters};
use runtime::types::{Header, StateRoot, ValidatorSet};

use super::*;

#[test]
fn times_are_written_in_utc_and_never_panic() {
    assert_eq!(time(1_767_225_600_000).to_string(), "2026-01-01T00:00:00.000Z");
    assert_eq!(time(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
}

#[test]
fn a_trusted_block_is_a_height_and_a_hash() {
    let hash = format!("0x{}", "ab".repeat(32));
    let expected = Trust::Block { height: 12, hash: BlockHash::from_bytes([0xab; 32]) };
    assert_eq!(parse_trusted(&format!("12:{hash}")), Ok(expected));
    for wrong in ["12", "x:0x00", "12:0x00", &hash] {
        assert!(parse_trusted(wrong).is_err(), "{wrong}");
    }
}

/// A proof of nothing but headers: block 1 hands over to the same validators without one of them.
fn over_a_change() -> Proof {
    let mut kit = Kit::new(dev_parameters(), 4, 3);
    let genesis = kit.genesis.header(StateRoot::ZERO);
    kit.genesis_hash = genesis.hash();
    let all = kit.genesis.validator_set();
    let fewer = ValidatorSet::new(all.entries()[1..].to_vec());
    let mut agreed = |height, voting: &ValidatorSet, next: &ValidatorSet| {
        let header = Header {
            height,
            timestamp_ms: genesis.timestamp_ms + height,
            validators_hash: voting.hash(),
            next_validators_hash: next.hash(),
            ..genesis.clone()
        };
        let mut certificate = kit.certificate(&header);
        certificate.signatures.retain(|entry| voting.get(&entry.validator).is_some());
        Agreed { header, certificate, validators: voting.clone() }
    };
    let handoffs = vec![agreed(1, &all, &fewer)];
    let block = Some(agreed(2, &fewer, &fewer));
    Proof { version: Proof::VERSION, genesis, handoffs, block, entries: Vec::new() }
}

#[test]
fn old_changes_of_validators_are_warned_of_when_they_are_relied_on() {
    let proof = over_a_change();
    let changed_ms = proof.handoffs[0].header.timestamp_ms;
    let from_genesis = proof.verify(&Trust::Genesis(proof.genesis_hash())).unwrap();
    assert!(warning(&from_genesis, changed_ms + 1).unwrap().contains("--trusted"));
    assert_eq!(warning(&from_genesis, changed_ms), None);
    let hash = proof.handoffs[0].header.hash();
    let from_there = proof.verify(&Trust::Block { height: 1, hash }).unwrap();
    assert_eq!(warning(&from_there, u64::MAX), None);
}
