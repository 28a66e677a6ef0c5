//! Pieces that were read, kept for a while and passed on.
//!
//! ```text
//! DIR/<hash>.<number>    what was read of a piece, each group where it belongs; emptied at start
//! in memory              which groups are there, the hash tree as far as it came, who uses what
//! ```
//!
//! A cached piece is nobody's promise: it is not synced, it goes when there is no room for others that were used later,
//! and no start of the node finds it again. What is given out of it is hashed up to the piece on the way, like anything
//! that a provider gives, so that a damaged disk is noticed here and not by others.
//!
//! A piece can be passed on while it still comes: whoever reads a window that is promised waits for it. That is what
//! makes many who start to read a file together take most of it from each other.

mod entry;
mod lru;
mod writer;

pub(crate) use entry::CacheReader;
pub(crate) use writer::CacheWriter;

use entry::Entry;
use lru::Lru;
use parking_lot::Mutex;
use pieces::{PieceHash, outboard_bytes};
use std::fmt;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::{debug, warn};

/// Bytes of a cache unless the operator says otherwise.
pub const CACHE_BYTES: u64 = 1024 * 1024 * 1024;
/// Pieces of a cache, however small they are.
pub const CACHED_PIECES_MAX: usize = 16 * 1024;
/// What a piece takes beside its bytes and its hash tree: its place in the folder, and what is known of it in memory.
const PIECE_OVERHEAD_BYTES: u64 = 4096;

/// How much a cache may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of pieces on disk, together with their hash trees, which take a 256th of that in memory.
    pub bytes: u64,
    /// Bytes that stay free on the disk.
    pub reserve_bytes: u64,
}

/// Why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}")]
pub struct CacheError {
    what: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Pieces that were read. Can be shared among threads; a folder has one cache at a time.
pub struct PieceCache {
    dir: PathBuf,
    limits: CacheLimits,
    kept: Mutex<Lru<Arc<Entry>>>,
    next_number: AtomicU64,
}

impl fmt::Debug for PieceCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceCache").field("dir", &self.dir).field("used_bytes", &self.used_bytes()).finish()
    }
}

impl PieceCache {
    /// An empty cache in `dir`. Whatever lies in that folder is deleted.
    ///
    /// # Errors
    /// The folder cannot be emptied or made.
    pub fn open(dir: &Path, limits: CacheLimits) -> Result<Self, CacheError> {
        let failed = |what| move |source| CacheError { what, path: dir.to_owned(), source };
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("empty")(error)),
            _ => fs::create_dir_all(dir).map_err(failed("create"))?,
        }
        let kept = Mutex::new(Lru::new(limits.bytes, CACHED_PIECES_MAX));
        Ok(Self { dir: dir.to_owned(), limits, kept, next_number: AtomicU64::new(0) })
    }

    /// Bytes that are taken, hash trees and all.
    pub fn used_bytes(&self) -> u64 {
        self.kept.lock().used_bytes()
    }

    /// Bytes that may be taken.
    pub fn limit_bytes(&self) -> u64 {
        self.limits.bytes
    }

    /// Pieces that are here, whole or in part.
    pub fn piece_count(&self) -> usize {
        self.kept.lock().len()
    }

    /// Whether the piece is here as a whole. Blocks.
    pub fn has(&self, piece: &PieceHash) -> bool {
        self.peek(piece).is_some_and(|entry| entry.is_whole() && entry.path.is_file())
    }

    /// Whether something of the piece is here, or about to come.
    pub(crate) fn has_some(&self, piece: &PieceHash) -> bool {
        self.peek(piece).is_some()
    }

    /// The piece, to be read as far as it is here or comes. Blocks.
    pub(crate) fn reader(self: &Arc<Self>, piece: &PieceHash, piece_bytes: u64) -> Option<CacheReader> {
        let entry = self.kept.lock().get(piece).filter(|entry| entry.piece_bytes == piece_bytes).cloned()?;
        match fs::File::open(&entry.path) {
            Ok(file) => Some(CacheReader::new(Arc::clone(self), entry, file)),
            Err(error) => {
                // Somebody deleted it.
                debug!(%piece, %error, "a cached piece is gone");
                self.give_up(&entry);
                None
            }
        }
    }

    /// Takes what is going to be read of a piece. None if it cannot be kept; that is nobody's misfortune. Blocks.
    pub(crate) fn writer(
        self: &Arc<Self>,
        piece: PieceHash,
        piece_bytes: u64,
        range: Range<u64>,
    ) -> Option<CacheWriter> {
        match self.entry(piece, piece_bytes) {
            Ok(entry) => CacheWriter::new(Arc::clone(self), entry?, &range),
            Err(error) => {
                warn!(dir = %self.dir.display(), %error, "cannot keep what is read");
                None
            }
        }
    }

    /// The piece's entry, a new one if there is none. None if there is no room for one.
    fn entry(&self, piece: PieceHash, piece_bytes: u64) -> io::Result<Option<Arc<Entry>>> {
        if let Some(entry) = self.kept.lock().get(&piece) {
            return Ok((entry.piece_bytes == piece_bytes).then(|| Arc::clone(entry)));
        }
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{piece}.{number}"));
        fs::File::create_new(&path)?;
        let overhead = outboard_bytes(piece_bytes).saturating_add(PIECE_OVERHEAD_BYTES);
        let (entry, evicted) = {
            let mut kept = self.kept.lock();
            match kept.get(&piece) {
                // Another reader of the same piece came first.
                Some(entry) => (Some(Arc::clone(entry)), None),
                None => {
                    let entry = Arc::new(Entry::new(piece, piece_bytes, path.clone()));
                    let evicted = kept.insert(piece, overhead, Arc::clone(&entry));
                    (evicted.is_some().then_some(entry), evicted)
                }
            }
        };
        if evicted.is_none() {
            fs::remove_file(&path)?;
        }
        evicted.into_iter().flatten().for_each(|entry| entry.delete());
        Ok(entry.filter(|entry| entry.piece_bytes == piece_bytes))
    }

    fn peek(&self, piece: &PieceHash) -> Option<Arc<Entry>> {
        self.kept.lock().peek(piece).cloned()
    }

    /// Room for so many bytes more of a piece, others making way. Whether there is.
    fn make_room(&self, entry: &Arc<Entry>, bytes: u64) -> bool {
        // A disk that cannot be asked is taken for full.
        let free = fs4::available_space(&self.dir).unwrap_or(0);
        if free < self.limits.reserve_bytes.saturating_add(bytes) {
            return false;
        }
        let evicted = {
            let mut kept = self.kept.lock();
            let is_kept = kept.peek(&entry.piece).is_some_and(|known| Arc::ptr_eq(known, entry));
            if is_kept { kept.grow(&entry.piece, bytes) } else { None }
        };
        let has_room = evicted.is_some();
        evicted.into_iter().flatten().for_each(|entry| entry.delete());
        has_room
    }

    /// Forgets a piece and deletes its file.
    fn give_up(&self, entry: &Arc<Entry>) {
        {
            let mut kept = self.kept.lock();
            if kept.peek(&entry.piece).is_some_and(|known| Arc::ptr_eq(known, entry)) {
                kept.remove(&entry.piece);
            }
        }
        entry.delete();
    }
}

#[cfg(test)]
mod tests;
