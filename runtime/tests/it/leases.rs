//! Leases of several accounts run side by side, each paid in full; the file lives until the last ends.

use pieces::FileManifest;
use runtime::crypto::KeyPair;
use runtime::state::ReadTables;
use runtime::tables::{ChainState, Ends, Files, LeaseCounts, Leases, Providers, Rates, Segments, Tranche};
use runtime::testkit::{Simulation, key};

use crate::laws;
use crate::rules::{dev, fails, storage, succeeds, with};

fn pay(simulation: &mut Simulation, owner: &KeyPair, nonce: u64, lease_epochs: u32, manifest: &FileManifest) {
    let Simulation { kit, state, head } = simulation;
    let intent = kit.intent(owner, nonce, manifest, lease_epochs, head);
    let is_alive = state.read::<Files>(&manifest.file_id()).unwrap().is_some_and(|file| file.ends > head.epoch);
    let store = if is_alive {
        kit.share(owner, intent, manifest.clone())
    } else {
        kit.store(state, owner, intent, manifest.clone())
    };
    succeeds(simulation, owner, storage::call(store));
    laws::check(&simulation.state, simulation.head.epoch);
}

#[test]
fn two_payers_pay_in_full_and_the_file_lives_until_the_later_end() {
    let mut simulation = dev();
    let manifest = storage::small(&simulation, 1);
    let id = manifest.file_id();
    let (alice, bob) = (key("Alice"), key("Bob"));
    pay(&mut simulation, &alice, 0, 5, &manifest);
    let escrow = simulation.state.require::<ChainState>(&()).unwrap().escrow;
    simulation.next_epoch();
    pay(&mut simulation, &bob, 0, 5, &manifest);
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().escrow, 2 * escrow);
    let unit_price = escrow / 5;
    let lease = |payer: &KeyPair| simulation.state.require::<Leases>(&(id, payer.account())).unwrap().tranches;
    assert_eq!(lease(&alice), [Tranche { from: 1, to: 6, unit_price }]);
    assert_eq!(lease(&bob), [Tranche { from: 2, to: 7, unit_price }]);
    assert_eq!(simulation.state.require::<LeaseCounts>(&id).unwrap(), 2);
    let file = simulation.state.require::<Files>(&id).unwrap();
    assert_eq!((file.ends, file.unit_price, file.stored_height), (7, unit_price, 1));
    assert_eq!(simulation.state.read::<Ends>(&(6, id)).unwrap(), None);
    assert_eq!(simulation.state.read::<Ends>(&(7, id)).unwrap(), Some(()));
}

#[test]
fn a_shorter_lease_beside_a_longer_one_moves_no_end() {
    let mut simulation = dev();
    let manifest = storage::small(&simulation, 1);
    pay(&mut simulation, &key("Alice"), 0, 5, &manifest);
    pay(&mut simulation, &key("Bob"), 0, 2, &manifest);
    assert_eq!(simulation.state.require::<Files>(&manifest.file_id()).unwrap().ends, 6);
}

#[test]
fn a_lease_beyond_the_promise_makes_who_renews_promise_longer() {
    let mut simulation = dev();
    let manifest = storage::small(&simulation, 1);
    let id = manifest.file_id();
    pay(&mut simulation, &key("Alice"), 0, 5, &manifest);
    let until = |simulation: &Simulation| {
        let segment = simulation.state.require::<Segments>(&(id, 0)).unwrap();
        segment.holders.iter().map(|holder| holder.until_epoch).collect::<Vec<_>>()
    };
    // 0 + 120 + 1 + 5.
    assert_eq!(until(&simulation), [126; 4]);
    pay(&mut simulation, &key("Bob"), 0, 1_000, &manifest);
    assert_eq!(until(&simulation), [1_001; 4]);
    let piece_bytes = manifest.code.piece_bytes(manifest.size);
    for number in 0..4 {
        assert_eq!(simulation.state.read::<Rates>(&(126, number)).unwrap(), None);
        assert_eq!(simulation.state.require::<Rates>(&(1_001, number)).unwrap().freed_bytes, piece_bytes);
        assert_eq!(simulation.state.require::<Providers>(&number).unwrap().committed, piece_bytes);
    }
}

#[test]
fn a_payer_comes_back_after_its_lease_ended_while_others_pay() {
    let mut simulation = dev();
    let manifest = storage::small(&simulation, 1);
    let id = manifest.file_id();
    pay(&mut simulation, &key("Alice"), 0, 1, &manifest);
    pay(&mut simulation, &key("Bob"), 0, 50, &manifest);
    simulation.next_epoch();
    // Alice's lease covers epoch 1, and ends when epoch 2 begins.
    let Simulation { kit, head, .. } = &mut simulation;
    let intent = kit.intent(&key("Alice"), 1, &manifest, 3, head);
    let again = kit.share(&key("Alice"), intent, manifest.clone());
    let rule = fails(&mut simulation, &key("Alice"), storage::call(again));
    assert_eq!(rule, runtime::rule::Rule::AlreadyStored);
    simulation.next_epoch();
    pay(&mut simulation, &key("Alice"), 1, 3, &manifest);
    let lease = simulation.state.require::<Leases>(&(id, key("Alice").account())).unwrap();
    assert_eq!(lease.tranches.iter().map(|tranche| (tranche.from, tranche.to)).collect::<Vec<_>>(), [(3, 6)]);
    assert_eq!(simulation.state.require::<LeaseCounts>(&id).unwrap(), 2);
}

#[test]
fn a_dead_file_is_founded_anew_before_and_after_it_is_swept() {
    for swept_segments in [0, 1, 2, 3, 4, 100] {
        let mut simulation = with(|parameters| {
            parameters.limits.swept_segments = swept_segments;
            parameters.limits.piece_bytes = 1 << 16;
        });
        let code = simulation.kit.genesis.parameters.profiles[0].code;
        // Three segments, beside a file of two that lives on.
        let manifest = runtime::testkit::manifest(code, 300_000, 1 << 16, 1);
        let other = runtime::testkit::manifest(code, 200_000, 1 << 16, 2);
        pay(&mut simulation, &key("Alice"), 0, 1, &manifest);
        pay(&mut simulation, &key("Bob"), 0, 1, &manifest);
        pay(&mut simulation, &key("Bob"), 1, 90, &other);
        simulation.next_epoch();
        simulation.next_epoch();
        pay(&mut simulation, &key("Charlie"), 0, 2, &manifest);
        let file = simulation.state.require::<Files>(&manifest.file_id()).unwrap();
        assert_eq!((file.ends, file.segments), (5, 3));
        assert_eq!(file.deal, simulation.kit.intent(&key("Charlie"), 0, &manifest, 2, &simulation.head).deal());
        for _ in 0..9 {
            simulation.next_epoch();
            laws::check(&simulation.state, simulation.head.epoch);
        }
    }
}

#[test]
fn an_empty_file_has_no_segments_and_costs_its_fee() {
    let mut simulation = dev();
    let code = simulation.kit.genesis.parameters.profiles[0].code;
    let manifest = runtime::testkit::manifest(code, 0, 64 << 20, 1);
    pay(&mut simulation, &key("Alice"), 0, 5, &manifest);
    let file = simulation.state.require::<Files>(&manifest.file_id()).unwrap();
    assert_eq!((file.size, file.segments, file.unit_price), (0, 0, 0));
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().escrow, 0);
}
