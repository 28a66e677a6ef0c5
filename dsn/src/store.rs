//! The pieces a provider keeps.
//!
//! ```text
//! DIR/files/ab/cd/<hash>         a piece: exactly its bytes, so `b3sum` prints its name
//! DIR/files/ab/cd/<hash>.obao    its hash tree, beside pieces above 1 MiB
//! DIR/tmp/                       pieces being written; emptied at start
//! DIR/damaged/                   pieces that were found damaged, the first few, for whoever wants to know why
//! DIR/index/                     RocksDB: (deal, segment, index, hash) -> terms; hash -> length and reference count
//! DIR/index.damaged/             the last index that was found damaged
//! ```
//!
//! A row exists only for bytes on disk: file synced, renamed, folder synced, then the row synced. Whatever is found
//! otherwise at the start is put right by a sweep: rows without a file go, and files without a row are taken in, since a
//! damaged index has no rows either. Such a piece is served, and is let go of only once whoever follows the ledger has
//! written the rows that it records ([`PieceStore::restore_row`]) and says that no promise can be left
//! ([`PieceStore::release_unowned`]).
//!
//! All methods block: call them on blocking threads.

mod files;
mod index;
mod room;
mod scrub;
mod sums;
mod sweep;
mod writer;

pub use index::{PieceKey, PieceRow};
pub use room::UnrecordedQuota;
pub use sweep::{SweepReport, Unowned};
pub use writer::{FinishError, PieceTerms, PieceWriter};

use files::Files;
use index::Index;
use parking_lot::{Condvar, Mutex};
use pieces::{PieceHash, PieceReader, SliceError};
use room::Reserved;
use runtime::types::DealId;
use std::collections::HashSet;
use std::error::Error as _;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tracing::{info, warn};

/// Pieces above this keep their hash tree beside them; that of a smaller piece is computed faster than it is read.
pub const OUTBOARD_FROM_BYTES: u64 = 1024 * 1024;
/// Most rows of a page.
pub const PAGE_ROWS_MAX: usize = 1024;

/// A piece that is read from disk.
#[derive(Debug)]
pub struct StoredPiece {
    /// Cuts slices of it and proves parts of it.
    pub reader: PieceReader<File, Vec<u8>>,
    /// Its length.
    pub piece_bytes: u64,
}

/// How much a store may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of pieces, together with those being written.
    pub quota_bytes: u64,
    /// Bytes that stay free on the disk.
    pub reserve_bytes: u64,
}

/// Why the store cannot do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or a folder.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The index.
    #[error("cannot {what} the index of {path}")]
    Index {
        /// What was tried.
        what: &'static str,
        /// The store's folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rocksdb::Error,
    },
    /// A row is not one: the index was written by something else, or the disk lies.
    #[error("the index of {path} holds something that is no row")]
    Row {
        /// The store's folder.
        path: PathBuf,
    },
    /// The index lacks what was synced, or files of it are missing.
    #[error("the index of {path} is damaged: {what}")]
    Damaged {
        /// The store's folder.
        path: PathBuf,
        /// What is the matter.
        what: String,
    },
    /// No room in the quota.
    #[error("{wanted} bytes do not fit: {used} of {quota} are taken")]
    Quota {
        /// Bytes of the piece.
        wanted: u64,
        /// Bytes taken, with those being written.
        used: u64,
        /// Bytes that may be taken.
        quota: u64,
    },
    /// No room in what may lie here before a block records it.
    #[error("{wanted} bytes do not fit: {used} of the {quota} that {whose} may have unrecorded are taken")]
    Unrecorded {
        /// Whose room it is.
        whose: &'static str,
        /// Bytes of the piece.
        wanted: u64,
        /// Bytes taken, with those being written.
        used: u64,
        /// Bytes that may be taken.
        quota: u64,
    },
    /// The folder is no longer the one that was opened.
    #[error("the folder {path} was deleted under the running node; start the node again")]
    Gone {
        /// The store's folder.
        path: PathBuf,
    },
    /// No room on the disk.
    #[error("the disk of {path} is full")]
    DiskFull {
        /// The store's folder.
        path: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let path = path.to_owned();
        match source.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::DiskFull { path },
            _ => Self::Io { what, path, source },
        }
    }

    /// Whether another provider may have the room that lacks here.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Quota { .. } | Self::Unrecorded { .. } | Self::DiskFull { .. } => true,
            Self::Index { source, .. } => source.as_ref().contains("No space left"),
            Self::Io { .. } | Self::Row { .. } | Self::Damaged { .. } | Self::Gone { .. } => false,
        }
    }

    /// Whether the index on disk is not what was written.
    fn is_damage(&self) -> bool {
        use rocksdb::ErrorKind::{Corruption, IOError, InvalidArgument, NotFound, NotSupported};
        match self {
            Self::Row { .. } | Self::Damaged { .. } => true,
            // A manifest or a table that does not read may name files that never were, or what nobody can do.
            Self::Index { source, .. } => match source.kind() {
                Corruption | InvalidArgument | NotFound | NotSupported => true,
                IOError => source.as_ref().contains("No such file"),
                _ => false,
            },
            Self::Io { .. }
            | Self::Quota { .. }
            | Self::Unrecorded { .. }
            | Self::Gone { .. }
            | Self::DiskFull { .. } => false,
        }
    }
}

/// The pieces a provider keeps. Can be shared among threads; a folder has one store at a time.
pub struct PieceStore {
    files: Files,
    index: Index,
    limits: StoreLimits,
    /// Room promised to pieces being written.
    reserved: Mutex<Reserved>,
    /// Pieces whose files are being put in place or taken away.
    busy: Mutex<HashSet<PieceHash>>,
    idle: Condvar,
    /// Counts up from the opening.
    damaged: AtomicU64,
    scrubbed_bytes: AtomicU64,
}

impl fmt::Debug for PieceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceStore").field("dir", &self.files.dir()).field("used_bytes", &self.used_bytes()).finish()
    }
}

impl PieceStore {
    /// Opens the store in `dir`, makes it if there is none, and sweeps it: half-written files are taken away, and rows
    /// whose files are missing. A folder whose index is gone or damaged keeps its files and serves them.
    ///
    /// # Errors
    /// The folder cannot be read or written, or another process has it open.
    pub fn open(dir: &Path, limits: StoreLimits) -> Result<Self, StoreError> {
        // The index first: it is what keeps a second store out of the folder.
        let (index, damage) = Index::open(dir)?;
        let files = Files::open(dir)?;
        let (reserved, busy) = (Mutex::default(), Mutex::default());
        let (damaged, scrubbed_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let store = Self { files, index, limits, reserved, busy, idle: Condvar::new(), damaged, scrubbed_bytes };
        let swept = store.sweep()?;
        let adopted = swept.adopted;
        if let Some(error) = damage {
            let (source, kept) = (error.source(), dir.join(index::SET_ASIDE));
            let (dir, kept) = (dir.display(), kept.display());
            warn!(%dir, %error, ?source, %kept, adopted, "the index is set aside; a new one is made of the files");
        } else if adopted > 0 {
            warn!(dir = %dir.display(), adopted, "the index does not know these pieces; they are kept until the ledger is asked");
        }
        let sums::Totals { pieces, bytes, .. } = store.index.totals();
        info!(dir = %dir.display(), pieces, bytes, lost = swept.lost, adopted, "piece store is open");
        Ok(store)
    }

    /// Whether the piece is here: in the index, and its file has the right length. A row found without its file is
    /// removed.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn has(&self, hash: &PieceHash) -> Result<bool, StoreError> {
        let Some(piece_bytes) = self.index.piece_bytes(hash)? else {
            return Ok(false);
        };
        if self.files.has(hash, piece_bytes) {
            return Ok(true);
        }
        self.lose(hash)?;
        Ok(false)
    }

    /// The piece, ready to be read and to prove parts of it. A row found without its file is removed.
    ///
    /// # Errors
    /// The index or the file cannot be read.
    pub fn open_piece(&self, hash: &PieceHash) -> Result<Option<StoredPiece>, StoreError> {
        let Some(piece_bytes) = self.index.piece_bytes(hash)? else {
            return Ok(None);
        };
        let Some((file, outboard)) = self.files.read(hash, piece_bytes)? else {
            self.lose(hash)?;
            return Ok(None);
        };
        match PieceReader::new(file, outboard, *hash, piece_bytes) {
            Ok(reader) => Ok(Some(StoredPiece { reader, piece_bytes })),
            // The lengths were checked when the piece was taken.
            Err(SliceError::Piece { .. } | SliceError::Outboard { .. }) => Ok(None),
            Err(error) => Err(StoreError::io("read", &self.files.path(hash), io::Error::other(error))),
        }
    }

    /// What is kept for one piece of a deal.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn row(&self, key: &PieceKey) -> Result<Option<PieceRow>, StoreError> {
        self.index.row(key)
    }

    /// What is kept for one piece of a deal, whatever its bytes: more than one row if an upload was tried again with
    /// other bytes and it is not known yet which of them is recorded.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn rows_of(&self, deal: &DealId, segment: u16, index: u8) -> Result<Vec<(PieceKey, PieceRow)>, StoreError> {
        self.index.rows_of(deal, segment, index)
    }

    /// Up to `limit` rows behind `after`, in order, at most [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn rows(&self, after: Option<&PieceKey>, limit: usize) -> Result<Vec<(PieceKey, PieceRow)>, StoreError> {
        self.index.rows(after, limit.min(PAGE_ROWS_MAX))
    }

    /// Gives up one piece of a deal; its bytes go with the last row that names them. Nothing if there is no such row.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn release(&self, key: &PieceKey) -> Result<(), StoreError> {
        self.release_if(key, |_| true)
    }

    fn release_if(&self, key: &PieceKey, which: impl Fn(&PieceRow) -> bool) -> Result<(), StoreError> {
        if self.index.remove(key, which)? {
            self.index.sync()?;
            self.collect(&key.piece_hash)?;
        }
        Ok(())
    }

    /// Marks one piece of a deal as recorded on the ledger, so that [`sweep_unrecorded`](Self::sweep_unrecorded) asks
    /// no more.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn mark_recorded(&self, key: &PieceKey) -> Result<(), StoreError> {
        self.index.mark_recorded(key)
    }

    /// Bytes of all pieces.
    pub fn used_bytes(&self) -> u64 {
        self.index.totals().bytes
    }

    /// Different pieces.
    pub fn piece_count(&self) -> u64 {
        self.index.totals().pieces
    }

    /// Bytes of rows that are not known to be recorded.
    pub fn unrecorded_bytes(&self) -> u64 {
        self.index.totals().unrecorded_bytes
    }

    /// The store's limits.
    pub fn limits(&self) -> StoreLimits {
        self.limits
    }

    /// A row whose file is gone: unless the file is being put in place right now.
    fn lose(&self, hash: &PieceHash) -> Result<(), StoreError> {
        let _busy = self.lock(*hash);
        if let Some(piece_bytes) = self.index.piece_bytes(hash)?
            && !self.files.has(hash, piece_bytes)
        {
            warn!(piece = %hash, "the piece's file is gone, giving it up");
            self.index.forget(HashSet::from([*hash]), |_| true)?;
            self.files.remove(hash)?;
        }
        Ok(())
    }

    /// Takes away the files of a piece that no row names.
    fn collect(&self, hash: &PieceHash) -> Result<(), StoreError> {
        let _busy = self.lock(*hash);
        match self.index.piece_bytes(hash)? {
            Some(_) => Ok(()),
            None => self.files.remove(hash),
        }
    }

    /// Waits until nobody else moves the files of this piece.
    fn lock(&self, hash: PieceHash) -> Busy<'_> {
        let mut busy = self.busy.lock();
        while !busy.insert(hash) {
            self.idle.wait(&mut busy);
        }
        Busy { store: self, hash }
    }

    /// Starts to take a piece of at most `piece_bytes_max` bytes, for which room is kept until it is finished or
    /// dropped.
    ///
    /// # Errors
    /// [`StoreError::Quota`] or [`StoreError::DiskFull`] if it does not fit, or the disk cannot be written.
    pub fn begin(self: &Arc<Self>, piece_bytes_max: u32) -> Result<PieceWriter, StoreError> {
        PieceWriter::new(Arc::clone(self), piece_bytes_max, None)
    }

    /// As [`begin`](Self::begin), for a piece that no block records yet: within the quota for those.
    ///
    /// # Errors
    /// Also [`StoreError::Unrecorded`].
    pub fn begin_unrecorded(
        self: &Arc<Self>,
        piece_bytes_max: u32,
        quota: &UnrecordedQuota,
    ) -> Result<PieceWriter, StoreError> {
        PieceWriter::new(Arc::clone(self), piece_bytes_max, Some(quota))
    }
}

/// Nobody else moves the files of this piece.
struct Busy<'a> {
    store: &'a PieceStore,
    hash: PieceHash,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.store.busy.lock().remove(&self.hash);
        self.store.idle.notify_all();
    }
}
