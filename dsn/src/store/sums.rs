//! Sums over the index, kept in memory.

use runtime::types::DealId;
use std::collections::HashMap;

/// What is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Different pieces.
    pub(super) pieces: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Bytes of rows that are not known to be recorded.
    pub(super) unrecorded_bytes: u64,
}

/// The totals, and what is not known to be recorded by deal: of each deal that has rows on disk.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) totals: Totals,
    of_deals: HashMap<DealId, u64>,
}

impl Sums {
    /// A deal has so many unrecorded bytes more.
    pub(super) fn add_unrecorded(&mut self, deal: DealId, bytes: u64) {
        if bytes > 0 {
            self.totals.unrecorded_bytes += bytes;
            *self.of_deals.entry(deal).or_default() += bytes;
        }
    }

    /// A deal has so many unrecorded bytes less.
    pub(super) fn take_unrecorded(&mut self, deal: DealId, bytes: u64) {
        self.totals.unrecorded_bytes -= bytes;
        if let Some(sum) = self.of_deals.get_mut(&deal) {
            *sum = sum.saturating_sub(bytes);
            if *sum == 0 {
                self.of_deals.remove(&deal);
            }
        }
    }

    /// Unrecorded bytes of these deals together.
    pub(super) fn unrecorded_of(&self, deals: &[DealId]) -> u64 {
        deals.iter().filter_map(|deal| self.of_deals.get(deal)).sum()
    }
}
