//! The ledger against a map in memory.

use std::collections::BTreeMap;

use ledger::{Ledger, StateSnapshot};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use runtime::state::{Changes, StateView};

use crate::support::{apply, commit, folder, genesis};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys behind all tables of the rules, few and with common prefixes.
fn keys() -> Vec<Vec<u8>> {
    let mut keys = vec![vec![0x40]];
    for a in [0x00, 0x7f, 0xff] {
        keys.push(vec![0x40, a]);
        keys.extend([0x00, 0x01, 0xff].map(|b| vec![0x40, a, b]));
        keys.push(vec![0x41, a, a, a]);
    }
    keys
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(keys())
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Changes),
    Preview(Changes),
    Hold,
    Drop,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || btree_map(key(), prop::option::weighted(0.6, vec(any::<u8>(), 0..3)), 0..8);
    prop_oneof![
        8 => changes().prop_map(Step::Commit),
        2 => changes().prop_map(Step::Preview),
        3 => Just(Step::Hold),
        1 => Just(Step::Drop),
        1 => Just(Step::Reopen),
    ]
}

/// Compares a snapshot with the model of its height: every key, every range.
fn check(state: &StateSnapshot, models: &[Model]) {
    let model = &models[state.height() as usize];
    for key in keys() {
        assert_eq!(state.get(&key).unwrap().as_ref(), model.get(&key), "{key:02x?} at {}", state.height());
    }
    let bounds: Vec<_> = keys().into_iter().chain([vec![0x42], vec![0x40, 0x7f, 0x01, 0x00]]).collect();
    for from in &bounds {
        for until in &bounds {
            let expected = model.keys().find(|key| *key >= from && *key < until);
            let found = state.next_key(from, until).unwrap();
            assert_eq!(found.as_ref(), expected, "{from:02x?}..{until:02x?} at {}", state.height());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_height_reads_as_the_replay_says(steps in vec(step(), 1..40)) {
        let folder = folder();
        let genesis = genesis();
        let mut ledger = Ledger::open(folder.path(), &genesis).unwrap();
        let mut models = vec![Model::new()];
        let mut held: Vec<StateSnapshot> = Vec::new();
        for step in steps {
            match step {
                Step::Commit(changes) => {
                    let mut model = models.last().unwrap().clone();
                    apply(&mut model, &changes);
                    commit(&ledger, changes);
                    models.push(model);
                }
                Step::Preview(changes) => drop(ledger.preview(&changes).unwrap()),
                Step::Hold => held.push(ledger.state()),
                Step::Drop => drop(held.pop()),
                Step::Reopen => {
                    let head = ledger.head();
                    held.clear();
                    drop(ledger);
                    ledger = Ledger::open(folder.path(), &genesis).unwrap();
                    prop_assert_eq!(&*ledger.head(), &*head);
                }
            }
            held.iter().chain([&ledger.state()]).for_each(|state| check(state, &models));
        }
        for (height, model) in (0u64..).zip(&models) {
            for key in keys() {
                let value = ledger.state_get_at(&key, height).unwrap();
                prop_assert_eq!(value.as_ref(), model.get(&key));
            }
        }
        prop_assert!(ledger.state_get_at(&[0x40], models.len() as u64).is_err());
    }

    #[test]
    fn the_same_entries_have_the_same_root_whatever_blocks_made_them(
        changes in btree_map(key(), vec(any::<u8>(), 0..3), 1..16),
        detour in btree_map(key(), vec(any::<u8>(), 0..3), 1..16),
    ) {
        let sets: Changes = changes.clone().into_iter().map(|(key, value)| (key, Some(value))).collect();
        let (_direct_folder, direct) = crate::support::ledger();
        let expected = commit(&direct, sets.clone()).header.state_root;

        let (_winding_folder, winding) = crate::support::ledger();
        commit(&winding, detour.clone().into_iter().map(|(key, value)| (key, Some(value))).collect());
        commit(&winding, detour.into_keys().map(|key| (key, None)).collect());
        for (key, value) in sets {
            commit(&winding, [(key, value)].into());
        }
        prop_assert_eq!(winding.head().header.state_root, expected);
    }
}
