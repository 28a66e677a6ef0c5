//! What can go wrong: one enum for opening, one for everything after.

use std::path::PathBuf;

use runtime::genesis::GenesisError;
use runtime::state::StateError;
use runtime::types::{BlockHash, Height};
use thiserror::Error;

/// RocksDB refused something; its message names the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct DatabaseError(#[from] rocksdb::Error);

impl DatabaseError {
    /// Whether the files are not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        use rocksdb::ErrorKind::{Corruption, IOError};
        let text: &str = self.0.as_ref();
        match self.0.kind() {
            Corruption => true,
            IOError => text.contains("No such file"),
            _ => false,
        }
    }

    /// Whether the files cannot be written: the disk is full or read only, or they are somebody else's.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let text: &str = self.0.as_ref();
        ["No space left", "Read-only file system", "Permission denied"].iter().any(|why| text.contains(why))
    }

    /// Whether another process, or another handle of this one, holds the folder's lock.
    pub(crate) fn is_lock(&self) -> bool {
        let text: &str = self.0.as_ref();
        self.0.kind() == rocksdb::ErrorKind::IOError && text.to_lowercase().contains("lock")
    }
}

/// What to do about damage that nothing was known of when the node started.
const ADVICE: &str = "stop the node and put the ledger's folder back as it was last";

fn advice(source: &DatabaseError) -> String {
    if source.is_damage() { format!(", a file is damaged; {ADVICE}") } else { String::new() }
}

/// Why a ledger cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another node uses the folder.
    #[error("another node uses the folder {}", path.display())]
    Locked {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// The folder holds the ledger of another chain.
    #[error("the folder {} holds the chain of genesis {found}, not of {wanted}", path.display())]
    OtherGenesis {
        /// The ledger's folder.
        path: PathBuf,
        /// The chain that it holds.
        found: BlockHash,
        /// The chain that was to be opened.
        wanted: BlockHash,
    },
    /// The folder was written by a version with another format.
    #[error("the folder {} has format {found}; this version reads {known}", path.display())]
    OtherFormat {
        /// The ledger's folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The only format that is known.
        known: u32,
    },
    /// What is in the folder contradicts itself.
    #[error("the ledger in {} is corrupt: {what}", path.display())]
    Corrupt {
        /// The ledger's folder.
        path: PathBuf,
        /// What does not agree.
        what: String,
    },
    /// The genesis state cannot be made.
    #[error("the genesis state cannot be made")]
    Genesis(#[from] GenesisError),
    /// The folder cannot be made.
    #[error("the folder {} cannot be made", path.display())]
    Folder {
        /// The ledger's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// RocksDB cannot open it.
    #[error("the database in {} cannot be opened", path.display())]
    Database {
        /// The ledger's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// Block 0 cannot be written or the head cannot be read.
    #[error("the ledger in {} cannot be used", path.display())]
    Ledger {
        /// The ledger's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: LedgerError,
    },
}

/// Why the ledger cannot do what it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// RocksDB refused to read.
    #[error("family {family} cannot be read{}", advice(source))]
    Read {
        /// The column family.
        family: &'static str,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// RocksDB refused to write. Fatal: nothing more is written through this handle.
    #[error("height {height} cannot be written")]
    Write {
        /// The height that was being written.
        height: Height,
        /// Why.
        #[source]
        source: DatabaseError,
    },
    /// An earlier write failed, so that nobody knows what the disk holds; the node must start anew.
    #[error("an earlier write failed; the ledger must be opened anew")]
    Failed,
    /// A stored row is not what was written.
    #[error("a row of family {family} is corrupt: {what}; {ADVICE}")]
    Corrupt {
        /// The column family.
        family: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The tree cannot be updated or read.
    #[error("the tree of the state at height {height} cannot be used: {what}")]
    Tree {
        /// Height of the tree.
        height: Height,
        /// Why.
        what: String,
    },
    /// A block or a preview does not stand on the head.
    #[error("{what} stands on {parent}, but the head is {head} at height {height}")]
    OtherHead {
        /// The block or the preview.
        what: &'static str,
        /// What it stands on.
        parent: BlockHash,
        /// The head's hash.
        head: BlockHash,
        /// The head's height.
        height: Height,
    },
    /// Parts of what is to be committed contradict each other.
    #[error("block {height} cannot be committed: {what}")]
    Mismatch {
        /// Height of the block.
        height: Height,
        /// What does not agree.
        what: &'static str,
    },
    /// More blocks of one height are waiting for a decision than may.
    #[error("height {height} has {limit} undecided blocks already")]
    TooManyUndecided {
        /// The height.
        height: Height,
        /// Most blocks.
        limit: usize,
    },
    /// The height is above the head.
    #[error("height {height} is above the head at {head}")]
    UnknownHeight {
        /// The height asked for.
        height: Height,
        /// The head's height.
        head: Height,
    },
    /// The height is known, but its state is no longer kept.
    #[error("the state of height {height} is no longer kept")]
    Pruned {
        /// The height asked for.
        height: Height,
    },
    /// A proof cannot begin behind the block that it is of.
    #[error("the trusted height {trusted} is above the proof's at {height}")]
    TrustedAbove {
        /// Where the proof should begin.
        trusted: Height,
        /// The height that is proven.
        height: Height,
    },
    /// A proof that nobody would read.
    #[error("the proof would be larger than {limit} bytes")]
    ProofTooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// The state before a block cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl LedgerError {
    /// Whether the files are not what was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. } => source.is_damage(),
            Self::Corrupt { .. } => true,
            _ => false,
        }
    }
}

impl From<LedgerError> for StateError {
    /// The rules know no database: they are told the whole chain of causes in one line.
    fn from(error: LedgerError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self(text)
    }
}
