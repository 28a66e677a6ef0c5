//! Room that is promised to pieces before they come, so that many at once cannot take what one alone may.

use super::{PieceStore, StoreError};
use runtime::types::DealId;
use std::collections::HashMap;

/// How much may lie here for deals that no block records yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnrecordedQuota {
    /// The deal of the piece that is to be taken.
    pub deal: DealId,
    /// All deals that its owner can have under way, with this one.
    pub of_owner: Vec<DealId>,
    /// Most bytes of the owner's deals.
    pub owner_bytes_max: u64,
    /// Most bytes of all deals.
    pub all_bytes_max: u64,
}

/// Bytes promised to pieces being written.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    bytes: u64,
    /// Of the pieces that no block records yet, by deal: never more entries than pieces being written.
    of_deals: HashMap<DealId, u64>,
}

impl PieceStore {
    /// Promises room for a piece; with a quota, within that too.
    pub(super) fn reserve(&self, wanted: u64, unrecorded: Option<&UnrecordedQuota>) -> Result<(), StoreError> {
        // Bytes could be written into new folders, but the rows would go to files that no one will open again.
        if !self.index.is_there() {
            return Err(StoreError::Gone { path: self.files.dir().to_owned() });
        }
        let mut reserved = self.reserved.lock();
        let used = self.used_bytes().saturating_add(reserved.bytes);
        let quota = self.limits.quota_bytes;
        if !fits(wanted, used, quota) {
            return Err(StoreError::Quota { wanted, used, quota });
        }
        if let Some(unrecorded) = unrecorded {
            self.check_unrecorded(wanted, unrecorded, &reserved)?;
        }
        let free = self.files.free_bytes()?;
        let needed = wanted.saturating_add(reserved.bytes).saturating_add(self.limits.reserve_bytes);
        if free < needed {
            return Err(StoreError::DiskFull { path: self.files.dir().to_owned() });
        }
        reserved.bytes += wanted;
        if let Some(UnrecordedQuota { deal, .. }) = unrecorded {
            *reserved.of_deals.entry(*deal).or_default() += wanted;
        }
        Ok(())
    }

    fn check_unrecorded(&self, wanted: u64, asked: &UnrecordedQuota, reserved: &Reserved) -> Result<(), StoreError> {
        let coming: u64 = asked.of_owner.iter().filter_map(|deal| reserved.of_deals.get(deal)).sum();
        let used = self.index.unrecorded_of(&asked.of_owner).saturating_add(coming);
        let quota = asked.owner_bytes_max;
        if !fits(wanted, used, quota) {
            return Err(StoreError::Unrecorded { whose: "this owner", wanted, used, quota });
        }
        let coming: u64 = reserved.of_deals.values().sum();
        let (used, quota) = (self.unrecorded_bytes().saturating_add(coming), asked.all_bytes_max);
        if !fits(wanted, used, quota) {
            return Err(StoreError::Unrecorded { whose: "all owners", wanted, used, quota });
        }
        Ok(())
    }

    /// Takes a promise back, when the piece will not come.
    pub(super) fn unreserve(&self, bytes: u64, deal: Option<&DealId>) {
        self.reserved.lock().take(bytes, deal);
    }

    /// Has `insert` put the piece into the index, where it is counted from now on, and takes its promise back. Nobody who
    /// asks for room sees both, or would be refused what fits.
    pub(super) fn redeem(
        &self,
        bytes: u64,
        deal: Option<&DealId>,
        insert: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut reserved = self.reserved.lock();
        insert()?;
        reserved.take(bytes, deal);
        Ok(())
    }
}

impl Reserved {
    fn take(&mut self, bytes: u64, deal: Option<&DealId>) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(deal) = deal
            && let Some(sum) = self.of_deals.get_mut(deal)
        {
            *sum = sum.saturating_sub(bytes);
            if *sum == 0 {
                self.of_deals.remove(deal);
            }
        }
    }
}

fn fits(wanted: u64, used: u64, quota: u64) -> bool {
    used.checked_add(wanted).is_some_and(|sum| sum <= quota)
}
