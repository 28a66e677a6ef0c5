//! One piece of the cache: which of its groups are here, and which are about to come.

use super::PieceCache;
use parking_lot::{Mutex, RwLock};
use pieces::{GROUP_BYTES, PieceHash, SliceError, VerifiedSlice, encode_slice, outboard_bytes};
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// A piece, whole or in part.
pub(super) struct Entry {
    pub(super) piece: PieceHash,
    pub(super) piece_bytes: u64,
    pub(super) path: PathBuf,
    /// Held by whoever writes, so that no group is counted twice.
    pub(super) writing: Mutex<()>,
    state: RwLock<State>,
    changed: Notify,
}

struct State {
    /// The piece's outboard as far as its hashes came; zeros elsewhere.
    tree: Vec<u8>,
    groups: Vec<bool>,
    /// What readers promise to bring, with their numbers: never more than there are readers.
    coming: Vec<(u64, Range<u64>)>,
    next_number: u64,
    is_gone: bool,
}

/// Whether a range can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    Here,
    Coming,
    Never,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("piece", &self.piece).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Entry {
    pub(super) fn new(piece: PieceHash, piece_bytes: u64, path: PathBuf) -> Self {
        let tree = vec![0; usize_of(outboard_bytes(piece_bytes))];
        let groups = vec![false; usize_of(piece_bytes.div_ceil(GROUP_BYTES))];
        let state = State { tree, groups, coming: Vec::new(), next_number: 0, is_gone: false };
        let (writing, state, changed) = (Mutex::new(()), RwLock::new(state), Notify::new());
        Self { piece, piece_bytes, path, writing, state, changed }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.state.read().groups.iter().all(|here| *here)
    }

    /// Nothing is here and nothing comes.
    pub(super) fn is_idle_and_empty(&self) -> bool {
        let state = self.state.read();
        state.coming.is_empty() && !state.groups.contains(&true)
    }

    /// Deletes the file, once. Whoever has it open reads on.
    pub(super) fn delete(&self) {
        if std::mem::replace(&mut self.state.write().is_gone, true) {
            return;
        }
        self.changed.notify_waiters();
        if let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "cannot delete a cached piece");
        }
    }

    /// Bytes of a slice that are not here yet.
    pub(super) fn missing_bytes(&self, slice: &VerifiedSlice) -> u64 {
        let state = self.state.read();
        let covered = covered(slice);
        let missing = groups_of(&covered).filter(|group| !state.has(*group));
        missing.map(|group| group_end(group, self.piece_bytes) - group * GROUP_BYTES).sum()
    }

    /// A slice whose bytes are in the file now.
    pub(super) fn add(&self, slice: &VerifiedSlice) {
        {
            let mut state = self.state.write();
            for pair in slice.pairs() {
                let start = usize_of(pair.offset);
                if let Some(place) = state.tree.get_mut(start..start.saturating_add(pair.hashes.len())) {
                    place.copy_from_slice(&pair.hashes);
                }
            }
            for group in groups_of(&covered(slice)) {
                if let Some(here) = state.groups.get_mut(usize_of(group)) {
                    *here = true;
                }
            }
        }
        self.changed.notify_waiters();
    }

    /// A reader promises to bring a range; its number.
    pub(super) fn promise(&self, range: &Range<u64>) -> u64 {
        let mut state = self.state.write();
        let number = state.next_number;
        state.next_number += 1;
        let start = range.start - range.start % GROUP_BYTES;
        state.coming.push((number, start..range.end));
        number
    }

    /// A reader has brought everything before `start`.
    pub(super) fn advance(&self, number: u64, start: u64) {
        let mut state = self.state.write();
        if let Some((_, range)) = state.coming.iter_mut().find(|(known, _)| *known == number) {
            range.start = start;
        }
    }

    /// A reader brings no more.
    pub(super) fn withdraw(&self, number: u64) {
        self.state.write().coming.retain(|(known, _)| *known != number);
        self.changed.notify_waiters();
    }

    fn ready(&self, range: &Range<u64>) -> Ready {
        let state = self.state.read();
        let Some(missing) = groups_of(range).find(|group| !state.has(*group)) else { return Ready::Here };
        if state.is_gone {
            return Ready::Never;
        }
        let start = missing * GROUP_BYTES;
        let is_promised = state.coming.iter().any(|(_, coming)| coming.start <= start && range.end <= coming.end);
        if is_promised { Ready::Coming } else { Ready::Never }
    }
}

impl State {
    fn has(&self, group: u64) -> bool {
        self.groups.get(usize_of(group)).copied().unwrap_or(false)
    }
}

/// A piece of the cache that is being read.
#[derive(Debug)]
pub(crate) struct CacheReader {
    cache: Arc<PieceCache>,
    entry: Arc<Entry>,
    file: File,
}

impl CacheReader {
    pub(super) fn new(cache: Arc<PieceCache>, entry: Arc<Entry>, file: File) -> Self {
        Self { cache, entry, file }
    }

    /// Whether a range is here or promised now.
    pub(crate) fn may_have(&self, range: &Range<u64>) -> bool {
        self.entry.ready(range) != Ready::Never
    }

    /// Waits until the range is here, for at most `patience` and as long as somebody promises it. Whether it is.
    pub(crate) async fn wait_for(&self, range: &Range<u64>, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            let changed = self.entry.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that nothing between the two is missed.
            changed.as_mut().enable();
            match self.entry.ready(range) {
                Ready::Here => return true,
                Ready::Never => return false,
                Ready::Coming if timeout_at(until, changed).await.is_err() => return false,
                Ready::Coming => {}
            }
        }
    }

    /// Writes the slice of a range that is here to `out`. Blocks.
    ///
    /// # Errors
    /// The file is not what was written; then the piece is given up.
    pub(crate) fn encode_slice(&self, range: Range<u64>, out: impl Write) -> Result<(), SliceError> {
        let Entry { piece, piece_bytes, .. } = *self.entry;
        let encoded = encode_slice(&self.file, &self.entry.state.read().tree, piece, piece_bytes, range, out);
        if let Err(error) = &encoded {
            warn!(%piece, %error, "a cached piece is damaged, giving it up");
            self.cache.give_up(&self.entry);
        }
        encoded
    }
}

/// The whole groups that a slice brings.
fn covered(slice: &VerifiedSlice) -> Range<u64> {
    let count = u64::try_from(slice.bytes().len()).unwrap_or(0);
    slice.offset()..slice.offset().saturating_add(count)
}

/// The numbers of the groups that cover a range.
fn groups_of(range: &Range<u64>) -> Range<u64> {
    range.start / GROUP_BYTES..range.end.div_ceil(GROUP_BYTES)
}

fn group_end(group: u64, piece_bytes: u64) -> u64 {
    ((group + 1) * GROUP_BYTES).min(piece_bytes)
}

/// Pieces are below 2^32 bytes, which every platform that runs this can address.
fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
