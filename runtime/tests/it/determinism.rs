//! Same block, same root: whatever the thread, and on every platform.

use runtime::execute::{Executed, execute_block};
use runtime::testkit::{Simulation, digest, key, manifest};
use runtime::types::{Block, StateRoot};

use crate::rules::{storage, transactions::transfer, with};

/// A history with every kind of call, an epoch's end, leases that end and a sweep.
pub fn history() -> Simulation {
    let mut simulation = with(|parameters| {
        parameters.placement.placement_epochs = 1;
        parameters.limits.swept_segments = 3;
        parameters.limits.piece_bytes = 1 << 16;
    });
    let code = simulation.kit.genesis.parameters.profiles[0].code;
    let alice = key("Alice");
    for nonce in 0..6 {
        let manifest = manifest(code, 70_000 * nonce, 1 << 16, nonce);
        let Simulation { kit, state, head } = &mut simulation;
        let intent = kit.intent(&alice, nonce, &manifest, 1 + u32::try_from(nonce).unwrap() % 3, head);
        let store = kit.store(state, &alice, intent, manifest.clone());
        let intent = kit.intent(&key("Bob"), nonce, &manifest, 2, head);
        let share = kit.share(&key("Bob"), intent, manifest);
        let transactions = [
            kit.sign_store(&alice, 2 * nonce, store),
            kit.sign_store(&key("Bob"), nonce, share),
            kit.sign(&alice, 2 * nonce + 1, transfer("Charlie", 1 << nonce)),
        ];
        simulation.block(&transactions);
        if nonce % 2 == 1 {
            simulation.next_epoch();
        }
    }
    let update = runtime::types::UpdateProvider { auto_renew: Some(false), ..Default::default() };
    let update = runtime::types::Call::Providers(runtime::types::ProvidersCall::Update(update));
    let keys = simulation.kit.providers[0].account.clone();
    simulation.send(&keys, update);
    simulation.next_epoch();
    simulation
}

fn busy_block(simulation: &mut Simulation) -> Block {
    let mut transactions = Vec::new();
    for nonce in 0..20 {
        let mut store = storage::file(simulation, 100 + nonce);
        let (mut intent, manifest) = (store.intent.intent.clone(), store.manifest);
        intent.deal_nonce = 20 + nonce;
        store = simulation.kit.store(&simulation.state, &key("Alice"), intent, manifest);
        let first = simulation.nonce(&key("Alice"));
        transactions.push(simulation.kit.sign_store(&key("Alice"), first + nonce, store));
    }
    simulation.propose(simulation.head.timestamp_ms + 1, &transactions).block(StateRoot::ZERO)
}

#[test]
fn every_thread_finds_the_same() {
    let mut simulation = history();
    let block = busy_block(&mut simulation);
    let execute = || execute_block(&simulation.state, simulation.kit.genesis_hash, &simulation.head, &block).unwrap();
    let first: Executed = execute();
    assert!(first.changes.len() > 20);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(execute)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), first);
        }
    });
}

#[test]
fn replaying_a_history_gives_its_states() {
    let [first, second] = [history(), history()];
    assert_eq!(first.head, second.head);
    assert_eq!(digest(&first.state), digest(&second.state));
    crate::laws::check(&first.state, first.head.epoch);
}
