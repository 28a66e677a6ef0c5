//! Extending appends, releasing gives back exactly what lies ahead; whoever else pays is not touched.

use pieces::FileId;
use runtime::crypto::KeyPair;
use runtime::event::Event;
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{Accounts, ChainState, Ends, Files, LeaseCounts, Leases, Providers, Rates, Segments};
use runtime::testkit::{Simulation, key};
use runtime::types::{Balance, Epoch};

use crate::laws;
use crate::rules::leases::{extend, release, stored};
use crate::rules::{dev, fails, storage, succeeds, with};

fn free(simulation: &Simulation, pair: &KeyPair) -> Balance {
    simulation.state.read::<Accounts>(&pair.account()).unwrap().unwrap_or_default().free
}

fn escrow(simulation: &Simulation) -> Balance {
    simulation.state.require::<ChainState>(&()).unwrap().escrow
}

fn tranches(simulation: &Simulation, file: FileId, payer: &KeyPair) -> Vec<(Epoch, Epoch)> {
    let lease = simulation.state.read::<Leases>(&(file, payer.account())).unwrap();
    let tranches = lease.into_iter().flat_map(|lease| lease.tranches);
    tranches.map(|tranche| (tranche.from, tranche.to)).collect()
}

fn ends(simulation: &Simulation, file: FileId) -> Epoch {
    let ends = simulation.state.require::<Files>(&file).unwrap().ends;
    assert_eq!(simulation.state.read::<Ends>(&(ends, file)).unwrap(), Some(()));
    ends
}

/// Sends a call that succeeds, and checks every law after it.
fn does(simulation: &mut Simulation, pair: &KeyPair, call: runtime::types::Call) -> Vec<Event> {
    let events = succeeds(simulation, pair, call);
    laws::check(&simulation.state, simulation.head.epoch);
    events
}

fn refund(events: &[Event]) -> Balance {
    match events {
        [Event::LeaseReleased { refund, .. }] => *refund,
        events => panic!("expected a release, not {events:?}"),
    }
}

/// Adds a lease of Bob's.
fn bob_pays(simulation: &mut Simulation, lease_epochs: u32) {
    let manifest = storage::small(simulation, 1);
    let Simulation { kit, head, .. } = simulation;
    let intent = kit.intent(&key("Bob"), 0, &manifest, lease_epochs, head);
    let share = kit.share(&key("Bob"), intent, manifest);
    does(simulation, &key("Bob"), storage::call(share));
}

#[test]
fn an_extension_begins_where_the_lease_ends_and_is_paid_in_full() {
    let (mut simulation, file) = stored(dev());
    let (alice, before) = (key("Alice"), escrow(&simulation));
    let unit_price = before / 10;
    simulation.next_epoch();
    let events = does(&mut simulation, &alice, extend(file, 5));
    let paid = Event::LeasePaid { file, payer: alice.account(), from: 11, to: 16, price: 5 * unit_price };
    assert_eq!(events, [paid]);
    assert_eq!(tranches(&simulation, file, &alice), [(1, 11), (11, 16)]);
    assert_eq!(ends(&simulation, file), 16);
    assert_eq!(escrow(&simulation), before + 5 * unit_price);
    // Sixteen epochs later, and not before, the file is gone and everything paid is earned.
    for epoch in 2..=16 {
        assert!(simulation.state.read::<Files>(&file).unwrap().is_some(), "epoch {epoch}");
        simulation.next_epoch();
        laws::check(&simulation.state, simulation.head.epoch);
    }
    assert_eq!((simulation.state.read::<Files>(&file).unwrap(), escrow(&simulation)), (None, 0));
}

#[test]
fn ended_tranches_make_room_for_extensions() {
    let (mut simulation, file) = stored(dev());
    let alice = key("Alice");
    for _ in 0..15 {
        does(&mut simulation, &alice, extend(file, 1));
    }
    (0..11).for_each(|_| drop(simulation.next_epoch()));
    does(&mut simulation, &alice, extend(file, 1));
    assert_eq!(tranches(&simulation, file, &alice).first(), Some(&(11, 12)));
    assert_eq!(ends(&simulation, file), 27);
}

#[test]
fn a_release_before_the_first_epoch_gives_everything_back() {
    let (mut simulation, file) = stored(dev());
    let (alice, paid) = (key("Alice"), escrow(&simulation));
    does(&mut simulation, &alice, extend(file, 3));
    let before = free(&simulation, &alice);
    let events = does(&mut simulation, &alice, release(file));
    assert_eq!(refund(&events), paid + 3 * (paid / 10));
    assert_eq!(escrow(&simulation), 0);
    let fee_of_release = before + refund(&events) - free(&simulation, &alice);
    assert!((1..10_000_000).contains(&fee_of_release), "{fee_of_release}");
    assert_eq!(tranches(&simulation, file, &alice), []);
    assert_eq!(simulation.state.require::<LeaseCounts>(&file).unwrap(), 0);
    // It was there for this epoch, and is not for the next one.
    assert_eq!(ends(&simulation, file), 1);
    simulation.next_epoch();
    assert_eq!(simulation.state.read::<Files>(&file).unwrap(), None);
    assert_eq!(laws::table::<Rates>(&simulation.state).len(), 0, "nothing is owed, and no bytes are promised");
    laws::check(&simulation.state, simulation.head.epoch);
}

#[test]
fn a_release_keeps_the_epoch_that_runs_and_frees_the_holders() {
    let (mut simulation, file) = stored(dev());
    let (alice, unit_price) = (key("Alice"), escrow(&simulation) / 10);
    does(&mut simulation, &alice, extend(file, 7));
    (0..4).for_each(|_| drop(simulation.next_epoch()));
    // Epochs 1 to 3 are paid out, 4 runs, 5 to 17 come back.
    let events = does(&mut simulation, &alice, release(file));
    assert_eq!(refund(&events), 13 * unit_price);
    assert_eq!(tranches(&simulation, file, &alice), [(1, 5)]);
    assert_eq!((ends(&simulation, file), escrow(&simulation)), (5, unit_price));
    let again = does(&mut simulation, &alice, release(file));
    assert_eq!(refund(&again), 0, "there is nothing left to give back");
    simulation.next_epoch();
    assert_eq!((simulation.state.read::<Files>(&file).unwrap(), escrow(&simulation)), (None, 0));
    for number in 0..4 {
        let provider = simulation.state.require::<Providers>(&number).unwrap();
        assert_eq!((provider.committed, provider.rate), (0, 0), "it may promise its room to others");
    }
    laws::check(&simulation.state, simulation.head.epoch);
}

#[test]
fn a_release_leaves_the_leases_of_others_alone() {
    for bobs_epochs in [3, 10, 50] {
        let (mut simulation, file) = stored(dev());
        let unit_price = escrow(&simulation) / 10;
        bob_pays(&mut simulation, bobs_epochs);
        (0..2).for_each(|_| drop(simulation.next_epoch()));
        let events = does(&mut simulation, &key("Alice"), release(file));
        assert_eq!(refund(&events), 8 * unit_price);
        assert_eq!(tranches(&simulation, file, &key("Bob")), [(1, 1 + bobs_epochs)]);
        assert_eq!(ends(&simulation, file), 1 + bobs_epochs);
        let segment = simulation.state.require::<Segments>(&(file, 0)).unwrap();
        assert!(segment.holders.iter().all(|holder| holder.until_epoch > bobs_epochs));
        for _ in 2..=bobs_epochs {
            assert!(simulation.state.read::<Files>(&file).unwrap().is_some());
            simulation.next_epoch();
            laws::check(&simulation.state, simulation.head.epoch);
        }
        assert_eq!((simulation.state.read::<Files>(&file).unwrap(), escrow(&simulation)), (None, 0));
    }
}

#[test]
fn a_released_lease_can_be_extended_while_its_last_epoch_runs() {
    let (mut simulation, file) = stored(dev());
    simulation.next_epoch();
    does(&mut simulation, &key("Alice"), release(file));
    does(&mut simulation, &key("Alice"), extend(file, 4));
    assert_eq!(tranches(&simulation, file, &key("Alice")), [(1, 2), (2, 6)]);
    assert_eq!(ends(&simulation, file), 6);
    (0..5).for_each(|_| drop(simulation.next_epoch()));
    assert_eq!(fails(&mut simulation, &key("Alice"), extend(file, 1)), Rule::UnknownFile);
}

#[test]
fn a_file_that_was_given_up_is_shared_or_founded_anew() {
    for swept_segments in [0, 100] {
        let (mut simulation, file) = stored(with(|parameters| parameters.limits.swept_segments = swept_segments));
        does(&mut simulation, &key("Alice"), release(file));
        // Alive until the epoch ends: one more lease is enough.
        bob_pays(&mut simulation, 2);
        does(&mut simulation, &key("Bob"), release(file));
        simulation.next_epoch();
        let manifest = storage::small(&simulation, 1);
        let Simulation { kit, state, head } = &mut simulation;
        let intent = kit.intent(&key("Charlie"), 0, &manifest, 5, head);
        let store = kit.store(state, &key("Charlie"), intent, manifest);
        does(&mut simulation, &key("Charlie"), storage::call(store));
        assert_eq!(ends(&simulation, file), 7);
        (0..8).for_each(|_| drop(simulation.next_epoch()));
        laws::check(&simulation.state, simulation.head.epoch);
        assert_eq!(escrow(&simulation), 0);
    }
}
