//! Putting files and rows in agreement, and letting go of what nobody recorded.

use super::{PAGE_ROWS_MAX, PieceKey, PieceRow, PieceStore, StoreError};
use pieces::PieceHash;
use runtime::types::Epoch;
use std::collections::{HashMap, HashSet};

/// Pieces that a sweep takes together: rows that name them are found in one pass over the index.
const LOST_AT_ONCE_MAX: usize = 16 * 1024;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Pieces in the index whose files were missing: given up.
    pub lost: u64,
    /// Files that the index did not know: taken in, and kept.
    pub adopted: u64,
    /// Rows that were never recorded in time: removed.
    pub unrecorded: u64,
}

/// Pieces that no row names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unowned {
    /// Let go of.
    pub released: u64,
    /// Kept for now.
    pub kept: u64,
}

impl PieceStore {
    /// Removes rows without a file, and takes in files that the index does not know. Other threads may read and write meanwhile.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn sweep(&self) -> Result<SweepReport, StoreError> {
        let lost = self.sweep_rows()?;
        let adopted = self.adopt()?;
        Ok(SweepReport { lost, adopted, unrecorded: 0 })
    }

    /// Removes the rows whose `store_by_ms` is past and of which `is_recorded` says that the ledger does not name them;
    /// those it does are marked and not asked for again.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn sweep_unrecorded(
        &self,
        now_ms: u64,
        is_recorded: impl Fn(&PieceKey, &PieceRow) -> bool,
    ) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        let mut after: Option<PieceKey> = None;
        loop {
            let page = self.rows(after.as_ref(), PAGE_ROWS_MAX)?;
            let Some((last, _)) = page.last() else {
                return Ok(report);
            };
            after = Some(*last);
            for (key, row) in page.iter().filter(|(_, row)| !row.recorded && row.store_by_ms < now_ms) {
                if is_recorded(key, row) {
                    self.mark_recorded(key)?;
                } else {
                    // Unless the piece was put again in the meantime.
                    self.release_if(key, |now| now == row)?;
                    report.unrecorded += 1;
                }
            }
        }
    }

    /// Gives up pieces whose files are missing or of another length.
    fn sweep_rows(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        loop {
            let mut lost = HashMap::new();
            self.index.each_piece(|hash, piece_bytes| {
                if lost.len() < LOST_AT_ONCE_MAX && !self.files.has(&hash, piece_bytes) {
                    lost.insert(hash, piece_bytes);
                }
                Ok(())
            })?;
            // A piece that is put just now has its file before its row: whoever writes rows waits for this second look.
            let still_lost = |hash: &PieceHash| lost.get(hash).is_some_and(|bytes| !self.files.has(hash, *bytes));
            let gone = self.index.forget(lost.keys().copied().collect(), still_lost)?;
            if gone == 0 {
                return Ok(count);
            }
            for hash in lost.keys() {
                self.collect(hash)?;
            }
            count += gone;
        }
    }

    /// Takes in the files of pieces that the index does not know. Files that are no pieces are left alone.
    fn adopt(&self) -> Result<u64, StoreError> {
        let mut adopted = 0;
        self.files.walk(|hash| {
            if self.index.piece_bytes(&hash)?.is_none() {
                adopted += u64::from(self.take_in(&hash)?);
            }
            Ok(())
        })?;
        if adopted > 0 {
            self.index.sync()?;
        }
        Ok(adopted)
    }

    /// Takes in one, unless it was moved meanwhile; a hash tree that is left without its piece goes. Whether it did.
    fn take_in(&self, hash: &PieceHash) -> Result<bool, StoreError> {
        let _busy = self.lock(*hash);
        if self.index.piece_bytes(hash)?.is_some() {
            return Ok(false);
        }
        let Some(bytes) = self.files.bytes(hash)? else {
            self.files.remove(hash)?;
            return Ok(false);
        };
        // No piece is empty or this long.
        let Some(piece_bytes) = u32::try_from(bytes).ok().filter(|bytes| *bytes > 0) else { return Ok(false) };
        self.index.adopt(hash, piece_bytes)?;
        Ok(true)
    }

    /// Whether there are pieces that no row names: left by a crash, or by an index that was damaged.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn has_unowned(&self) -> Result<bool, StoreError> {
        let mut any = false;
        self.index.each_unowned(|_| {
            any = true;
            Ok(())
        })?;
        Ok(any)
    }

    /// Writes the row of a piece that the ledger records here, if the piece is here and has none under this key.
    /// Whether it did.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn restore_row(&self, key: &PieceKey, until_epoch: Epoch) -> Result<bool, StoreError> {
        let _busy = self.lock(key.piece_hash);
        let Some(piece_bytes) = self.index.piece_bytes(&key.piece_hash)? else { return Ok(false) };
        if self.index.row(key)?.is_some() {
            return Ok(false);
        }
        let Ok(piece_bytes) = u32::try_from(piece_bytes) else { return Ok(false) };
        self.index.insert(key, &PieceRow { piece_bytes, until_epoch, store_by_ms: 0, recorded: true })?;
        Ok(true)
    }

    /// Lets go of the pieces that no row names and of which `may_go`, told when the piece was written, in milliseconds
    /// since 1970, says that nothing can be promised any more. Call it once every row that the ledger records is restored.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn release_unowned(&self, may_go: impl Fn(u64) -> bool) -> Result<Unowned, StoreError> {
        let (mut going, mut all) = (HashSet::new(), 0_u64);
        self.index.each_unowned(|hash| {
            all += 1;
            if going.len() < LOST_AT_ONCE_MAX && self.files.written_ms(&hash).is_some_and(&may_go) {
                going.insert(hash);
            }
            Ok(())
        })?;
        // One that is put just now has its row when this looks again, or writes an entry of its own later.
        let released = self.index.forget(going.clone(), |hash| self.index.is_unowned(hash).unwrap_or(false))?;
        self.index.sync()?;
        for hash in &going {
            self.collect(hash)?;
        }
        Ok(Unowned { released, kept: all.saturating_sub(released) })
    }
}
