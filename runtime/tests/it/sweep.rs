//! Dead files are swept in the order of (end, file id), a bounded number of entries a block.

use runtime::state::ReadTables;
use runtime::tables::{ChainState, Ends, Files, Leases, Segments};
use runtime::testkit::{Simulation, key, manifest};

use crate::laws;
use crate::rules::{storage, succeeds, with};

/// Files of two segments each that end with epoch 1.
fn with_dead_files(swept_segments: u32, count: u64) -> Simulation {
    let mut simulation = with(|parameters| {
        parameters.limits.swept_segments = swept_segments;
        parameters.limits.piece_bytes = 1 << 16;
    });
    let code = simulation.kit.genesis.parameters.profiles[0].code;
    for nonce in 0..count {
        let manifest = manifest(code, 200_000, 1 << 16, nonce);
        let Simulation { kit, state, head } = &mut simulation;
        let intent = kit.intent(&key("Alice"), nonce, &manifest, 1, head);
        let store = kit.store(state, &key("Alice"), intent, manifest);
        succeeds(&mut simulation, &key("Alice"), storage::call(store));
    }
    simulation
}

fn entries(simulation: &Simulation) -> usize {
    let state = &simulation.state;
    laws::table::<Files>(state).len() + laws::table::<Segments>(state).len() + laws::table::<Leases>(state).len()
}

#[test]
fn a_block_sweeps_no_more_than_its_share() {
    let mut simulation = with_dead_files(3, 5);
    simulation.next_epoch();
    assert_eq!(entries(&simulation), 20, "nothing is dead while its last epoch lasts");
    simulation.next_epoch();
    let mut left = 20;
    // A file is an entry, a lease and two segments.
    while left > 0 {
        let now = entries(&simulation);
        assert!(left - now <= 3 && now < left, "from {left} to {now}");
        left = now;
        laws::check(&simulation.state, simulation.head.epoch);
        simulation.block(&[]);
    }
    assert_eq!(laws::table::<Ends>(&simulation.state).len(), 0);
    assert_eq!(simulation.state.require::<ChainState>(&()).unwrap().slots, 0);
}

#[test]
fn files_are_swept_in_the_order_of_their_ids() {
    let mut simulation = with_dead_files(4, 5);
    simulation.next_epoch();
    let mut ids: Vec<_> = laws::table::<Files>(&simulation.state).into_iter().map(|(id, _)| id).collect();
    simulation.next_epoch();
    while !ids.is_empty() {
        // Four entries: exactly one file.
        ids.remove(0);
        let left: Vec<_> = laws::table::<Files>(&simulation.state).into_iter().map(|(id, _)| id).collect();
        assert_eq!(left, ids);
        simulation.block(&[]);
    }
}

#[test]
fn a_broom_of_no_size_sweeps_nothing_and_dead_is_dead() {
    let mut simulation = with_dead_files(0, 2);
    for _ in 0..4 {
        simulation.next_epoch();
    }
    assert_eq!(entries(&simulation), 8);
    laws::check(&simulation.state, simulation.head.epoch);
}
