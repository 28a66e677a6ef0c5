//! A deal nonce is used once, in any order, within 128 of the highest used: against a set that forgets nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runtime::deals::{DEAL_WINDOW, check_deal_nonce};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{Account, Accounts};
use runtime::testkit::{Kit, Simulation, key};

use crate::rules::storage;

/// What a set of all used nonces says.
fn expected(used: &BTreeSet<u64>, nonce: u64) -> Result<(), Rule> {
    let high = used.last().map_or(0, |highest| highest + 1);
    if nonce >= high + DEAL_WINDOW || nonce + DEAL_WINDOW < high {
        return Err(Rule::DealNonceOutOfWindow);
    }
    if used.contains(&nonce) { Err(Rule::DealNonceUsed) } else { Ok(()) }
}

/// The account as the table describes it.
fn account(used: &BTreeSet<u64>) -> Account {
    let deal_high = used.last().map_or(0, |highest| highest + 1);
    let mut deal_map = 0u128;
    for nonce in used {
        let behind = deal_high - 1 - nonce;
        deal_map |= if behind < 128 { 1 << behind } else { 0 };
    }
    Account { deal_high, deal_map, ..Account::default() }
}

proptest! {
    #[test]
    fn the_window_agrees_with_a_set(
        nonces in prop::collection::vec(0..600u64, 0..60),
        asked in 0..900u64,
    ) {
        let mut used = BTreeSet::new();
        for nonce in nonces {
            if expected(&used, nonce).is_ok() {
                used.insert(nonce);
            }
        }
        prop_assert_eq!(check_deal_nonce(&account(&used), asked), expected(&used, asked));
    }
}

#[test]
fn the_window_has_an_end_at_both_sides() {
    let none = Account::default();
    assert_eq!(check_deal_nonce(&none, 127), Ok(()));
    assert_eq!(check_deal_nonce(&none, 128), Err(Rule::DealNonceOutOfWindow));
    assert_eq!(check_deal_nonce(&none, u64::MAX), Err(Rule::DealNonceOutOfWindow));
    let late = Account { deal_high: u64::MAX, deal_map: 1, ..Account::default() };
    assert_eq!(check_deal_nonce(&late, u64::MAX), Err(Rule::DealNonceOutOfWindow));
    assert_eq!(check_deal_nonce(&late, u64::MAX - 1), Err(Rule::DealNonceUsed));
    assert_eq!(check_deal_nonce(&late, u64::MAX - 128), Ok(()));
    assert_eq!(check_deal_nonce(&late, u64::MAX - 129), Err(Rule::DealNonceOutOfWindow));
}

/// Stores with these nonces one after another, each of another file; the account's window as the table describes it.
#[test]
fn stores_leave_the_window_that_the_table_describes() {
    let mut simulation = Simulation::new(Kit::dev());
    let mut used = BTreeSet::new();
    for nonce in [5, 3, 4, 100, 99, 0, 227, 100, 98, 355, 227, 228, 10] {
        let seed = 1_000 + simulation.head.height;
        let mut store = storage::file(&mut simulation, seed);
        storage::resign(&mut store, |intent| intent.deal_nonce = nonce);
        // Commitments name the deal.
        let (intent, manifest) = (store.intent.intent.clone(), store.manifest);
        let Simulation { kit, state, .. } = &mut simulation;
        let store = kit.store(state, &key("Alice"), intent, manifest);
        let events = simulation.send(&key("Alice"), storage::call(store));
        let rule = events.iter().find_map(|event| match event {
            runtime::event::Event::Failed { rule } => Some(*rule),
            _ => None,
        });
        assert_eq!(rule, expected(&used, nonce).err(), "nonce {nonce}");
        if rule.is_none() {
            used.insert(nonce);
        }
        let found = simulation.state.require::<Accounts>(&key("Alice").account()).unwrap();
        let described = account(&used);
        assert_eq!((found.deal_high, found.deal_map), (described.deal_high, described.deal_map));
    }
}
