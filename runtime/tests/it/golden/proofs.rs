//! Golden file of proofs: the layout, and the hashes of the state's tree.

use runtime::light::{Agreed, Entry, Leaf, Path, Proof, inner_hash, key_hash};

use super::Golden;
use super::samples::*;

#[test]
fn encodings_and_hashes_of_proofs_are_frozen() {
    let mut golden = Golden::default();
    let leaf = Leaf { key_hash: hash32(1), value_hash: hash32(2) };
    let shown = Path { other: None, siblings: vec![hash32(3), hash32(4)] };
    let absent = Path { other: Some(leaf), siblings: vec![hash32(5)] };
    golden.value("path-of-a-value", &shown);
    golden.value("path-of-absence", &absent);
    let agreed = Agreed { header: header(), certificate: certificate(), validators: validators() };
    golden.value("agreed", &agreed);
    let entries = vec![
        Entry { key: vec![6, 7], value: Some(vec![1, 8]), path: shown },
        Entry { key: vec![9], value: None, path: absent },
    ];
    let (handoffs, block) = (vec![agreed.clone()], Some(agreed));
    let proof = Proof { version: Proof::VERSION, genesis: header(), handoffs, block, entries };
    golden.value("proof", &proof);
    golden.value("proof-of-block-0", &Proof { handoffs: vec![], block: None, entries: vec![], ..proof });
    golden.bytes("key-hash", key_hash(&[6, 7]));
    golden.bytes("leaf-of-key-and-value", Leaf::new(&[6, 7], &[1, 8]).hash());
    golden.bytes("inner-hash", inner_hash(&hash32(3), &hash32(4)));
    golden.check("proofs");
}
