//! What a block of 100 Stores costs beside what it cannot do without: its signatures, and writing its changes to a map.
//!
//! `cargo bench -p runtime` prints medians. The ledger's bench adds the Merkle tree and the disk.

#![expect(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use runtime::crypto::{KeyPair, Purpose, SignedMessage, verify_batch};
use runtime::execute::execute_block;
use runtime::placement::place;
use runtime::state::{MemoryState, ReadTables};
use runtime::tables::{Providers, Snapshot, SnapshotEntry, Snapshots};
use runtime::terms::commitment_for;
use runtime::testkit::{Kit, Simulation, dev_parameters, digest, key, manifest};
use runtime::types::{BeaconValue, Block, Call, DealId, SignedTransaction, StorageCall, StorageCommitment};

const STORES: u64 = 100;
const RUNS: usize = 31;

fn main() {
    let mut simulation = Simulation::new(Kit::new(dev_parameters(), 64, 4));
    let transactions = stores(&mut simulation);
    let messages = signatures(&simulation, &transactions);
    let genesis = simulation.kit.genesis_hash;
    let executed = simulation.propose(simulation.head.timestamp_ms + 1, &transactions);
    let block = executed.block(digest(&simulation.state));
    println!(
        "block: {STORES} stores, 2 of 4, 1 segment; {} signatures, {} keys",
        messages.len(),
        executed.changes.len()
    );

    let execute = |block: &Block| execute_block(&simulation.state, genesis, &simulation.head, block).unwrap();
    let whole = median("execute_block, one batch", || drop(black_box(execute(&block))));
    let batch = median("verify_batch of the same signatures", || verify_batch(black_box(&messages)).unwrap());
    let map: BTreeMap<Vec<u8>, Vec<u8>> =
        simulation.state.entries().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
    let update = median_with(
        "plain BTreeMap update",
        || map.clone(),
        |mut map| {
            for (key, value) in executed.changes.clone() {
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
            map
        },
    );
    let floor = batch + update;
    println!("execute_block / (verify_batch + map) = {:.2}", whole.as_secs_f64() / floor.as_secs_f64());
    println!("rules alone: {:.1} us a store", whole.saturating_sub(batch).as_secs_f64() * 1e6 / STORES as f64);

    let wrapped = wrap_last(&simulation, &block);
    let slow = median("execute_block, one wallet-wrapped signature", || drop(black_box(execute(&wrapped))));
    println!("slow path / fast path = {:.2}", slow.as_secs_f64() / whole.as_secs_f64());
    placements();
}

/// One Store of one account each, so that nothing depends on anything.
fn stores(simulation: &mut Simulation) -> Vec<SignedTransaction> {
    let Simulation { kit, state, head } = simulation;
    let parameters = kit.genesis.parameters.clone();
    let alice = key("Alice");
    let store = |seed: u64| {
        let manifest = manifest(parameters.profiles[0].code, 1_000_000, parameters.limits.piece_bytes, seed);
        let intent = kit.intent(&alice, seed, &manifest, 720, head);
        let store = kit.store(state, &alice, intent, manifest);
        kit.sign_store(&alice, seed, store)
    };
    (0..STORES).map(store).collect()
}

/// Every signature of the block, as the batch has them.
fn signatures(simulation: &Simulation, transactions: &[SignedTransaction]) -> Vec<SignedMessage> {
    let (state, kit): (&MemoryState, &Kit) = (&simulation.state, &simulation.kit);
    let parameters = &kit.genesis.parameters;
    let snapshot = state.require::<Snapshots>(&0).unwrap();
    let mut messages = Vec::new();
    for transaction in transactions {
        messages.push(transaction.signed_message(&kit.genesis_hash));
        let Call::Storage(StorageCall::Store(store)) = transaction.transaction.call() else { continue };
        let intent = &store.intent.intent;
        let owner = intent.owner.public_key();
        let signature = store.intent.signature;
        messages.push(SignedMessage { key: owner, purpose: Purpose::Account, message: intent.payload(), signature });
        let code = &store.manifest.code;
        let placement = place(&snapshot, &parameters.placement, code, &intent.deal(), 0).unwrap();
        let segment = &store.manifest.segments[0];
        let piece_bytes = u32::try_from(code.piece_bytes(segment.len)).unwrap();
        let pieces = (0u8..).zip(segment.piece_hashes.iter().zip(&store.holders[0]));
        for (index, (hash, holder)) in pieces {
            let number = placement.slots[usize::from(holder.slot)].provider;
            let provider = state.require::<Providers>(&number).unwrap();
            let epochs = parameters.placement.placement_epochs;
            let commitment: StorageCommitment =
                commitment_for(intent, epochs, 0, index, *hash, piece_bytes, provider.account);
            messages.push(commitment.signed_message(provider.service_keys[0].key, holder.signature));
        }
    }
    verify_batch(&messages).unwrap();
    messages
}

fn wrap_last(simulation: &Simulation, block: &Block) -> Block {
    let mut block = block.clone();
    let last = block.transactions.last_mut().unwrap();
    let payload = last.transaction.payload(&simulation.kit.genesis_hash);
    let wrapped = runtime::types::account_payload_wrapped(&payload);
    let alice: KeyPair = key("Alice");
    last.signature = alice.sign(Purpose::Account, &wrapped, runtime::testkit::SeededRng::new(1));
    block.header.transactions_root = block.transactions_root();
    block
}

/// Placing one segment among 4,096 providers, a thousand times.
fn placements() {
    let entry = |number: u32| SnapshotEntry {
        number,
        operator: number / 4,
        zone: number / 256,
        weight_sum: u64::from(number + 1) * 1_024_000,
    };
    let snapshot = Snapshot { beacon: BeaconValue::ZERO, entries: (0..4096).map(entry).collect() };
    let parameters = dev_parameters();
    for profile in &parameters.profiles {
        let label = format!("1000 placements, {} among 4096 providers", profile.name);
        median(&label, || {
            for segment in 0..1000 {
                let deal = DealId::from_bytes([9; 32]);
                black_box(place(&snapshot, &parameters.placement, &profile.code, &deal, segment).unwrap());
            }
        });
    }
}

fn median(label: &str, mut run: impl FnMut()) -> Duration {
    median_with(label, || (), |()| run())
}

/// The median of many runs; what `prepare` makes and `run` returns is not in it.
fn median_with<I, O>(label: &str, mut prepare: impl FnMut() -> I, mut run: impl FnMut(I) -> O) -> Duration {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let input = prepare();
        let start = Instant::now();
        let output = run(input);
        times.push(start.elapsed());
        drop(black_box(output));
    }
    times.sort_unstable();
    let median = times[RUNS / 2];
    println!("{label}: {:.3} ms", median.as_secs_f64() * 1e3);
    median
}
