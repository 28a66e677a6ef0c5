//! The state at one height, readable for as long as it is held, whatever is committed meanwhile.

use std::sync::Arc;

use runtime::state::{StateError, StateView};
use runtime::types::Height;

use crate::chain::Head;
use crate::db::Database;
use crate::db::key::ValueKey;
use crate::db::tables::STATE;
use crate::error::LedgerError;
use crate::tree::key_hash;
use crate::versions::Version;

/// The state after one block. Cheap to clone, `Send`, `Sync` and `'static`.
///
/// RocksDB's own snapshots borrow the database, so this is made of what the ledger keeps anyway: family `state` has the
/// newest value of every key, a chain in memory says which keys changed since, and for those family `values` has the
/// value of every height. A snapshot held for long costs memory for the keys that change meanwhile, and nothing else.
#[derive(Clone)]
pub struct StateSnapshot {
    database: Arc<Database>,
    head: Arc<Head>,
    version: Arc<Version>,
}

impl StateSnapshot {
    pub(crate) const fn new(database: Arc<Database>, head: Arc<Head>, version: Arc<Version>) -> Self {
        Self { database, head, version }
    }

    /// Height of the block after which this is the state.
    #[must_use]
    pub fn height(&self) -> Height {
        self.version.height()
    }

    /// The block after which this is the state.
    #[must_use]
    pub const fn head(&self) -> &Arc<Head> {
        &self.head
    }

    fn value_then(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        self.database.value_at(&ValueKey { key_hash: key_hash(key), height: self.height() })
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        // The disk first, then the chain: see `Version::follow`.
        let now = self.database.get_by_bytes(&STATE, key)?;
        if self.version.changed(key) { self.value_then(key) } else { Ok(now.map(|row| row.0)) }
    }

    fn read_next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, LedgerError> {
        if from >= until {
            return Ok(None);
        }
        let mut rows = self.database.range(&STATE, from, until);
        let mut from = from.to_vec();
        loop {
            // Both lists of candidates ascend; a key that changed since counts only if it had a value then.
            let unchanged = rows.key_bytes()?;
            let changed = self.version.next_changed(&from, until);
            match (unchanged, changed) {
                (None, None) => return Ok(None),
                (Some(now), changed) if changed.is_none_or(|changed| now < changed.as_slice()) => {
                    return Ok(Some(now.to_vec()));
                }
                (now, changed) => {
                    let Some(changed) = changed else { return Ok(None) };
                    if self.value_then(changed)?.is_some() {
                        return Ok(Some(changed.clone()));
                    }
                    let same = now == Some(changed.as_slice());
                    from.clone_from(changed);
                    // The least key behind it.
                    from.push(0);
                    if same {
                        rows.advance();
                    }
                }
            }
        }
    }
}

impl StateView for StateSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.read(key)?)
    }

    fn next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.read_next_key(from, until)?)
    }
}

impl std::fmt::Debug for StateSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StateSnapshot({})", self.height())
    }
}
