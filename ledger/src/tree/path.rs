//! Paths for proofs. jmt finds them; their form is that of `runtime::light`, which checks them.

use borsh::BorshDeserialize;
use jmt::proof::SparseMerkleProof;
use jmt::{JellyfishMerkleTree, KeyHash};
use runtime::light::{EMPTY, Leaf, Path, inner_hash, key_hash};
use runtime::types::Height;

use super::{Blake3Hasher, DiskReader, tree_error};
use crate::db::Database;
use crate::error::LedgerError;

/// The value that `key` had after the block at `height`, and the path that shows it. The tree must have that height.
pub fn path(database: &Database, height: Height, key: &[u8]) -> Result<(Option<Vec<u8>>, Path), LedgerError> {
    let reader = DiskReader(database);
    let tree = JellyfishMerkleTree::<_, Blake3Hasher>::new(&reader);
    let found = tree.get_with_proof(KeyHash(key_hash(key)), height).map_err(|error| tree_error(height, &error))?;
    let (value, proof) = found;
    let shown = Shown::of(&proof).map_err(|error| tree_error(height, &error.into()))?;
    let leaf = shown.leaf.map(|(key_hash, value_hash)| Leaf { key_hash, value_hash });
    let path = Path {
        // With a value it is the key's own, which follows from key and value.
        other: leaf.filter(|_| value.is_none()),
        siblings: shown.siblings.iter().map(Node::hash).collect(),
    };
    Ok((value, path))
}

/// jmt keeps a proof's leaf and siblings to itself, but writes them as borsh: this is what it writes.
#[derive(BorshDeserialize)]
struct Shown {
    leaf: Option<([u8; 32], [u8; 32])>,
    /// From below up to the root.
    siblings: Vec<Node>,
}

/// A node beside a path.
#[derive(BorshDeserialize)]
enum Node {
    Null,
    Inner([u8; 32], [u8; 32]),
    Leaf([u8; 32], [u8; 32]),
}

impl Shown {
    fn of(proof: &SparseMerkleProof<Blake3Hasher>) -> std::io::Result<Self> {
        Self::try_from_slice(&borsh::to_vec(proof)?)
    }
}

impl Node {
    fn hash(&self) -> [u8; 32] {
        match *self {
            Self::Null => EMPTY,
            Self::Inner(left, right) => inner_hash(&left, &right),
            Self::Leaf(key_hash, value_hash) => Leaf { key_hash, value_hash }.hash(),
        }
    }
}
