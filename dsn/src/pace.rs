//! Who makes the others wait. Pure: the caller brings the time.
//!
//! The columns of a segment advance together, step by step. In each step, whoever is ready later than most others has
//! made them wait for that long. Over a while, one whose share of the time is large is many times slower than the rest:
//! if it took `s` out of `t`, the others would have come as far in `t - s` without it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A column is behind if the others would be so many times as fast without it,
pub const LAG_FACTOR: u32 = 4;
/// seen over this long.
pub const LAG_AFTER: Duration = Duration::from_secs(2);

/// Adds up how long columns are waited for.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When adding up began.
    since: Instant,
    /// From when on those that are not ready make the others wait, once most of them are ready.
    waiting_since: Option<Instant>,
    columns: usize,
    ready: usize,
    waited: BTreeMap<u8, Duration>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, waiting_since: None, columns: 0, ready: 0, waited: BTreeMap::new() }
    }

    /// A step of so many columns begins: none of them is ready.
    pub(crate) fn step(&mut self, columns: usize) {
        (self.columns, self.ready, self.waiting_since) = (columns, 0, None);
    }

    /// A column is ready for the next step.
    pub(crate) fn ready(&mut self, column: u8, now: Instant) {
        self.ready += 1;
        match self.waiting_since {
            Some(since) => *self.waited.entry(column).or_default() += now.saturating_duration_since(since),
            None if self.ready * 2 >= self.columns => self.waiting_since = Some(now),
            None => {}
        }
    }

    /// When to [`judge`](Self::judge) next.
    pub(crate) fn judges_at(&self) -> Instant {
        self.since + LAG_AFTER
    }

    /// Once it is time: the columns that are behind. `waiting` are those that are not ready yet. Begins to add up anew.
    pub(crate) fn judge(&mut self, waiting: impl IntoIterator<Item = u8>, now: Instant) -> Vec<u8> {
        if now < self.judges_at() {
            return Vec::new();
        }
        if let Some(since) = self.waiting_since {
            for column in waiting {
                *self.waited.entry(column).or_default() += now.saturating_duration_since(since);
            }
            // What is counted is not counted again.
            self.waiting_since = Some(now);
        }
        let rest = now.saturating_duration_since(self.since) / LAG_FACTOR;
        let limit = now.saturating_duration_since(self.since).saturating_sub(rest);
        let behind = self.waited.iter().filter(|(_, waited)| **waited >= limit).map(|(column, _)| *column).collect();
        self.waited.clear();
        self.since = now;
        behind
    }
}

#[cfg(test)]
mod tests;
