//! Keep blocks, authenticated state and indexes on one RocksDB.
