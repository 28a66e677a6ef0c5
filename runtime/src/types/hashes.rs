//! The chain's hashes: one newtype and one derive-key context per purpose.

use pieces::hash_newtype;

hash_newtype! {
    /// Hash of a header: BLAKE3 derive-key of its SCALE. The hash of header 0 is the genesis hash.
    pub struct BlockHash;
}
hash_newtype! {
    /// Hash of a transaction without its signature, so that signing again gives the same hash.
    pub struct TxHash;
}
hash_newtype! {
    /// Names one upload by one account, and seeds its placement.
    pub struct DealId;
}
hash_newtype! {
    /// Hash of an upload intent: the cause that a storage commitment counts for.
    pub struct IntentHash;
}
hash_newtype! {
    /// Root of the state's Jellyfish Merkle tree.
    pub struct StateRoot;
}
hash_newtype! {
    /// Hash of a validator set.
    pub struct ValidatorsHash;
}
hash_newtype! {
    /// A value of the random beacon.
    pub struct BeaconValue;
}

/// BLAKE3 in derive-key mode over several parts.
pub(crate) fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Root of an RFC 6962 tree over `leaves`, with BLAKE3 derive-key contexts of their own for leaves and nodes.
///
/// The empty list has a root of its own context, so that it cannot be taken for a leaf or a node.
#[must_use]
pub fn list_root<T: AsRef<[u8]>>(leaves: &[T]) -> pieces::Hash {
    if leaves.is_empty() {
        return pieces::Hash::from_bytes(derive("piecewise list empty v1", &[]));
    }
    let hashes: Vec<[u8; 32]> = leaves.iter().map(|leaf| derive("piecewise list leaf v1", &[leaf.as_ref()])).collect();
    pieces::Hash::from_bytes(node(&hashes))
}

/// RFC 6962 splits at the largest power of two below the count.
fn node(hashes: &[[u8; 32]]) -> [u8; 32] {
    match hashes {
        [] => derive("piecewise list empty v1", &[]),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(many.len().div_ceil(2).next_power_of_two());
            derive("piecewise list node v1", &[&node(left), &node(right)])
        }
    }
}
