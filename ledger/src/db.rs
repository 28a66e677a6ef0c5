//! The only door to RocksDB: opens it, reads typed rows, writes one synced batch.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ChecksumType, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator,
    DBRecoveryMode, Options, ReadOptions, SliceTransform, WriteBatch, WriteOptions,
};

use crate::error::{DatabaseError, LedgerError, OpenError};
use key::{ReadKey, RowKey, ValueKey};
use tables::{Row, Shape, Table};

pub mod key;
pub mod tables;

/// Files that RocksDB keeps open; leaves room for pieces and sockets under common limits.
const OPEN_FILES_MAX: i32 = 512;
/// Bytes of write-ahead logs before the oldest family is flushed: bounds the time that a start takes.
const WAL_BYTES_MAX: u64 = 256 << 20;
/// Bytes of unflushed rows of all families.
const WRITE_BUFFER_BYTES_MAX: usize = 128 << 20;
/// Bytes of unflushed rows of one family.
const FAMILY_WRITE_BUFFER_BYTES: usize = 32 << 20;
/// Bytes of blocks, indexes and filters kept in memory for all families.
const CACHE_BYTES: usize = 128 << 20;
/// Bits of filter for each key: about one in a hundred absent keys is looked for on disk.
const FILTER_BITS: f64 = 10.0;
/// RocksDB's own logs that are kept.
const LOG_FILES_MAX: usize = 4;

/// RocksDB has this file wherever there is a database.
const CURRENT: &str = "CURRENT";

/// An open database.
pub struct Database {
    db: DB,
}

/// Whether there is a database in the folder.
fn is_begun(path: &Path) -> Result<bool, OpenError> {
    let is_begun = path.join(CURRENT).exists();
    if !is_begun && holds_rows(path)? {
        let what = format!("its file {CURRENT} is missing");
        return Err(OpenError::Corrupt { path: path.to_owned(), what });
    }
    Ok(is_begun)
}

/// Whether a database was at work in the folder: it makes its first log or table once it has a [`CURRENT`].
fn holds_rows(path: &Path) -> Result<bool, OpenError> {
    let listed = std::fs::read_dir(path).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let listed = listed.map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
    let mut ends = listed.iter().filter_map(|entry| entry.path().extension().map(std::ffi::OsStr::to_owned));
    Ok(ends.any(|end| end == "log" || end == "sst"))
}

impl Database {
    /// Opens the database in `path` and makes what is missing.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        std::fs::create_dir_all(path).map_err(|source| OpenError::Folder { path: path.to_owned(), source })?;
        // Without it RocksDB would begin a database anew, and delete what is there.
        is_begun(path)?;
        let db = DB::open_cf_descriptors(&database_options(), path, families());
        Ok(Self { db: db.map_err(|error| not_opened(path, error))? })
    }

    /// Opens the database in `path` and writes nothing to it; none if there is none.
    pub fn open_to_read(path: &Path) -> Result<Option<Self>, OpenError> {
        if !path.is_dir() || !is_begun(path)? {
            return Ok(None);
        }
        let db = DB::open_cf_descriptors_read_only(&database_options(), path, families(), false);
        Ok(Some(Self { db: db.map_err(|error| not_opened(path, error))? }))
    }

    fn family<K, V>(&self, table: &Table<K, V>) -> &ColumnFamily {
        self.db.cf_handle(table.name).expect("every declared family was made when the database was opened")
    }

    /// The row of `key`.
    pub fn get<K: RowKey, V: Row>(&self, table: &Table<K, V>, key: &K) -> Result<Option<V>, LedgerError> {
        self.get_by_bytes(table, &key.to_bytes())
    }

    /// The row whose key has these bytes.
    pub fn get_by_bytes<K, V: Row>(&self, table: &Table<K, V>, key: &[u8]) -> Result<Option<V>, LedgerError> {
        let row = self.db.get_pinned_cf(self.family(table), key).map_err(|error| read_error(table, error))?;
        row.map(|bytes| read_row(table, &bytes)).transpose()
    }

    /// The rows whose keys are in `from..until`, ascending.
    pub fn range<'a, K, V>(&'a self, table: &'a Table<K, V>, from: &[u8], until: &[u8]) -> Rows<'a, K, V> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(until);
        // Families with a prefix extractor would otherwise look only at rows of the first prefix.
        options.set_total_order_seek(true);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(table), options);
        rows.seek(from);
        Rows { table, rows }
    }

    /// The last row of `VALUES` for `key_hash` at or below `height`.
    pub fn value_at(&self, key: &ValueKey) -> Result<Option<Vec<u8>>, LedgerError> {
        let table = &tables::VALUES;
        let mut options = ReadOptions::default();
        options.set_prefix_same_as_start(true);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(table), options);
        rows.seek_for_prev(key.to_bytes());
        rows.status().map_err(|error| read_error(table, error))?;
        match rows.item() {
            Some((found, value)) if found.starts_with(&key.key_hash) => read_row(table, value),
            _ => Ok(None),
        }
    }

    /// Begins a batch.
    pub fn batch(&self) -> Batch<'_> {
        Batch { database: self, batch: WriteBatch::default() }
    }
}

/// Rows of a range, one after the other.
pub struct Rows<'a, K, V> {
    table: &'a Table<K, V>,
    rows: DBRawIterator<'a>,
}

impl<K, V> Rows<'_, K, V> {
    /// The key under the cursor as it is on disk; none behind the last.
    pub fn key_bytes(&self) -> Result<Option<&[u8]>, LedgerError> {
        match self.rows.key() {
            Some(key) => Ok(Some(key)),
            None => self.rows.status().map(|()| None).map_err(|error| read_error(self.table, error)),
        }
    }

    /// Goes on to the next row.
    pub fn advance(&mut self) {
        self.rows.next();
    }

    /// Goes to the first row at or behind `key`.
    pub fn seek(&mut self, key: &[u8]) {
        self.rows.seek(key);
    }
}

impl<K: ReadKey, V: Row> Rows<'_, K, V> {
    /// The key under the cursor; none behind the last row.
    pub fn key(&self) -> Result<Option<K>, LedgerError> {
        let Some(bytes) = self.key_bytes()? else { return Ok(None) };
        let key = K::from_bytes(bytes).ok_or_else(|| LedgerError::Corrupt {
            family: self.table.name,
            what: format!("a key of {} bytes is none of this family's", bytes.len()),
        })?;
        Ok(Some(key))
    }

    /// The row under the cursor; none behind the last.
    pub fn row(&self) -> Result<Option<(K, V)>, LedgerError> {
        let Some(key) = self.key()? else { return Ok(None) };
        self.rows.value().map(|bytes| Ok((key, read_row(self.table, bytes)?))).transpose()
    }
}

/// Rows that are written together or not at all.
pub struct Batch<'a> {
    database: &'a Database,
    batch: WriteBatch,
}

impl Batch<'_> {
    /// Writes a row.
    pub fn put<K: RowKey, V: Row>(&mut self, table: &Table<K, V>, key: &K, value: &V) {
        self.batch.put_cf(self.database.family(table), key.to_bytes(), value.to_row());
    }

    /// Writes a row whose bytes are there already.
    pub fn put_bytes<K, V>(&mut self, table: &Table<K, V>, key: &[u8], row: &[u8]) {
        self.batch.put_cf(self.database.family(table), key, row);
    }

    /// Removes a row.
    pub fn delete<K: RowKey, V>(&mut self, table: &Table<K, V>, key: &K) {
        self.batch.delete_cf(self.database.family(table), key.to_bytes());
    }

    /// Removes a row by the bytes of its key.
    pub fn delete_bytes<K, V>(&mut self, table: &Table<K, V>, key: &[u8]) {
        self.batch.delete_cf(self.database.family(table), key);
    }

    /// Bytes of the batch so far.
    pub fn bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    /// Writes it all, synced: when this returns it outlasts a power cut, and until then none of it is there.
    pub fn write_synced(self) -> Result<(), DatabaseError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.database.db.write_opt(self.batch, &options)?)
    }
}

fn families() -> impl Iterator<Item = ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    tables::ALL.iter().map(move |(name, shape)| ColumnFamilyDescriptor::new(*name, family_options(*shape, &cache)))
}

fn not_opened(path: &Path, error: rocksdb::Error) -> OpenError {
    let (path, source) = (path.to_owned(), DatabaseError::from(error));
    if source.is_lock() && !source.is_damage() {
        OpenError::Locked { path }
    } else {
        OpenError::Database { path, source }
    }
}

fn read_error<K, V>(table: &Table<K, V>, error: rocksdb::Error) -> LedgerError {
    LedgerError::Read { family: table.name, source: error.into() }
}

fn read_row<K, V: Row>(table: &Table<K, V>, bytes: &[u8]) -> Result<V, LedgerError> {
    V::from_row(bytes).map_err(|what| LedgerError::Corrupt { family: table.name, what })
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A torn tail after a power cut is cut off; opening then checks that height, header and root agree.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(WRITE_BUFFER_BYTES_MAX);
    options.set_keep_log_file_num(LOG_FILES_MAX);
    options
}

fn family_options(shape: Shape, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_checksum_type(ChecksumType::XXH3);
    // Indexes and filters count against the cache, so that memory stays bounded as the chain grows.
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_write_buffer_size(FAMILY_WRITE_BUFFER_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    match shape {
        Shape::Small => {}
        // Old blocks are read seldom, and their addresses, manifests and names compress.
        Shape::Append => options.set_bottommost_compression_type(DBCompressionType::Zstd),
        Shape::Point => blocks.set_bloom_filter(FILTER_BITS, false),
        Shape::Prefix(bytes) => {
            blocks.set_bloom_filter(FILTER_BITS, false);
            blocks.set_whole_key_filtering(false);
            options.set_prefix_extractor(SliceTransform::create_fixed_prefix(bytes));
        }
    }
    options.set_block_based_table_factory(&blocks);
    options
}

#[cfg(test)]
mod tests;
