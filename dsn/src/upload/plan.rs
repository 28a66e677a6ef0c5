//! Who may take which column next: pure, no network.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The candidates of some columns of a segment. No slot is used for two columns, and none twice: whoever failed once is
/// not asked again.
#[derive(Debug)]
pub(super) struct UploadPlan<C> {
    waiting: BTreeMap<u8, VecDeque<(u8, C)>>,
    used: BTreeSet<u8>,
}

impl<C> UploadPlan<C> {
    /// A plan for columns with their candidates, each with its slot, the best first.
    pub(super) fn new(columns: impl IntoIterator<Item = (u8, Vec<(u8, C)>)>) -> Self {
        let waiting = columns.into_iter().map(|(index, candidates)| (index, candidates.into())).collect();
        Self { waiting, used: BTreeSet::new() }
    }

    /// All columns.
    pub(super) fn columns(&self) -> BTreeSet<u8> {
        self.waiting.keys().copied().collect()
    }

    /// The next candidate for a column, with its slot: from now on nobody else gets that. None if nobody is left.
    pub(super) fn next(&mut self, index: u8) -> Option<(u8, C)> {
        let candidates = self.waiting.get_mut(&index)?;
        while let Some((slot, candidate)) = candidates.pop_front() {
            if self.used.insert(slot) {
                return Some((slot, candidate));
            }
        }
        None
    }

    /// Whether a column has a candidate left.
    pub(super) fn has_next(&self, index: u8) -> bool {
        let left = self.waiting.get(&index);
        left.is_some_and(|left| left.iter().any(|(slot, _)| !self.used.contains(slot)))
    }
}

#[cfg(test)]
mod tests;
