//! Putting files and rows in agreement, and letting go of what nobody recorded.

use super::{PAGE_ROWS_MAX, PieceKey, PieceRow, PieceStore, StoreError};
use pieces::PieceHash;
use std::collections::HashMap;

/// Pieces that a sweep takes together: rows that name them are found in one pass over the index.
const LOST_AT_ONCE_MAX: usize = 16 * 1024;

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Pieces in the index whose files were missing: given up.
    pub lost: u64,
    /// Files that no row names: removed.
    pub orphans: u64,
    /// Rows that were never recorded in time: removed.
    pub unrecorded: u64,
}

impl PieceStore {
    /// Removes rows without a file and files without a row. Other threads may read and write meanwhile.
    ///
    /// # Errors
    /// The disk cannot be read or written.
    pub fn sweep(&self) -> Result<SweepReport, StoreError> {
        let lost = self.sweep_rows()?;
        let orphans = self.sweep_files()?;
        Ok(SweepReport { lost, orphans, unrecorded: 0 })
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

    /// Removes files that no row names. Files that are no pieces are left alone.
    fn sweep_files(&self) -> Result<u64, StoreError> {
        let mut orphans = 0;
        self.files.walk(|found| {
            let Some(hash) = found.piece else {
                return Ok(());
            };
            if self.index.piece_bytes(&hash)?.is_none() {
                // Looks again once nobody else moves its files.
                self.collect(&hash)?;
                orphans += u64::from(!found.is_outboard);
            }
            Ok(())
        })?;
        Ok(orphans)
    }

    /// Takes the files into an index that knows nothing.
    pub(super) fn adopt(&self) -> Result<u64, StoreError> {
        let mut adopted = 0;
        self.files.walk(|found| {
            let Some(hash) = found.piece.filter(|_| !found.is_outboard) else {
                return Ok(());
            };
            if let Ok(piece_bytes) = u32::try_from(found.bytes)
                && piece_bytes > 0
            {
                self.index.adopt(&hash, piece_bytes)?;
                adopted += 1;
            }
            Ok(())
        })?;
        self.index.sync()?;
        Ok(adopted)
    }
}
