//! Which pieces are kept, and what for: a small RocksDB.

mod synced;

use super::StoreError;
use super::sums::{Sums, Totals};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use parking_lot::Mutex;
use pieces::PieceHash;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Direction, IteratorMode, Options, WriteBatch,
};
use runtime::codec::decode_bounded;
use runtime::types::{DealId, Epoch};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use synced::Synced;

/// Key: this tag and [`PieceKey`], big endian. Value: version and [`PieceRow`].
const TAG_ROW: u8 = 1;
/// Key: this tag and the hash. Value: version and [`PieceEntry`].
const TAG_PIECE: u8 = 2;
/// The version of both values.
const VERSION: u8 = 1;
/// RocksDB has this file wherever there is a database.
const CURRENT: &str = "CURRENT";
/// Where an index goes that was found damaged, in the store's folder.
pub(super) const SET_ASIDE: &str = "index.damaged";
/// No value is longer.
const VALUE_BYTES_MAX: usize = 128;

// There are several stores in a process and their indexes are small: a row and an entry are 150 bytes together.
const WRITE_BUFFER_BYTES: usize = 2 * 1024 * 1024;
const CACHE_BYTES: usize = 4 * 1024 * 1024;
const WAL_BYTES_MAX: u64 = 8 * 1024 * 1024;
const OPEN_FILES_MAX: i32 = 64;

/// Names what is kept for one piece of a deal.
///
/// The hash is part of it, because an upload that failed may be tried again with other bytes: until it is known which
/// of both is recorded, both are promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PieceKey {
    /// The deal that founded the file.
    pub deal: DealId,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// Piece of the segment, from 0.
    pub index: u8,
    /// The piece.
    pub piece_hash: PieceHash,
}

/// What is kept for one piece of a deal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct PieceRow {
    /// Length of the piece.
    pub piece_bytes: u32,
    /// Promised until this epoch begins.
    pub until_epoch: Epoch,
    /// Unless it is recorded by this block time, it may go.
    pub store_by_ms: u64,
    /// The ledger is known to record it.
    pub recorded: bool,
}

impl PieceRow {
    /// Both promises, of the same piece.
    fn and(&self, other: &Self) -> Self {
        Self {
            piece_bytes: self.piece_bytes,
            until_epoch: self.until_epoch.max(other.until_epoch),
            store_by_ms: self.store_by_ms.max(other.store_by_ms),
            recorded: self.recorded || other.recorded,
        }
    }

    fn unrecorded_bytes(&self) -> u64 {
        if self.recorded { 0 } else { u64::from(self.piece_bytes) }
    }
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
    synced: Synced,
    dir: PathBuf,
    /// Held while rows and counts are read and written.
    sums: Mutex<Sums>,
}

impl Index {
    /// Opens the index of the store in `dir`, and makes one if there is none. A damaged one is set aside for whoever
    /// wants to look at it, and a new one is made: that can be filled again, and a provider that does not start serves
    /// nothing at all. Says what was the matter, if anything was.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<StoreError>), StoreError> {
        match Self::open_as_it_is(dir) {
            Err(error) if error.is_damage() => {
                let (from, to) = (dir.join("index"), dir.join(SET_ASIDE));
                remove_folder(&to)?;
                std::fs::rename(&from, &to).map_err(|error| StoreError::io("rename", &from, error))?;
                Ok((Self::open_as_it_is(dir)?, Some(error)))
            }
            opened => Ok((opened?, None)),
        }
    }

    fn open_as_it_is(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("index");
        std::fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        let damaged = |what| StoreError::Damaged { path: dir.to_owned(), what };
        if !path.join(CURRENT).exists() && holds_rows(&path)? {
            return Err(damaged(format!("its file {CURRENT} is missing")));
        }
        let failed = |source| StoreError::Index { what: "open", path: dir.to_owned(), source };
        let db = DB::open(&options(), &path).map_err(failed)?;
        let (found, synced) = (db.latest_sequence_number(), Synced::read(&path));
        if let Some(synced) = synced.filter(|synced| *synced > found) {
            return Err(damaged(format!("it ends at write {found}, and {synced} were synced")));
        }
        let synced = Synced::open(&path).map_err(|error| StoreError::io("open a file in", &path, error))?;
        let index = Self { db, synced, dir: dir.to_owned(), sums: Mutex::default() };
        let mut sums = Sums::default();
        index.each_piece(|_, piece_bytes| {
            sums.totals.pieces += 1;
            sums.totals.bytes += piece_bytes;
            Ok(())
        })?;
        index.each_row(|key, row| sums.add_unrecorded(key.deal, row.unrecorded_bytes()))?;
        *index.sums.lock() = sums;
        Ok(index)
    }

    pub(super) fn totals(&self) -> Totals {
        self.sums.lock().totals
    }

    /// Bytes of these deals' rows that are not known to be recorded.
    pub(super) fn unrecorded_of(&self, deals: &[DealId]) -> u64 {
        self.sums.lock().unrecorded_of(deals)
    }

    pub(super) fn row(&self, key: &PieceKey) -> Result<Option<PieceRow>, StoreError> {
        self.get(&row_key(key))
    }

    /// The rows of one piece of a deal.
    pub(super) fn rows_of(
        &self,
        deal: &DealId,
        segment: u16,
        index: u8,
    ) -> Result<Vec<(PieceKey, PieceRow)>, StoreError> {
        let first = PieceKey { deal: *deal, segment, index, piece_hash: PieceHash::ZERO };
        let wanted = |key: &PieceKey| (key.deal, key.segment, key.index) == (*deal, segment, index);
        self.scan(&row_key(&first)).take_while(|row| !matches!(row, Ok((key, _)) if !wanted(key))).collect()
    }

    pub(super) fn rows(&self, after: Option<&PieceKey>, limit: usize) -> Result<Vec<(PieceKey, PieceRow)>, StoreError> {
        let from = after.map_or_else(|| vec![TAG_ROW], |key| [row_key(key).as_slice(), &[0]].concat());
        self.scan(&from).take(limit).collect()
    }

    /// Visits all rows.
    fn each_row(&self, mut visit: impl FnMut(PieceKey, PieceRow)) -> Result<(), StoreError> {
        self.scan(&[TAG_ROW]).try_for_each(|row| {
            let (key, row) = row?;
            visit(key, row);
            Ok(())
        })
    }

    /// The rows from a key on.
    fn scan(&self, from: &[u8]) -> impl Iterator<Item = Result<(PieceKey, PieceRow), StoreError>> {
        let items = self.db.iterator(IteratorMode::From(from, Direction::Forward));
        let rows = items.take_while(|item| !matches!(item, Ok((key, _)) if key.first() != Some(&TAG_ROW)));
        rows.map(|item| {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            Ok((parse_row_key(&key).ok_or_else(|| self.no_row())?, self.decode(&value)?))
        })
    }

    /// The length of a piece on disk.
    pub(super) fn piece_bytes(&self, hash: &PieceHash) -> Result<Option<u64>, StoreError> {
        Ok(self.entry(hash)?.map(|entry| u64::from(entry.piece_bytes)))
    }

    /// The first piece behind `after`, or of all.
    pub(super) fn piece_behind(&self, after: Option<&PieceHash>) -> Result<Option<PieceHash>, StoreError> {
        let from = after.map_or_else(|| vec![TAG_PIECE], |hash| [piece_key(hash).as_slice(), &[0]].concat());
        let first = self.db.iterator(IteratorMode::From(&from, Direction::Forward)).next();
        let Some((key, _)) = first.transpose().map_err(|error| self.failed("read", error))? else { return Ok(None) };
        if key.first() != Some(&TAG_PIECE) {
            return Ok(None);
        }
        parse_piece_key(&key).ok_or_else(|| self.no_row()).map(Some)
    }

    /// Whether its files are still where they were opened.
    pub(super) fn is_there(&self) -> bool {
        self.dir.join("index").join(CURRENT).exists()
    }

    /// Visits all pieces on disk.
    pub(super) fn each_piece(
        &self,
        mut visit: impl FnMut(PieceHash, u64) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each_entry(|hash, entry| visit(hash, u64::from(entry.piece_bytes)))
    }

    /// Visits the pieces that no row names.
    pub(super) fn each_unowned(
        &self,
        mut visit: impl FnMut(PieceHash) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each_entry(|hash, entry| if entry.references == 0 { visit(hash) } else { Ok(()) })
    }

    /// Whether no row names the piece.
    pub(super) fn is_unowned(&self, hash: &PieceHash) -> Result<bool, StoreError> {
        Ok(self.entry(hash)?.is_some_and(|entry| entry.references == 0))
    }

    fn each_entry(
        &self,
        mut visit: impl FnMut(PieceHash, PieceEntry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for item in self.db.iterator(IteratorMode::From(&[TAG_PIECE], Direction::Forward)) {
            let (key, value) = item.map_err(|error| self.failed("read", error))?;
            if key.first() != Some(&TAG_PIECE) {
                break;
            }
            let hash = parse_piece_key(&key).ok_or_else(|| self.no_row())?;
            visit(hash, self.decode(&value)?)?;
        }
        Ok(())
    }

    /// Writes a row. If there is one, both promises hold.
    pub(super) fn insert(&self, key: &PieceKey, row: &PieceRow) -> Result<(), StoreError> {
        let mut sums = self.sums.lock();
        let before = self.row(key)?;
        let row = before.as_ref().map_or_else(|| row.clone(), |before| row.and(before));
        let entry = self.entry(&key.piece_hash)?;
        let references = entry.as_ref().map_or(0, |entry| entry.references);
        let references = if before.is_some() { references.max(1) } else { references.saturating_add(1) };
        let mut batch = WriteBatch::default();
        batch.put(row_key(key), encode(&row));
        batch.put(piece_key(&key.piece_hash), encode(&PieceEntry { piece_bytes: row.piece_bytes, references }));
        self.write(batch)?;
        if entry.is_none() {
            sums.totals.pieces += 1;
            sums.totals.bytes += u64::from(row.piece_bytes);
        }
        sums.add_unrecorded(key.deal, row.unrecorded_bytes());
        sums.take_unrecorded(key.deal, before.map_or(0, |before| before.unrecorded_bytes()));
        Ok(())
    }

    /// Removes a row, if `which` says so. Returns whether now no row names the piece.
    pub(super) fn remove(&self, key: &PieceKey, which: impl Fn(&PieceRow) -> bool) -> Result<bool, StoreError> {
        let mut sums = self.sums.lock();
        let Some(row) = self.row(key)?.filter(which) else {
            return Ok(false);
        };
        let mut batch = WriteBatch::default();
        batch.delete(row_key(key));
        let entry = self.entry(&key.piece_hash)?;
        let references = entry.as_ref().map_or(0, |entry| entry.references.saturating_sub(1));
        match references {
            0 => batch.delete(piece_key(&key.piece_hash)),
            _ => {
                batch.put(piece_key(&key.piece_hash), encode(&PieceEntry { piece_bytes: row.piece_bytes, references }))
            }
        }
        self.write(batch)?;
        sums.take_unrecorded(key.deal, row.unrecorded_bytes());
        if entry.is_some() && references == 0 {
            sums.totals.pieces -= 1;
            sums.totals.bytes -= u64::from(row.piece_bytes);
        }
        Ok(references == 0)
    }

    pub(super) fn mark_recorded(&self, key: &PieceKey) -> Result<(), StoreError> {
        let mut sums = self.sums.lock();
        if let Some(row) = self.row(key)? {
            let mut batch = WriteBatch::default();
            batch.put(row_key(key), encode(&PieceRow { recorded: true, ..row.clone() }));
            self.write(batch)?;
            sums.take_unrecorded(key.deal, row.unrecorded_bytes());
        }
        Ok(())
    }

    /// Takes in a piece without a row.
    pub(super) fn adopt(&self, hash: &PieceHash, piece_bytes: u32) -> Result<(), StoreError> {
        let mut sums = self.sums.lock();
        if self.entry(hash)?.is_none() {
            let mut batch = WriteBatch::default();
            batch.put(piece_key(hash), encode(&PieceEntry { piece_bytes, references: 0 }));
            self.write(batch)?;
            sums.totals.pieces += 1;
            sums.totals.bytes += u64::from(piece_bytes);
        }
        Ok(())
    }

    /// Removes pieces and all rows that name them; of `lost` those that `still_lost` says, asked while no row is
    /// written. Returns how many pieces were removed.
    pub(super) fn forget(
        &self,
        mut lost: HashSet<PieceHash>,
        still_lost: impl Fn(&PieceHash) -> bool,
    ) -> Result<u64, StoreError> {
        let mut sums = self.sums.lock();
        lost.retain(still_lost);
        if lost.is_empty() {
            return Ok(0);
        }
        let mut gone = Totals::default();
        let mut unrecorded = Vec::new();
        let mut batch = WriteBatch::default();
        self.each_row(|key, row| {
            if lost.contains(&key.piece_hash) {
                batch.delete(row_key(&key));
                unrecorded.push((key.deal, row.unrecorded_bytes()));
            }
        })?;
        for hash in &lost {
            if let Some(entry) = self.entry(hash)? {
                batch.delete(piece_key(hash));
                gone.pieces += 1;
                gone.bytes += u64::from(entry.piece_bytes);
            }
        }
        self.write(batch)?;
        sums.totals.pieces -= gone.pieces;
        sums.totals.bytes -= gone.bytes;
        unrecorded.into_iter().for_each(|(deal, bytes)| sums.take_unrecorded(deal, bytes));
        Ok(gone.pieces)
    }

    /// Makes everything written so far last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        // Asked before: what others write meanwhile may miss the sync.
        let number = self.db.latest_sequence_number();
        self.db.flush_wal(true).map_err(|error| self.failed("sync", error))?;
        self.synced.raise(number);
        Ok(())
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

/// Whether a database was at work in the folder: it makes its first log or table once it has a [`CURRENT`].
fn holds_rows(path: &Path) -> Result<bool, StoreError> {
    let listed = std::fs::read_dir(path).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let listed = listed.map_err(|error| StoreError::io("list", path, error))?;
    Ok(listed
        .iter()
        .map(std::fs::DirEntry::path)
        .any(|path| path.extension().is_some_and(|end| end == "log" || end == "sst")))
}

fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", path, error)),
        _ => Ok(()),
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
    // The torn end of a log is cut off: whether more is missing, [`Synced`] knows.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_keep_log_file_num(2);
    options.set_max_background_jobs(2);
    options
}

fn row_key(key: &PieceKey) -> Vec<u8> {
    let (segment, hash) = (key.segment.to_be_bytes(), key.piece_hash.as_bytes());
    [&[TAG_ROW][..], key.deal.as_bytes(), &segment, &[key.index], hash].concat()
}

fn parse_row_key(bytes: &[u8]) -> Option<PieceKey> {
    let (tag, rest) = bytes.split_first()?;
    let (deal, rest) = rest.split_first_chunk::<32>()?;
    let (segment, rest) = rest.split_first_chunk::<2>()?;
    let (index, hash) = rest.split_first()?;
    let (deal, segment) = (DealId::from_bytes(*deal), u16::from_be_bytes(*segment));
    let piece_hash = PieceHash::from_bytes(*<&[u8; 32]>::try_from(hash).ok()?);
    (*tag == TAG_ROW).then_some(PieceKey { deal, segment, index: *index, piece_hash })
}

fn piece_key(hash: &PieceHash) -> Vec<u8> {
    [&[TAG_PIECE][..], hash.as_bytes()].concat()
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
