//! A header says nothing that does not follow from parent, state and body.

use runtime::execute::{ExecuteError, InvalidBlock, execute_block};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::ValidatorSets;
use runtime::testkit::{Kit, Simulation, dev_parameters, key};
use runtime::types::{
    BeaconValue, Block, BlockHash, CommitCertificate, Header, RulesVersion, StateRoot, ValidatorsHash,
};
use runtime::validate::{check_decided, check_live_time};

use crate::rules::transactions::transfer;

fn simulation() -> Simulation {
    Simulation::new(Kit::new(dev_parameters(), 4, 3))
}

fn block(simulation: &mut Simulation) -> Block {
    let transactions = [simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1))];
    simulation.propose(simulation.head.timestamp_ms + 5, &transactions).block(StateRoot::ZERO)
}

fn refused(edit: impl FnOnce(&mut Block)) -> InvalidBlock {
    let mut simulation = simulation();
    let mut block = block(&mut simulation);
    edit(&mut block);
    match execute_block(&simulation.state, simulation.kit.genesis_hash, &simulation.head, &block) {
        Err(ExecuteError::Invalid { why }) => why,
        other => panic!("expected an invalid block, not {other:?}"),
    }
}

#[test]
fn every_field_is_checked() {
    let field = InvalidBlock::Field;
    assert_eq!(refused(|block| block.header.version = 2), field("version"));
    assert_eq!(refused(|block| block.header.height = 2), field("height"));
    assert_eq!(refused(|block| block.header.parent = BlockHash::ZERO), field("parent"));
    assert_eq!(refused(|block| block.header.epoch = 1), field("epoch"));
    assert_eq!(refused(|block| block.header.validators_hash = ValidatorsHash::ZERO), field("validators hash"));
    assert_eq!(refused(|block| block.header.beacon = BeaconValue::ZERO), field("beacon"));
    assert_eq!(
        refused(|block| block.header.next_validators_hash = ValidatorsHash::ZERO),
        field("next validators hash")
    );
    assert_eq!(refused(|block| block.header.events_root = block.header.transactions_root), field("events root"));
    assert_eq!(refused(|block| block.header.transactions_root = block.header.events_root), field("transactions root"));
    assert_eq!(refused(|block| block.transactions.clear()), field("transactions root"));
    assert!(matches!(refused(|block| block.header.proposer = key("Alice").account()), InvalidBlock::Proposer { .. }));
    assert!(matches!(refused(|block| block.header.timestamp_ms -= 5), InvalidBlock::NotAfterParent { .. }));
    let twice = |block: &mut Block| block.transactions.push(block.transactions[0].clone());
    assert_eq!(refused(twice), InvalidBlock::Transaction { index: 1, rule: Rule::NonceTooLow });
}

#[test]
fn only_the_proposer_of_the_round_proposes() {
    let mut simulation = simulation();
    let set = simulation.state.require::<ValidatorSets>(&0).unwrap();
    let genesis = simulation.kit.genesis_hash;
    let mut proposers = std::collections::BTreeSet::new();
    for round in 0..3 {
        let Simulation { kit, state, head } = &mut simulation;
        let (proposer, vrf) = kit.proposer(state, head, round);
        assert_eq!(proposer, set.proposer(&genesis, 1, round).unwrap().account);
        proposers.insert(proposer);
        let begin = |round| {
            runtime::execute::Proposal::begin(state, genesis, head, head.timestamp_ms + 1, round, proposer, vrf)
                .map(|_| ())
        };
        assert_eq!(begin(round), Ok(()));
        assert!(matches!(begin(round + 1), Err(ExecuteError::Invalid { why: InvalidBlock::Proposer { .. } })));
        assert_eq!(begin(round + 3), Ok(()), "rounds go round");
    }
    assert_eq!(proposers.len(), 3, "each in its turn");
}

#[test]
fn a_block_larger_than_the_limit_is_refused() {
    let mut small = dev_parameters();
    small.limits.block_bytes = small.limits.transaction_bytes + 600;
    let mut simulation = Simulation::new(Kit::new(small.clone(), 4, 1));
    let mut block = simulation.propose(simulation.head.timestamp_ms + 5, &[]).block(StateRoot::ZERO);
    let need = usize::try_from(small.limits.block_bytes).unwrap() / 150;
    let alice = key("Alice");
    block.transactions = (0..need as u64).map(|nonce| simulation.kit.sign(&alice, nonce, transfer("Bob", 1))).collect();
    let outcome = execute_block(&simulation.state, simulation.kit.genesis_hash, &simulation.head, &block);
    let why = InvalidBlock::TooLarge { max: small.limits.block_bytes };
    assert_eq!(outcome, Err(ExecuteError::Invalid { why }));
}

#[test]
fn a_version_of_the_rules_that_is_not_known_stops_the_node() {
    let mut parameters = dev_parameters();
    parameters.schedule.push(RulesVersion { rules_version: 2, height: 2 });
    let mut simulation = Simulation::new(Kit::new(parameters, 4, 1));
    simulation.block(&[]);
    let Simulation { kit, state, head } = &mut simulation;
    let (proposer, vrf) = kit.proposer(state, head, 0);
    let genesis = kit.genesis_hash;
    let begun = runtime::execute::Proposal::begin(state, genesis, head, head.timestamp_ms + 1, 0, proposer, vrf);
    assert_eq!(begun.map(|_| ()), Err(ExecuteError::UnknownRules { height: 2, version: 2 }));
}

#[test]
fn a_live_block_is_not_ahead_of_the_clock_nor_held_back_by_it() {
    let parent = simulation().head;
    let at = |timestamp_ms| Header { timestamp_ms, ..parent.clone() };
    let start = parent.timestamp_ms;
    assert_eq!(check_live_time(&at(start + 2_000), &parent, start, 2_000), Ok(()));
    let early = InvalidBlock::Early { timestamp_ms: start + 2_001, latest_ms: start + 2_000 };
    assert_eq!(check_live_time(&at(start + 2_001), &parent, start, 2_000), Err(early));
    // A clock that went back: one after the parent is always allowed.
    assert_eq!(check_live_time(&at(start + 1), &parent, 0, 2_000), Ok(()));
    assert!(check_live_time(&at(start + 2), &parent, 0, 2_000).is_err());
    assert_eq!(check_live_time(&at(u64::MAX), &parent, u64::MAX, 2_000), Ok(()));
}

#[test]
fn a_certificate_decides_its_block_in_its_round_or_later() {
    let mut simulation = simulation();
    simulation.block(&[]);
    let header = Header { round: 1, ..simulation.head.clone() };
    let good = simulation.kit.certificate(&header);
    let check = |edit: &dyn Fn(&mut CommitCertificate)| {
        let mut certificate = good.clone();
        edit(&mut certificate);
        check_decided(&header, &certificate)
    };
    assert_eq!(check(&|_| {}), Ok(()));
    assert_eq!(check(&|certificate| certificate.round = 2), Ok(()));
    assert_eq!(check(&|certificate| certificate.round = 0), Err(InvalidBlock::Certificate));
    assert_eq!(check(&|certificate| certificate.height += 1), Err(InvalidBlock::Certificate));
    assert_eq!(check(&|certificate| certificate.block_hash = BlockHash::ZERO), Err(InvalidBlock::Certificate));
    let set = simulation.state.require::<ValidatorSets>(&0).unwrap();
    assert_eq!(good.verify(&simulation.kit.genesis_hash, &set), Ok(()));
}
