//! Who may take which column next: pure, no network.

use crate::scores::Standing;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Somebody who may take a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice<C> {
    /// Used once in a segment.
    pub(super) slot: u8,
    /// The slot was filled under raised caps: it is used only after another one failed.
    pub(super) raised: bool,
    /// What is known of the provider.
    pub(super) standing: Standing,
    /// Who it is.
    pub(super) candidate: C,
}

impl<C> Choice<C> {
    /// The smaller, the sooner it is asked. A slot under raised caps comes after all others, as it puts more of the
    /// segment on one provider; whoever is banned comes last of all.
    fn rank(&self) -> (bool, bool, Standing) {
        (self.standing == Standing::Banned, self.raised, self.standing)
    }

    fn may_race(&self) -> bool {
        !self.raised && self.standing != Standing::Banned
    }
}

/// The candidates of some columns of a segment. No slot is used for two columns, and none twice: whoever failed once is
/// not asked again.
#[derive(Debug)]
pub(super) struct UploadPlan<C> {
    waiting: BTreeMap<u8, VecDeque<Choice<C>>>,
    used: BTreeSet<u8>,
}

impl<C> UploadPlan<C> {
    /// A plan for columns with their candidates, the first preferred among those that are alike.
    pub(super) fn new(columns: impl IntoIterator<Item = (u8, Vec<Choice<C>>)>) -> Self {
        let waiting = columns.into_iter().map(|(index, mut choices)| {
            choices.sort_by_key(Choice::rank);
            (index, choices.into())
        });
        Self { waiting: waiting.collect(), used: BTreeSet::new() }
    }

    /// The next candidate for a column: from now on nobody else gets its slot. None if nobody is left.
    pub(super) fn next(&mut self, index: u8) -> Option<C> {
        self.take(index, |_| true)
    }

    /// A candidate for a column that somebody else has been given already, who is slow.
    pub(super) fn race(&mut self, index: u8) -> Option<C> {
        self.take(index, Choice::may_race)
    }

    /// Whether a column has a candidate left.
    pub(super) fn has_next(&self, index: u8) -> bool {
        let left = self.waiting.get(&index);
        left.is_some_and(|left| left.iter().any(|choice| !self.used.contains(&choice.slot)))
    }

    fn take(&mut self, index: u8, is_wanted: impl Fn(&Choice<C>) -> bool) -> Option<C> {
        let used = &mut self.used;
        let choices = self.waiting.get_mut(&index)?;
        choices.retain(|choice| !used.contains(&choice.slot));
        let at = choices.iter().position(is_wanted)?;
        let Choice { slot, candidate, .. } = choices.remove(at)?;
        used.insert(slot);
        Some(candidate)
    }
}

#[cfg(test)]
mod tests;
