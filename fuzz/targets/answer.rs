//! Answers with a proof, as `node verify-proof` reads them. The first byte chooses: any JSON, or the honest answer of a dev
//! chain with some of its characters changed.
//!
//! Whatever is done to it, what is believed is what that chain's state says.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use rpc::proven::{Shown, difference};
use rpc::types::{Located, ProofInfo, ProvenValue};
use runtime::light::Trust;
use runtime::state::StateView;
use runtime::types::BlockHash;
use serde::Deserialize;

const HONEST: &str = include_str!("../../e2e/tests/golden/located.json");
const GENESIS: &str = include_str!("../../e2e/tests/golden/genesis.txt");
/// Changes to the honest answer; more would be another mode's noise.
const CHANGES_MAX: usize = 8;

struct Honest {
    genesis: BlockHash,
    /// What its proof shows.
    values: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

thread_local! {
    static KNOWN: Honest = {
        let proof = Shown::read(HONEST.as_bytes()).unwrap().proof.decode().unwrap();
        let genesis: BlockHash = GENESIS.trim().parse().unwrap();
        proof.verify(&Trust::Genesis(genesis)).unwrap();
        Honest { genesis, values: proof.entries.into_iter().map(|entry| (entry.key, entry.value)).collect() }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    KNOWN.with(|honest| match kind % 2 {
        0 => honest.check(bytes),
        _ => honest.check(&changed(bytes)),
    });
});

/// Each three bytes change one character of the honest answer.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut json = HONEST.as_bytes().to_vec();
    for change in bytes.chunks_exact(3).take(CHANGES_MAX) {
        let &[low, high, to] = change else { break };
        let at = usize::from(u16::from_le_bytes([low, high])) % json.len();
        json[at] = to;
    }
    json
}

impl Honest {
    fn check(&self, json: &[u8]) {
        let Ok(shown) = Shown::read(json) else { return };
        let again = Shown::read(shown.result.to_string().as_bytes()).expect("it is JSON");
        assert_eq!(again, shown, "what is printed is read as something else");
        assert_eq!(difference("", &again.result, &shown.result), None);
        let _ = Located::deserialize(&shown.result);
        let _ = ProvenValue::deserialize(&shown.result);
        if let Ok(Some(transaction)) = shown.proof.decode_transaction() {
            let bytes = shown.proof.transaction.as_ref().map(|bytes| bytes.0.as_slice());
            assert_eq!(Some(transaction.encode().as_slice()), bytes, "two encodings of one transaction");
            let _ = transaction.verify(&self.genesis);
        }
        let Ok(proof) = shown.proof.decode() else { return };
        let transaction = shown.proof.transaction.clone();
        assert_eq!(ProofInfo { transaction, ..ProofInfo::from(&proof) }, shown.proof, "two encodings of one proof");
        let Ok(state) = proof.verify(&Trust::Genesis(self.genesis)) else { return };
        for (key, value) in &self.values {
            // What is left out of a proof cannot be read from it.
            if let Ok(shown) = state.get(key) {
                assert_eq!(&shown, value, "a proof shows what the state does not say");
            }
        }
        if let Ok(proven) = shown.value(&state) {
            let proven = serde_json::to_value(proven).expect("it is JSON");
            let _ = difference("", &shown.result, &proven);
        }
    }
}
