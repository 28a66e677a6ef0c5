//! Any call of any module by an account with money: it lands or breaks a rule, and never stops the chain.
//!
//! A Store is signed here, and given holders that were drawn for it where it has none, because no fuzzer guesses a
//! signature and what lies behind them is the better part of the rules.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::crypto::KeyPair;
use runtime::execute::{Proposal, Rejected};
use runtime::testkit::{Kit, SeededRng, Simulation, key};
use runtime::types::{Call, StorageCall, Store};

/// Bytes of the largest transaction.
const CALL_BYTES_MAX: usize = 512 * 1024;
/// Signing the commitments of more would be most of the time.
const SEGMENTS_MAX: usize = 2;

thread_local! {
    static CHAIN: Simulation = Simulation::new(Kit::dev());
    static ALICE: KeyPair = key("Alice");
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(call) = decode_bounded::<Call>(bytes, CALL_BYTES_MAX) else { return };
    assert_eq!(call.encode(), bytes, "two encodings of one call");
    CHAIN.with(|chain| ALICE.with(|alice| run(chain, alice, call)));
});

fn run(chain: &Simulation, alice: &KeyPair, call: Call) {
    let mut kit = chain.kit.clone();
    let call = match call {
        Call::Storage(StorageCall::Store(store)) => {
            Call::Storage(StorageCall::Store(promised(chain, &mut kit, alice, store)))
        }
        other => other,
    };
    let transaction = kit.sign(alice, chain.nonce(alice), call);
    let (proposer, vrf) = kit.proposer(&chain.state, &chain.head, 0);
    let time = chain.head.timestamp_ms + 1_000;
    let mut proposal = Proposal::begin(&chain.state, kit.genesis_hash, &chain.head, time, 0, proposer, vrf)
        .expect("the head is a parent");
    match proposal.apply(&transaction) {
        Ok(()) | Err(Rejected::Rule(_)) => {}
        Err(Rejected::State(error)) => panic!("a call has made the state unreadable: {error}"),
    }
    let executed = proposal.finish().expect("the state is in memory");
    let mut state = chain.state.clone();
    state.apply(&executed.changes);
}

/// The Store as Alice would send it.
fn promised(chain: &Simulation, kit: &mut Kit, alice: &KeyPair, store: Store) -> Store {
    let Store { mut intent, manifest, mut holders } = store;
    intent.intent.genesis = kit.genesis_hash;
    intent.intent.owner = alice.account();
    let limits = &kit.genesis.parameters.limits;
    let fits = manifest.check(limits.piece_bytes, 64).is_ok() && manifest.segments.len() <= SEGMENTS_MAX;
    let known = kit.genesis.parameters.profiles.iter().any(|profile| profile.code == manifest.code);
    if holders.is_empty() && fits && known && intent.intent.snapshot_epoch == chain.head.epoch {
        holders = kit.holders(&chain.state, &intent.intent, &manifest);
    }
    let intent = intent.intent.sign(alice, SeededRng::new(1));
    Store { intent, manifest, holders }
}
