//! Proofs as light clients read them. The first byte chooses: bytes that were never a proof, an honest proof with some of
//! its bytes changed, one with some of its parts moved, or a path of its own.
//!
//! Whatever is done to it, a proof that is believed shows what the state says.

#![no_main]

#[path = "../../runtime/tests/it/light/sample.rs"]
#[allow(dead_code)]
mod sample;
#[path = "../../runtime/tests/it/light/tree.rs"]
mod tree;

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::light::{Agreed, Entry, Path, Proof, Trust};
use runtime::state::StateView;
use runtime::types::{BlockHash, StateRoot};

use sample::{HANDOFF, Sample};

/// Changes to one proof; more would be another mode's noise.
const CHANGES_MAX: usize = 8;
/// Bytes of a path with a key and a value.
const ENTRY_BYTES_MAX: usize = 16 * 1024;

struct Honest {
    proof: Proof,
    encoded: Vec<u8>,
    genesis: BlockHash,
    root: StateRoot,
    /// What is trusted instead of the genesis block.
    later: Trust,
}

thread_local! {
    static HONEST: Honest = {
        let Sample { proof, .. } = Sample::new();
        let later = Trust::Block { height: HANDOFF, hash: proof.handoffs[0].header.hash() };
        Honest { encoded: proof.encode(), genesis: proof.genesis_hash(), root: proof.header().state_root, later, proof }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    HONEST.with(|honest| match kind % 4 {
        0 => honest.noise(bytes),
        1 => honest.changed_bytes(bytes),
        2 => honest.moved_parts(bytes),
        _ => honest.path(bytes),
    });
});

impl Honest {
    /// Bytes that were never a proof, believed by nobody who trusts this chain.
    fn noise(&self, bytes: &[u8]) {
        let Ok(proof) = Proof::decode_bounded(bytes) else { return };
        assert_eq!(proof.encode(), bytes, "two encodings of one proof");
        let own = Trust::Genesis(proof.genesis_hash());
        if let Ok(state) = proof.verify(&own) {
            assert_eq!((state.genesis(), state.header()), (proof.genesis_hash(), proof.header()));
        }
        self.check(&proof);
    }

    /// Each three bytes change one byte of the proof's encoding.
    fn changed_bytes(&self, bytes: &[u8]) {
        let mut encoded = self.encoded.clone();
        for change in bytes.chunks_exact(3).take(CHANGES_MAX) {
            let &[low, high, change] = change else { return };
            let at = usize::from(u16::from_le_bytes([low, high])) % encoded.len();
            encoded[at] ^= change;
        }
        if let Ok(proof) = Proof::decode_bounded(&encoded) {
            assert_eq!(proof.encode(), encoded, "two encodings of one proof");
            self.check(&proof);
        }
    }

    /// Each three bytes move, repeat, change or leave out one part.
    fn moved_parts(&self, bytes: &[u8]) {
        let mut proof = self.proof.clone();
        for change in bytes.chunks_exact(3).take(CHANGES_MAX) {
            let &[what, from, to] = change else { return };
            alter(&mut proof, what, usize::from(from), usize::from(to));
        }
        self.check(&proof);
    }

    /// A path from outside under the honest root.
    fn path(&self, bytes: &[u8]) {
        let Ok(entry) = decode_bounded::<Entry>(bytes, ENTRY_BYTES_MAX) else { return };
        assert_eq!(entry.encode(), bytes, "two encodings of one entry");
        let Entry { key, value, path } = entry;
        if path.verify(&self.root, &key, value.as_deref()).is_ok() {
            self.agrees(&key, value.as_deref());
        }
        // The key of an honest entry, by whatever path.
        for Entry { key, value: honest, path: own } in &self.proof.entries {
            let believed = path.verify(&self.root, key, value.as_deref()).is_ok();
            assert!(!believed || value == *honest, "a path shows another value");
            let mixed = Path { other: path.other, siblings: own.siblings.clone() };
            assert!(mixed.verify(&self.root, key, None).is_err() || honest.is_none(), "a key that is there is absent");
        }
    }

    /// What a proof shows to somebody who trusts this chain, the state says.
    fn check(&self, proof: &Proof) {
        for trust in [Trust::Genesis(self.genesis), self.later] {
            let Ok(state) = proof.verify(&trust) else { continue };
            assert_eq!(state.genesis(), self.genesis, "another chain's proof is believed");
            let same_state = state.header().state_root == self.root;
            assert!(same_state, "a header that nobody agreed on is believed");
            for Entry { key, .. } in &proof.entries {
                self.agrees(key, state.get(key).expect("it was proven").as_deref());
            }
        }
    }

    fn agrees(&self, key: &[u8], shown: Option<&[u8]>) {
        if let Some(entry) = self.proof.entries.iter().find(|entry| entry.key == key) {
            assert_eq!(entry.value.as_deref(), shown, "a proof shows what the state does not say");
        }
    }
}

fn alter(proof: &mut Proof, what: u8, from: usize, to: usize) {
    let entries = proof.entries.len().max(1);
    match what % 12 {
        0 => drop(remove(&mut proof.entries, from)),
        1 => proof.entries.extend(proof.entries.get(from % entries).cloned()),
        2 => swap(&mut proof.entries, from, to),
        3 => {
            let value = proof.entries.get(from % entries).and_then(|entry| entry.value.clone());
            proof.entries.iter_mut().nth(to % entries).into_iter().for_each(|entry| entry.value.clone_from(&value));
        }
        4 => {
            let path = proof.entries.get(from % entries).map(|entry| entry.path.clone()).unwrap_or_default();
            proof.entries.iter_mut().nth(to % entries).into_iter().for_each(|entry| entry.path.clone_from(&path));
        }
        5 => drop(remove(&mut proof.handoffs, from)),
        6 => proof.handoffs.extend(proof.block.clone()),
        7 => proof.block = proof.handoffs.first().cloned(),
        8 => proof.block = None,
        9 => agreed(proof, from, |agreed| drop(remove(&mut agreed.certificate.signatures, to))),
        10 => agreed(proof, from, |agreed| swap(&mut agreed.certificate.signatures, to, to / 16)),
        _ => agreed(proof, from, |agreed| agreed.header.round = u32::try_from(to).unwrap_or(0)),
    }
}

fn agreed(proof: &mut Proof, which: usize, change: impl FnOnce(&mut Agreed)) {
    let mut all: Vec<&mut Agreed> = proof.handoffs.iter_mut().chain(&mut proof.block).collect();
    let count = all.len().max(1);
    if let Some(agreed) = all.get_mut(which % count) {
        change(agreed);
    }
}

fn remove<T>(list: &mut Vec<T>, at: usize) -> Option<T> {
    (!list.is_empty()).then(|| list.remove(at % list.len()))
}

fn swap<T>(list: &mut [T], from: usize, to: usize) {
    if !list.is_empty() {
        list.swap(from % list.len(), to % list.len());
    }
}
