//! A call that fails leaves nothing but its fee, its nonce and an event.

use std::collections::BTreeMap;

use runtime::crypto::AccountId;
use runtime::event::Event;
use runtime::rule::Rule;
use runtime::state::{MemoryState, ReadTables};
use runtime::tables::{Account, Accounts, Table};
use runtime::testkit::{Simulation, key};

use crate::rules::{dev, fails, storage, transactions::transfer};

/// Compares the state before the head, a block of one transaction by `signer` whose call failed, with the state after.
pub fn only_the_fee_was_taken(before: &MemoryState, simulation: &Simulation, signer: &AccountId) {
    let entries = |state: &MemoryState| -> BTreeMap<Vec<u8>, Vec<u8>> {
        state.entries().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    };
    let (old, new) = (entries(before), entries(&simulation.state));
    let proposer = simulation.head.proposer;
    let changed = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
    for changed_key in changed {
        assert!([signer, &proposer].map(Accounts::key).contains(changed_key), "{changed_key:02x?} changed");
    }
    let account = |state: &MemoryState| state.read::<Accounts>(signer).unwrap().unwrap();
    let (was, is) = (account(before), account(&simulation.state));
    assert!(is.free < was.free);
    assert_eq!(is, Account { free: is.free, nonce: was.nonce + 1, ..was });
}

#[test]
fn a_store_that_fails_at_its_last_check_leaves_nothing() {
    // Commitments are checked after the price is paid and the deal nonce is used.
    let mut simulation = dev();
    let mut store = storage::file(&mut simulation, 1);
    store.holders[0].swap(0, 1);
    store.holders[0][0].slot = 0;
    store.holders[0][1].slot = 1;
    let rule = fails(&mut simulation, &key("Alice"), storage::call(store));
    assert_eq!(rule, Rule::BadCommitment);
    // The deal nonce is there to be used again.
    let store = storage::file(&mut simulation, 1);
    storage::stores(&mut simulation, store);
}

#[test]
fn a_failure_between_two_transfers_takes_neither_with_it() {
    let mut simulation = dev();
    let calls = [transfer("Bob", 5), transfer("Alice", 1), transfer("Bob", 7)];
    let transactions: Vec<_> =
        (0..).zip(calls).map(|(nonce, call)| simulation.kit.sign(&key("Alice"), nonce, call)).collect();
    let before = simulation.state.require::<Accounts>(&key("Bob").account()).unwrap().free;
    let executed = simulation.block(&transactions);
    let after = simulation.state.require::<Accounts>(&key("Bob").account()).unwrap().free;
    assert_eq!(after - before, 12);
    let of_calls: Vec<_> =
        executed.events.iter().filter(|record| !matches!(record.event, Event::FeePaid { .. })).collect();
    assert_eq!(of_calls.iter().map(|record| record.transaction).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    assert!(matches!(of_calls[1].event, Event::Failed { rule: Rule::SelfTransfer }));
}
