//! Every rule refuses something: a table from rules to what they refuse.

pub mod leases;
mod providers;
pub mod storage;
pub mod transactions;

use std::collections::BTreeSet;

use runtime::crypto::KeyPair;
use runtime::event::Event;
use runtime::execute::{Rejected, try_transaction};
use runtime::rule::Rule;
use runtime::testkit::{Kit, Simulation, dev_parameters};
use runtime::types::{Call, Parameters};

/// A rule, and something that it refuses: what did.
pub type Case = (Rule, fn() -> Rule);

pub fn dev() -> Simulation {
    Simulation::new(Kit::dev())
}

pub fn with(edit: impl FnOnce(&mut Parameters)) -> Simulation {
    let mut parameters = dev_parameters();
    edit(&mut parameters);
    Simulation::new(Kit::new(parameters, 4, 1))
}

/// Sends a call that fails; the rule that its event names. Nothing but fee and nonce may have changed.
pub fn fails(simulation: &mut Simulation, pair: &KeyPair, call: Call) -> Rule {
    let before = simulation.state.clone();
    let tried = try_call(simulation, pair, &call);
    let rule = match simulation.send(pair, call).as_slice() {
        [Event::Failed { rule }] => *rule,
        events => panic!("expected one failure, not {events:?}"),
    };
    crate::rollback::only_the_fee_was_taken(&before, simulation, &pair.account());
    assert_eq!(tried, Err(rule.into()), "a trial beforehand says what the block does");
    rule
}

/// What a trial says of a call, at the time of the next block.
fn try_call(simulation: &mut Simulation, pair: &KeyPair, call: &Call) -> Result<(), Rejected> {
    let nonce = simulation.nonce(pair);
    let Simulation { kit, state, head } = simulation;
    let transaction = kit.sign(pair, nonce, call.clone());
    try_transaction(state, kit.genesis_hash, head, head.timestamp_ms + 1_000, &transaction)
}

/// Sends a call that succeeds.
pub fn succeeds(simulation: &mut Simulation, pair: &KeyPair, call: Call) -> Vec<Event> {
    let tried = try_call(simulation, pair, &call);
    let events = simulation.send(pair, call);
    assert!(!events.iter().any(|event| matches!(event, Event::Failed { .. })), "{events:?}");
    assert_eq!(tried, Ok(()), "a trial beforehand says what the block does");
    events
}

#[test]
fn every_rule_refuses_what_it_names() {
    let cases = [transactions::CASES, providers::CASES, storage::CASES, leases::CASES].concat();
    for (rule, refused_by) in &cases {
        assert_eq!(refused_by(), *rule, "the case of {}", rule.name());
    }
    let named: BTreeSet<_> = cases.iter().map(|(rule, _)| *rule).collect();
    let missing: Vec<_> = Rule::ALL.iter().filter(|rule| !named.contains(rule)).collect();
    assert!(missing.is_empty(), "no case names {missing:?}");
}

#[test]
fn names_and_indices_are_one_to_one() {
    use parity_scale_codec::Encode;
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    for (index, rule) in (0u8..).zip(Rule::ALL) {
        assert_eq!(rule.encode(), [index]);
    }
}
