//! Which keys changed since a height, for as long as somebody reads at that height.
//!
//! A chain of versions runs from older to newer and nobody holds it as a whole: the ledger holds the newest, each
//! snapshot the one it was taken at. When the last snapshot of a height goes, what only it needed goes with it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use runtime::types::Height;

/// The state at a height, as the start of a chain of what changed later.
pub struct Version {
    height: Height,
    next: OnceLock<Change>,
}

struct Change {
    keys: BTreeSet<Vec<u8>>,
    version: Arc<Version>,
}

impl Version {
    /// A version that nothing follows yet.
    pub fn new(height: Height) -> Arc<Self> {
        Arc::new(Self { height, next: OnceLock::new() })
    }

    /// Height of the state.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Says that the next height changes `keys`; none if that was said before.
    ///
    /// Must come before the change can be read on disk: a reader looks at the disk first and here second, so that it
    /// never takes a changed value for an old one.
    pub fn follow(&self, keys: BTreeSet<Vec<u8>>) -> Option<Arc<Self>> {
        let version = Self::new(self.height.checked_add(1)?);
        self.next.set(Change { keys, version: Arc::clone(&version) }).ok()?;
        Some(version)
    }

    /// Whether `key` changed since.
    pub fn changed(&self, key: &[u8]) -> bool {
        self.changes().any(|change| change.keys.contains(key))
    }

    /// The least key in `from..until` that changed since.
    pub fn next_changed(&self, from: &[u8], until: &[u8]) -> Option<&Vec<u8>> {
        if from >= until {
            return None;
        }
        let range = (Bound::Included(from), Bound::Excluded(until));
        self.changes().filter_map(|change| change.keys.range::<[u8], _>(range).next()).min()
    }

    fn changes(&self) -> impl Iterator<Item = &Change> {
        std::iter::successors(self.next.get(), |change| change.version.next.get())
    }
}

impl Drop for Version {
    /// One after the other, because dropping a long chain by recursion would overflow the stack.
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(change) = next {
            next = Arc::into_inner(change.version).and_then(|mut version| version.next.take());
        }
    }
}

#[cfg(test)]
mod tests;
