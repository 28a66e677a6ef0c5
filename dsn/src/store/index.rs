//! Which pieces are kept, and what for: a small RocksDB.

use super::StoreError;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use parking_lot::Mutex;
use pieces::PieceHash;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Direction, IteratorMode, Options, WriteBatch};
use runtime::codec::decode_bounded;
use runtime::types::{DealId, Epoch};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Key: this tag, deal, segment and index, big endian. Value: version and [`PieceRow`].
const TAG_ROW: u8 = 1;
/// Key: this tag and the hash. Value: version and [`PieceEntry`].
const TAG_PIECE: u8 = 2;
/// The version of both values.
const VERSION: u8 = 1;
/// No value is longer.
const VALUE_BYTES_MAX: usize = 128;
const ROW_KEY_BYTES: usize = 1 + 32 + 2 + 1;
const PIECE_KEY_BYTES: usize = 1 + 32;

// There are several stores in a process and their indexes are small: a row and an entry are 150 bytes together.
const WRITE_BUFFER_BYTES: usize = 2 * 1024 * 1024;
const CACHE_BYTES: usize = 4 * 1024 * 1024;
const WAL_BYTES_MAX: u64 = 8 * 1024 * 1024;
const OPEN_FILES_MAX: i32 = 64;

/// Names one piece of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceKey {
    /// The deal that founded the file.
    pub deal: DealId,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// Piece of the segment, from 0.
    pub index: u8,
}

/// What is kept for one piece of a deal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct PieceRow {
    /// The piece.
    pub piece_hash: PieceHash,
    /// Its length.
    pub piece_bytes: u32,
    /// Promised until this epoch begins.
    pub until_epoch: Epoch,
    /// Unless it is recorded by this block time, it may go.
    pub store_by_ms: u64,
    /// The ledger is known to record it.
    pub recorded: bool,
}

/// A piece on disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
struct PieceEntry {
    piece_bytes: u32,
    /// Rows that name it; zero for a piece whose rows were lost with an earlier index.
    references: u32,
}

/// Rows, and pieces with their counts. Writes are atomic, and last once [`sync`](Self::sync) has returned.
pub(super) struct Index {
    db: DB,
    dir: PathBuf,
    /// Held while counts are read and written.
    counting: Mutex<()>,
    pieces: AtomicU64,
    bytes: AtomicU64,
}

impl Index {
    /// Opens the index of the store in `dir`; says whether there was none.
    pub(super) fn open(dir: &Path) -> Result<(Self, bool), StoreError> {
        let path = dir.join("index");
        let is_new = !path.join("CURRENT").exists();
        std::fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        let failed = |source| StoreError::Index { what: "open", path: dir.to_owned(), source };
        let db = DB::open(&options(), &path).map_err(failed)?;
        let (pieces, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let index = Self { db, dir: dir.to_owned(), counting: Mutex::new(()), pieces, bytes };
        index.each_piece(|_, piece_bytes| {
            index.count(true, piece_bytes);
            Ok(())
        })?;
        Ok((index, is_new))
    }

    /// Different pieces, and their bytes.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.pieces.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(super) fn row(&self, key: &PieceKey) -> Result<Option<PieceRow>, StoreError> {
        self.get(&row_key(key))
    }

    pub(super) fn rows(
        &self,
        after: Option<&PieceKey>,
        limit: usize,
    ) -> Result<Vec<(PieceKey, PieceRow)>, StoreError> {
        let from = after.map_or_else(|| vec![TAG_ROW], |key| [row_key(key).as_slice(), &[0]].concat());
        let mut rows = Vec::new();
        for item in self.db.iterator(IteratorMode::From(&from, Direction::Forward)) {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            if rows.len() >= limit || key.first() != Some(&TAG_ROW) {
                break;
            }
            rows.push((parse_row_key(&key).ok_or_else(|| self.no_row())?, self.decode(&value)?));
        }
        Ok(rows)
    }

    /// The length of a piece on disk.
    pub(super) fn piece_bytes(&self, hash: &PieceHash) -> Result<Option<u64>, StoreError> {
        Ok(self.entry(hash)?.map(|entry| u64::from(entry.piece_bytes)))
    }

    /// Visits all pieces on disk.
    pub(super) fn each_piece(
        &self,
        mut visit: impl FnMut(PieceHash, u64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for item in self.db.iterator(IteratorMode::From(&[TAG_PIECE], Direction::Forward)) {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            if key.first() != Some(&TAG_PIECE) {
                break;
            }
            let hash = parse_piece_key(&key).ok_or_else(|| self.no_row())?;
            let entry: PieceEntry = self.decode(&value)?;
            visit(hash, u64::from(entry.piece_bytes))?;
        }
        Ok(())
    }

    /// Writes a row. Returns the piece it named before, if now no row names that.
    pub(super) fn insert(&self, key: &PieceKey, row: &PieceRow) -> Result<Option<PieceHash>, StoreError> {
        let _counting = self.counting.lock();
        let before = self.row(key)?.map(|row| row.piece_hash);
        let mut batch = WriteBatch::default();
        batch.put(row_key(key), encode(row));
        if before == Some(row.piece_hash) && self.entry(&row.piece_hash)?.is_some() {
            self.write(batch)?;
            return Ok(None);
        }
        let entry = self.entry(&row.piece_hash)?;
        let is_new = entry.is_none();
        let references = entry.map_or(0, |entry| entry.references).saturating_add(1);
        let entry = PieceEntry { piece_bytes: row.piece_bytes, references };
        batch.put(piece_key(&row.piece_hash), encode(&entry));
        let unused = match before {
            Some(before) => self.unreference(&before, &mut batch)?,
            None => None,
        };
        self.write(batch)?;
        if is_new {
            self.count(true, u64::from(row.piece_bytes));
        }
        self.uncount(unused.as_ref());
        Ok(unused.map(|(hash, _)| hash))
    }

    /// Removes a row, if `which` says so. Returns the piece it named, if now no row names that.
    pub(super) fn remove(
        &self,
        key: &PieceKey,
        which: impl Fn(&PieceRow) -> bool,
    ) -> Result<Option<PieceHash>, StoreError> {
        let _counting = self.counting.lock();
        let Some(row) = self.row(key)?.filter(which) else {
            return Ok(None);
        };
        let mut batch = WriteBatch::default();
        batch.delete(row_key(key));
        let unused = self.unreference(&row.piece_hash, &mut batch)?;
        self.write(batch)?;
        self.uncount(unused.as_ref());
        Ok(unused.map(|(hash, _)| hash))
    }

    pub(super) fn mark_recorded(&self, key: &PieceKey) -> Result<(), StoreError> {
        let _counting = self.counting.lock();
        if let Some(row) = self.row(key)? {
            let mut batch = WriteBatch::default();
            batch.put(row_key(key), encode(&PieceRow { recorded: true, ..row }));
            self.write(batch)?;
        }
        Ok(())
    }

    /// Takes in a piece without a row.
    pub(super) fn adopt(&self, hash: &PieceHash, piece_bytes: u32) -> Result<(), StoreError> {
        let _counting = self.counting.lock();
        if self.entry(hash)?.is_none() {
            let mut batch = WriteBatch::default();
            batch.put(piece_key(hash), encode(&PieceEntry { piece_bytes, references: 0 }));
            self.write(batch)?;
            self.count(true, u64::from(piece_bytes));
        }
        Ok(())
    }

    /// Removes pieces and all rows that name them; of `lost` those that `still_lost` says, asked while no row is written.
    /// Returns how many pieces were removed.
    pub(super) fn forget(
        &self,
        mut lost: HashSet<PieceHash>,
        still_lost: impl Fn(&PieceHash) -> bool,
    ) -> Result<usize, StoreError> {
        let _counting = self.counting.lock();
        lost.retain(still_lost);
        let mut batch = WriteBatch::default();
        for item in self.db.iterator(IteratorMode::From(&[TAG_ROW], Direction::Forward)) {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            if key.first() != Some(&TAG_ROW) {
                break;
            }
            let row: PieceRow = self.decode(&value)?;
            if lost.contains(&row.piece_hash) {
                batch.delete(key);
            }
        }
        let mut gone = Vec::new();
        for hash in &lost {
            if let Some(entry) = self.entry(hash)? {
                batch.delete(piece_key(hash));
                gone.push((*hash, entry.piece_bytes));
            }
        }
        self.write(batch)?;
        gone.iter().for_each(|piece| self.uncount(Some(piece)));
        Ok(gone.len())
    }

    /// Makes everything written so far last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| self.failed("sync", error))
    }

    /// One row less names the piece; the last one takes the entry along.
    fn unreference(&self, hash: &PieceHash, batch: &mut WriteBatch) -> Result<Option<(PieceHash, u32)>, StoreError> {
        let Some(PieceEntry { piece_bytes, references }) = self.entry(hash)? else {
            return Ok(None);
        };
        match references.checked_sub(1) {
            None | Some(0) => {
                batch.delete(piece_key(hash));
                Ok(Some((*hash, piece_bytes)))
            }
            Some(references) => {
                batch.put(piece_key(hash), encode(&PieceEntry { piece_bytes, references }));
                Ok(None)
            }
        }
    }

    fn count(&self, more: bool, piece_bytes: u64) {
        if more {
            self.pieces.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(piece_bytes, Ordering::Relaxed);
        } else {
            self.pieces.fetch_sub(1, Ordering::Relaxed);
            self.bytes.fetch_sub(piece_bytes, Ordering::Relaxed);
        }
    }

    fn uncount(&self, gone: Option<&(PieceHash, u32)>) {
        if let Some((_, piece_bytes)) = gone {
            self.count(false, u64::from(*piece_bytes));
        }
    }

    fn entry(&self, hash: &PieceHash) -> Result<Option<PieceEntry>, StoreError> {
        self.get(&piece_key(hash))
    }

    fn get<T: Decode + DecodeWithMemTracking>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.db.get_pinned(key).map_err(|error| self.failed("read", error))?;
        value.map(|value| self.decode(&value)).transpose()
    }

    fn decode<T: Decode + DecodeWithMemTracking>(&self, value: &[u8]) -> Result<T, StoreError> {
        match value.split_first() {
            Some((&VERSION, value)) => decode_bounded(value, VALUE_BYTES_MAX).map_err(|_| self.no_row()),
            _ => Err(self.no_row()),
        }
    }

    fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.db.write(batch).map_err(|error| self.failed("write", error))
    }

    fn failed(&self, what: &'static str, source: rocksdb::Error) -> StoreError {
        StoreError::Index { what, path: self.dir.clone(), source }
    }

    fn no_row(&self) -> StoreError {
        StoreError::Row { path: self.dir.clone() }
    }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_paranoid_checks(true);
    options.set_keep_log_file_num(2);
    options.set_max_background_jobs(2);
    options
}

fn row_key(key: &PieceKey) -> [u8; ROW_KEY_BYTES] {
    let mut bytes = [0; ROW_KEY_BYTES];
    let fields =
        [&[TAG_ROW][..], key.deal.as_bytes(), &key.segment.to_be_bytes(), &[key.index]].concat();
    bytes.copy_from_slice(&fields);
    bytes
}

fn parse_row_key(bytes: &[u8]) -> Option<PieceKey> {
    let (tag, rest) = bytes.split_first()?;
    let (deal, rest) = rest.split_first_chunk::<32>()?;
    let (segment, rest) = rest.split_first_chunk::<2>()?;
    let [index] = rest else {
        return None;
    };
    let (deal, segment) = (DealId::from_bytes(*deal), u16::from_be_bytes(*segment));
    (*tag == TAG_ROW).then_some(PieceKey { deal, segment, index: *index })
}

fn piece_key(hash: &PieceHash) -> [u8; PIECE_KEY_BYTES] {
    let mut bytes = [TAG_PIECE; PIECE_KEY_BYTES];
    bytes[1..].copy_from_slice(hash.as_bytes());
    bytes
}

fn parse_piece_key(bytes: &[u8]) -> Option<PieceHash> {
    let (_, hash) = bytes.split_first()?;
    Some(PieceHash::from_bytes(*<&[u8; 32]>::try_from(hash).ok()?))
}

fn encode(value: &impl Encode) -> Vec<u8> {
    (VERSION, value).encode()
}

#[cfg(test)]
mod tests;
