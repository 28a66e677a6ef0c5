//! What a candidate for the next block would make of the state: computed on top of the head, nothing written.

use std::collections::BTreeSet;

use jmt::KeyHash;
use jmt::storage::TreeReader;
use runtime::state::Changes;
use runtime::types::{BlockHash, Height, StateRoot};

use crate::chain::Ledger;
use crate::db::Batch;
use crate::db::key::{RowKey, ValueKey};
use crate::db::tables::{NODES, Row, STATE, VALUES};
use crate::error::LedgerError;
use crate::tree::{self, DiskReader, EmptyReader, TreeUpdate, key_hash};

/// The state root that changes lead to, and what is to be written if they are decided. Keep one for each candidate.
pub struct Preview {
    /// Root of the state after the changes.
    pub root: StateRoot,
    height: Height,
    parent: BlockHash,
    /// Each key that changes, with its name in the tree.
    keys: Vec<(Vec<u8>, KeyHash)>,
    tree: TreeUpdate,
}

impl Ledger {
    /// Computes the root of the state that `changes` make of the head's. Writes nothing; candidates may be previewed at
    /// the same time.
    ///
    /// # Errors
    /// [`LedgerError`] if the tree cannot be read.
    pub fn preview(&self, changes: &Changes) -> Result<Preview, LedgerError> {
        let head = self.head();
        let height = head.header.height.saturating_add(1);
        Preview::compute(&DiskReader(self.database()), height, head.hash, changes)
    }
}

impl Preview {
    /// The preview of block 0: on top of nothing.
    pub(crate) fn of_genesis(changes: &Changes) -> Result<Self, LedgerError> {
        Self::compute(&EmptyReader, 0, BlockHash::ZERO, changes)
    }

    fn compute(
        reader: &impl TreeReader,
        height: Height,
        parent: BlockHash,
        changes: &Changes,
    ) -> Result<Self, LedgerError> {
        let keys: Vec<_> = changes.keys().map(|key| (key.clone(), KeyHash(key_hash(key)))).collect();
        let leaves = keys.iter().zip(changes.values()).map(|((_, hash), value)| (*hash, value.clone())).collect();
        let tree = tree::update(reader, height, leaves)?;
        Ok(Self { root: tree.root, height, parent, keys, tree })
    }

    /// Height of the block it is for.
    #[must_use]
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The block it stands on.
    #[must_use]
    pub const fn parent(&self) -> BlockHash {
        self.parent
    }

    /// The keys that change.
    pub(crate) fn changed_keys(&self) -> BTreeSet<Vec<u8>> {
        self.keys.iter().map(|(key, _)| key.clone()).collect()
    }

    /// Every change: the key, and its value or none where it is deleted.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.keys.iter().map(|(key, hash)| {
            let value = self.tree.values().get(&(self.height, *hash));
            (key.as_slice(), value.and_then(|value| value.as_deref()))
        })
    }

    /// Whether these are the changes that it was made from.
    pub(crate) fn is_of(&self, changes: &Changes) -> bool {
        self.keys.len() == changes.len()
            && self.changes().zip(changes).all(|((key, value), (other, new))| key == other && value == new.as_deref())
    }

    /// Adds state, values and nodes to the batch.
    pub(crate) fn write(&self, batch: &mut Batch<'_>) {
        for (key, value) in self.changes() {
            match value {
                Some(value) => batch.put_bytes(&STATE, key, value),
                None => batch.delete_bytes(&STATE, key),
            }
        }
        for ((height, key_hash), value) in self.tree.values() {
            batch.put(&VALUES, &ValueKey { key_hash: key_hash.0, height: *height }, value);
        }
        for (id, node) in self.tree.nodes() {
            batch.put_bytes(&NODES, &id.to_bytes(), &node.to_row());
        }
    }
}

impl std::fmt::Debug for Preview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Preview({}, {:?}, {} keys)", self.height, self.root, self.keys.len())
    }
}
