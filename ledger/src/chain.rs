//! The ledger: opened for one chain, standing on a head.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use runtime::genesis::Genesis;
use runtime::types::{BlockHash, Header};

use crate::commit::HeightWrite;
use crate::db::Database;
use crate::db::key::MetaKey;
use crate::db::tables::{META, Row};
use crate::error::{LedgerError, OpenError};
use crate::opening::{check_chain, read_head};
use crate::preview::Preview;
use crate::state::StateSnapshot;
use crate::versions::Version;

/// Format of the whole database; another one is refused.
pub(crate) const FORMAT: u32 = 1;

/// Blocks, state and indexes of one chain. Cheap to clone; all clones are one ledger.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) database: Arc<Database>,
    genesis: BlockHash,
    tip: RwLock<Tip>,
    /// Held by whoever writes; true once a write has failed.
    pub(crate) writer: Mutex<bool>,
}

/// What readers see; swapped as one.
#[derive(Clone)]
pub(crate) struct Tip {
    pub(crate) head: Arc<Head>,
    pub(crate) version: Arc<Version>,
}

/// The last committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its header.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
}

impl Head {
    pub(crate) fn of(header: Header) -> Self {
        let hash = header.hash();
        Self { header, hash }
    }
}

impl Ledger {
    /// Opens the ledger of `genesis` in the folder `path`, which is made if it is not there; writes block 0 into an
    /// empty one.
    ///
    /// # Errors
    /// [`OpenError`]: another node uses the folder, it holds another chain or another format, or what it holds
    /// contradicts itself.
    pub fn open(path: &Path, genesis: &Genesis) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Ledger { path: path.to_owned(), source };
        // The genesis state is made anew at every start: its root is part of the name of the chain.
        let preview = Preview::of_genesis(&genesis.changes()?).map_err(failed)?;
        let first = Head::of(genesis.header(preview.root));
        let database = Arc::new(Database::open(path)?);
        let head = match check_chain(&database, path, first.hash)? {
            Some(height) => read_head(&database, path, height)?,
            None => {
                write_genesis(&database, &first, &preview).map_err(failed)?;
                tracing::info!(genesis = %first.hash, "wrote block 0");
                first.clone()
            }
        };
        tracing::info!(height = head.header.height, hash = %head.hash, "opened the ledger");
        let version = Version::new(head.header.height);
        let tip = RwLock::new(Tip { head: Arc::new(head), version });
        Ok(Self { inner: Arc::new(Inner { database, genesis: first.hash, tip, writer: Mutex::new(false) }) })
    }

    /// The last block of the ledger in `path`, which is looked at and not written; none if there is no ledger.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn head_in(path: &Path, genesis: &Genesis) -> Result<Option<Head>, OpenError> {
        let Some(database) = Database::open_to_read(path)? else { return Ok(None) };
        let height = check_chain(&database, path, Self::genesis_hash_of(genesis)?)?;
        height.map(|height| read_head(&database, path, height)).transpose()
    }

    /// Hash of the block 0 that `genesis` makes: the name of its chain. Nothing is read or written.
    ///
    /// # Errors
    /// [`OpenError`] if `genesis` makes no state.
    pub fn genesis_hash_of(genesis: &Genesis) -> Result<BlockHash, OpenError> {
        let failed = |source| OpenError::Ledger { path: PathBuf::from("memory"), source };
        let preview = Preview::of_genesis(&genesis.changes()?).map_err(failed)?;
        Ok(genesis.header(preview.root).hash())
    }

    /// Hash of block 0: the name of the chain.
    #[must_use]
    pub fn genesis_hash(&self) -> BlockHash {
        self.inner.genesis
    }

    /// The last committed block.
    #[must_use]
    pub fn head(&self) -> Arc<Head> {
        Arc::clone(&self.inner.tip.read().head)
    }

    /// The state after the last committed block.
    #[must_use]
    pub fn state(&self) -> StateSnapshot {
        let Tip { head, version } = self.tip();
        StateSnapshot::new(Arc::clone(&self.inner.database), head, version)
    }

    pub(crate) fn tip(&self) -> Tip {
        self.inner.tip.read().clone()
    }

    /// Makes what was just written visible.
    pub(crate) fn advance(&self, header: Header, hash: BlockHash, version: Arc<Version>) {
        *self.inner.tip.write() = Tip { head: Arc::new(Head { header, hash }), version };
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = self.head();
        write!(f, "Ledger({} at {})", head.hash, head.header.height)
    }
}

fn write_genesis(database: &Database, first: &Head, preview: &Preview) -> Result<(), LedgerError> {
    let mut batch = database.batch();
    let row =
        HeightWrite { header: &first.header, hash: first.hash, transactions: &[], events: &[], certificate: None };
    row.write(database, &mut batch, preview)?;
    batch.put(&META, &MetaKey::Format, &row_of(&FORMAT));
    batch.put(&META, &MetaKey::Genesis, &row_of(&first.hash));
    batch.write_synced().map_err(|source| LedgerError::Write { height: 0, source })
}

/// A single value of family `meta`.
pub(crate) fn row_of<T: Row>(value: &T) -> crate::db::tables::Versioned {
    crate::db::tables::Versioned(value.to_row())
}
