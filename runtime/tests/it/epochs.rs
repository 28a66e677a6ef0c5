//! Epochs begin by time, one at a time; snapshots are frozen then and go when no Store can name them.

use runtime::event::Event;
use runtime::state::ReadTables;
use runtime::tables::{ChainState, Snapshots};
use runtime::testkit::{GENESIS_MS, Kit, ProviderKeys, Simulation, dev_parameters, key};
use runtime::types::{AccountsCall, Call, ProvidersCall, TransferCall};

use crate::laws;
use crate::rules::{dev, succeeds, with};

fn starts(events: &[runtime::event::EventRecord]) -> Vec<u32> {
    let epochs = events.iter().filter_map(|record| match record.event {
        Event::EpochStarted { epoch } => Some(epoch),
        _ => None,
    });
    epochs.collect()
}

#[test]
fn an_epoch_begins_at_its_time_and_not_before() {
    let mut simulation = dev();
    let early = simulation.block_at(GENESIS_MS + 29_999, &[]);
    assert_eq!((simulation.head.epoch, starts(&early.events)), (0, vec![]));
    let due = simulation.block_at(GENESIS_MS + 30_000, &[]);
    assert_eq!((simulation.head.epoch, starts(&due.events)), (1, vec![1]));
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().epoch_start_ms, GENESIS_MS + 30_000);
}

#[test]
fn a_long_gap_begins_one_epoch_only() {
    let mut simulation = dev();
    let late = simulation.block_at(GENESIS_MS + 1_000_000, &[]);
    assert_eq!(starts(&late.events), [1]);
    // The new epoch counts from the block that began it.
    let next = simulation.block_at(GENESIS_MS + 1_000_000 + 29_999, &[]);
    assert_eq!((simulation.head.epoch, starts(&next.events)), (1, vec![]));
}

#[test]
fn a_snapshot_freezes_the_state_before_its_block_with_its_beacon() {
    let mut simulation = dev();
    let keys = ProviderKeys::new(4);
    let amount = 2 * u128::from(runtime::testkit::DECLARED);
    let to = keys.account.account();
    succeeds(&mut simulation, &key("Alice"), Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount })));
    // It registers in the very block that begins the epoch: too late for this snapshot.
    let call = Call::Providers(ProvidersCall::Register(keys.register(&simulation.kit.genesis_hash)));
    let transaction = simulation.kit.sign(&keys.account, 0, call);
    simulation.block_at(GENESIS_MS + 30_000, &[transaction]);
    let snapshot = simulation.state.require::<Snapshots>(&1).unwrap();
    assert_eq!(snapshot.beacon, simulation.head.beacon);
    assert_eq!(snapshot.entries.len(), 4);
    simulation.next_epoch();
    let snapshot = simulation.state.require::<Snapshots>(&2).unwrap();
    assert_eq!(snapshot.entries.len(), 5);
    assert_eq!(snapshot.entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    // 1024 GiB each, times the score.
    assert_eq!(snapshot.entries[4].weight_sum, 5 * 1024 * 1000);
}

#[test]
fn operators_and_zones_are_numbered_as_they_appear() {
    let mut kit = Kit::new(dev_parameters(), 4, 1);
    for (at, provider) in kit.genesis.providers.iter_mut().enumerate() {
        provider.operator = runtime::types::Text::new(["b", "a", "b", "c"][at]).unwrap();
        provider.zone = runtime::types::Text::new("z").unwrap();
    }
    let simulation = Simulation::new(kit);
    let snapshot = simulation.state.require::<Snapshots>(&0).unwrap();
    assert_eq!(snapshot.entries.iter().map(|entry| entry.operator).collect::<Vec<_>>(), [0, 1, 0, 2]);
    assert!(snapshot.entries.iter().all(|entry| entry.zone == 0));
}

#[test]
fn weight_is_free_space_that_the_bond_covers() {
    let mut kit = Kit::new(dev_parameters(), 3, 1);
    kit.genesis.providers[0].declared = (8 << 30) - 1;
    kit.genesis.providers[1].declared = (1 << 30) - 1;
    kit.genesis.parameters.staking.bond_per_byte = 1;
    let simulation = Simulation::new(kit);
    let snapshot = simulation.state.require::<Snapshots>(&0).unwrap();
    let weights: Vec<_> = snapshot.entries.iter().map(|entry| (entry.number, entry.weight_sum)).collect();
    assert_eq!(weights, [(0, 7_000), (2, 7_000 + 1_024_000)], "who has no whole GiB is not in it");
}

#[test]
fn snapshots_go_when_no_store_can_name_them() {
    let mut simulation = with(|parameters| parameters.placement.placement_epochs = 3);
    for epoch in 1..10u32 {
        simulation.next_epoch();
        let kept: Vec<_> = laws::table::<Snapshots>(&simulation.state).into_iter().map(|(key, _)| key).collect();
        let expected: Vec<_> = (epoch.saturating_sub(4)..=epoch).map(|epoch| epoch.to_be_bytes().to_vec()).collect();
        assert_eq!(kept, expected);
    }
}
