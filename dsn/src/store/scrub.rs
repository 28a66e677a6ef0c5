//! Looking at pieces that nobody asks for, before somebody does.

use super::{PieceStore, StoreError};
use pieces::PieceHash;
use std::sync::atomic::Ordering;
use tracing::warn;

impl PieceStore {
    /// The first piece behind `after` in the order of hashes, whether or not there is one of that name; from the first
    /// again behind the last. None if nothing is kept.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn piece_behind(&self, after: &PieceHash) -> Result<Option<PieceHash>, StoreError> {
        match self.index.piece_behind(Some(after))? {
            None => self.index.piece_behind(None),
            found => Ok(found),
        }
    }

    /// Reads a piece and its hash tree from disk and holds them against its name; one that is damaged is given up as by
    /// [`recheck`](Self::recheck). How many bytes were read.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn scrub(&self, hash: &PieceHash) -> Result<u64, StoreError> {
        // One that was released in the meantime is nobody's concern.
        let Some(piece_bytes) = self.index.piece_bytes(hash)? else { return Ok(0) };
        if !self.files.is_whole(hash, piece_bytes)? {
            self.recheck(hash)?;
        }
        self.scrubbed_bytes.fetch_add(piece_bytes, Ordering::Relaxed);
        Ok(piece_bytes)
    }

    /// Hashes a piece that was found damaged. If only its hash tree was, that is written anew; otherwise the piece is
    /// lost: its rows go, and its file is set aside, in the folder `damaged`. Returns whether it is whole.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn recheck(&self, hash: &PieceHash) -> Result<bool, StoreError> {
        let Some(piece_bytes) = self.index.piece_bytes(hash)? else {
            return Ok(false);
        };
        let _busy = self.lock(*hash);
        if self.files.rebuild_outboard(hash, piece_bytes)? {
            return Ok(true);
        }
        self.index.forget([*hash].into(), |_| true)?;
        let kept = self.files.set_aside(hash)?;
        self.damaged.fetch_add(1, Ordering::Relaxed);
        let kept = kept.map(|path| path.display().to_string()).unwrap_or_default();
        warn!(piece = %hash, piece_bytes, kept, "a piece is damaged and given up; put its file again to mend it");
        Ok(false)
    }

    /// Pieces that were found damaged since the store was opened.
    pub fn damaged_count(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Bytes that were looked at since the store was opened, though nobody asked for them.
    pub fn scrubbed_bytes(&self) -> u64 {
        self.scrubbed_bytes.load(Ordering::Relaxed)
    }
}
