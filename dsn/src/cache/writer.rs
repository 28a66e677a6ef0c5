//! Keeping what is read while it is read.

use super::PieceCache;
use super::entry::Entry;
use pieces::VerifiedSlice;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

/// Takes the slices of one reader. As long as it lives, what it has not taken yet is promised to others.
#[derive(Debug)]
pub(crate) struct CacheWriter {
    cache: Arc<PieceCache>,
    entry: Arc<Entry>,
    file: Arc<File>,
    promise: u64,
}

impl CacheWriter {
    pub(super) fn new(cache: Arc<PieceCache>, entry: Arc<Entry>, range: &Range<u64>) -> Option<Self> {
        match OpenOptions::new().write(true).open(&entry.path) {
            Ok(file) => {
                let promise = entry.promise(range);
                Some(Self { cache, entry, file: Arc::new(file), promise })
            }
            Err(error) => {
                // It may have made way for another piece just now.
                debug!(path = %entry.path.display(), %error, "cannot keep what is read");
                cache.give_up(&entry);
                None
            }
        }
    }

    /// Keeps a slice of the piece. False if there is no room for it: then nothing more needs to be brought.
    pub(crate) async fn keep(&self, slice: VerifiedSlice) -> bool {
        let (cache, entry, file) = (Arc::clone(&self.cache), Arc::clone(&self.entry), Arc::clone(&self.file));
        let promise = self.promise;
        spawn_blocking(move || write(&cache, &entry, &file, promise, &slice)).await.unwrap_or(false)
    }
}

impl Drop for CacheWriter {
    fn drop(&mut self) {
        self.entry.withdraw(self.promise);
        if self.entry.is_idle_and_empty() {
            self.cache.give_up(&self.entry);
        }
    }
}

fn write(cache: &PieceCache, entry: &Arc<Entry>, file: &File, promise: u64, slice: &VerifiedSlice) -> bool {
    let _writing = entry.writing.lock();
    let missing = entry.missing_bytes(slice);
    if missing > 0 {
        if !cache.make_room(entry, missing) {
            return false;
        }
        if let Err(error) = file.write_all_at(slice.bytes(), slice.offset()) {
            warn!(path = %entry.path.display(), %error, "cannot keep what is read");
            cache.give_up(entry);
            return false;
        }
        entry.add(slice);
    }
    entry.advance(promise, slice.range().end);
    true
}
