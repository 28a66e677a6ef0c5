//! Taking a piece: written as it comes, hashed on the way, put in place at the end.

use super::{OUTBOARD_FROM_BYTES, PieceKey, PieceRow, PieceStore, StoreError, UnrecordedQuota};
use fail::fail_point;
use pieces::{PieceHash, PieceHasher};
use runtime::types::{DealId, Epoch};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// What a piece is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceTerms {
    /// The deal that founded the file.
    pub deal: DealId,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// Piece of the segment, from 0.
    pub index: u8,
    /// Promised until this epoch begins.
    pub until_epoch: Epoch,
    /// Unless it is recorded by this block time, it may go.
    pub store_by_ms: u64,
    /// The ledger is known to record it.
    pub recorded: bool,
}

/// Why a piece was not taken; then nothing is kept of it.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The bytes are another piece.
    #[error("the bytes that came are piece {actual}, not {expected}")]
    Hash {
        /// The piece that was announced.
        expected: PieceHash,
        /// The piece that came.
        actual: PieceHash,
    },
    /// There are more or fewer bytes.
    #[error("{actual} bytes came, not {expected}")]
    Length {
        /// Bytes that were announced.
        expected: u32,
        /// Bytes that came.
        actual: u32,
    },
    /// The disk.
    #[error("cannot keep the piece")]
    Store(#[source] StoreError),
}

/// A piece being written. Dropped unfinished, nothing is left of it.
#[derive(Debug)]
pub struct PieceWriter {
    store: Arc<PieceStore>,
    file: File,
    tmp: PathBuf,
    hasher: PieceHasher,
    written: u32,
    reserved: u32,
    /// The deal whose unrecorded bytes the room is counted among.
    unrecorded: Option<DealId>,
}

impl PieceWriter {
    pub(super) fn new(
        store: Arc<PieceStore>,
        piece_bytes_max: u32,
        quota: Option<&UnrecordedQuota>,
    ) -> Result<Self, StoreError> {
        store.reserve(u64::from(piece_bytes_max), quota)?;
        let unrecorded = quota.map(|quota| quota.deal);
        match store.files.create_tmp() {
            Ok((file, tmp)) => {
                let hasher = PieceHasher::new();
                Ok(Self { store, file, tmp, hasher, written: 0, reserved: piece_bytes_max, unrecorded })
            }
            Err(error) => {
                store.unreserve(u64::from(piece_bytes_max), unrecorded.as_ref());
                Err(error)
            }
        }
    }

    /// Bytes that may still come.
    pub fn room(&self) -> u32 {
        self.reserved.saturating_sub(self.written)
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// The disk is full or broken, or there are more bytes than were reserved.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let count = u32::try_from(bytes.len()).ok().filter(|count| *count <= self.room());
        let Some(count) = count else {
            let (wanted, quota) = (u64::try_from(bytes.len()).unwrap_or(u64::MAX), u64::from(self.reserved));
            return Err(StoreError::Quota { wanted, used: u64::from(self.written), quota });
        };
        self.file.write_all(bytes).map_err(|error| StoreError::io("write", &self.tmp, error))?;
        self.hasher.push(bytes);
        self.written += count;
        Ok(())
    }

    /// Ends the piece: once this returns, its bytes, its folder and its row are on disk.
    ///
    /// # Errors
    /// It is not the piece that was announced, or the disk is full or broken.
    pub fn finish(mut self, expected: PieceHash, expected_bytes: u32, terms: PieceTerms) -> Result<(), FinishError> {
        let piece_bytes = self.written;
        if piece_bytes != expected_bytes {
            return Err(FinishError::Length { expected: expected_bytes, actual: piece_bytes });
        }
        let (piece_hash, tree) = std::mem::take(&mut self.hasher).finish();
        if piece_hash != expected {
            return Err(FinishError::Hash { expected, actual: piece_hash });
        }
        let tree = (u64::from(piece_bytes) > OUTBOARD_FROM_BYTES).then_some(tree);
        let PieceTerms { deal, segment, index, until_epoch, store_by_ms, recorded } = terms;
        let key = PieceKey { deal, segment, index, piece_hash };
        let row = PieceRow { piece_bytes, until_epoch, store_by_ms, recorded };
        self.keep(&key, &row, tree.as_deref()).map_err(FinishError::Store)
    }

    fn keep(&mut self, key: &PieceKey, row: &PieceRow, tree: Option<&[u8]>) -> Result<(), StoreError> {
        fail_point!("dsn::piece::before_sync");
        self.file.sync_all().map_err(|error| StoreError::io("sync", &self.tmp, error))?;
        let store = Arc::clone(&self.store);
        let _busy = store.lock(key.piece_hash);
        fail_point!("dsn::piece::after_sync");
        self.store.files.place(&self.tmp, &key.piece_hash, tree)?;
        fail_point!("dsn::piece::before_row");
        let (reserved, deal) = (u64::from(self.reserved), self.unrecorded.as_ref());
        self.store.redeem(reserved, deal, || self.store.index.insert(key, row))?;
        (self.reserved, self.unrecorded) = (0, None);
        fail_point!("dsn::piece::after_row");
        self.store.index.sync()?;
        fail_point!("dsn::piece::after_row_sync");
        Ok(())
    }
}

impl Drop for PieceWriter {
    fn drop(&mut self) {
        // Gone already if the piece was put in place; otherwise the next start would remove it too.
        drop(fs::remove_file(&self.tmp));
        self.store.unreserve(u64::from(self.reserved), self.unrecorded.as_ref());
    }
}
