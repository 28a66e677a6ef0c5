//! The beacon is a chain of VRF outputs: one per proposer and height, and nobody else's.

use runtime::beacon::{genesis_beacon, next_beacon, vrf_input};
use runtime::crypto::VrfOutput;
use runtime::execute::{ExecuteError, InvalidBlock, Proposal};
use runtime::testkit::{Kit, SeededRng, Simulation, dev_parameters};

#[test]
fn a_proposer_can_make_one_beacon_only() {
    let mut simulation = Simulation::new(Kit::dev());
    let first = simulation.propose(simulation.head.timestamp_ms + 1, &[]).draft;
    // Later, and with other randomness for the proof.
    let second = simulation.propose(simulation.head.timestamp_ms + 9, &[]).draft;
    assert_ne!(first.vrf, second.vrf);
    assert_eq!(first.beacon, second.beacon);
}

#[test]
fn the_beacon_follows_from_its_parent_and_the_pre_output() {
    let mut simulation = Simulation::new(Kit::dev());
    assert_eq!(simulation.head.beacon, genesis_beacon(&simulation.kit.genesis.seed));
    let mut seen = std::collections::BTreeSet::from([simulation.head.beacon]);
    for _ in 0..10 {
        let parent = simulation.head.clone();
        simulation.block(&[]);
        let head = &simulation.head;
        let key = simulation.kit.validators[0].consensus.public_key();
        let input = vrf_input(&simulation.kit.genesis_hash, &parent.beacon, head.height);
        let pre_output = key.verify_vrf(&input, &head.vrf).unwrap();
        assert_eq!(head.beacon, next_beacon(&parent.beacon, &pre_output));
        assert!(seen.insert(head.beacon), "every block has another beacon");
    }
}

#[test]
fn a_vrf_of_another_key_height_or_chain_is_refused() {
    let mut simulation = Simulation::new(Kit::new(dev_parameters(), 4, 2));
    let Simulation { kit, state, head } = &mut simulation;
    let (proposer, good) = kit.proposer(state, head, 0);
    let genesis = kit.genesis_hash;
    let own = kit.validators.iter().find(|keys| keys.account.account() == proposer).unwrap();
    let other = kit.validators.iter().find(|keys| keys.account.account() != proposer).unwrap();
    let prove = |pair: &runtime::crypto::KeyPair, height| {
        pair.prove_vrf(&vrf_input(&genesis, &head.beacon, height), SeededRng::new(1))
    };
    let elsewhere = vrf_input(&runtime::types::BlockHash::ZERO, &head.beacon, 1);
    let bad = [
        VrfOutput::ZERO,
        prove(&other.consensus, 1),
        prove(&own.consensus, 2),
        own.consensus.prove_vrf(&elsewhere, SeededRng::new(1)),
    ];
    let begin = |vrf| Proposal::begin(state, genesis, head, head.timestamp_ms + 1, 0, proposer, vrf).map(|_| ());
    assert_eq!(begin(good), Ok(()));
    for vrf in bad {
        assert_eq!(begin(vrf), Err(ExecuteError::Invalid { why: InvalidBlock::Vrf }));
    }
}
