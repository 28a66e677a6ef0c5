//! Freezing the providers as they stand, so that everybody draws from the same table for a while.

use std::collections::BTreeMap;

use crate::tables::{Provider, ProviderStatus, Snapshot, SnapshotEntry};
use crate::types::{Balance, BeaconValue, StakingParameters};

/// Weights count whole GiB.
const WEIGHT_SHIFT: u32 = 30;
/// The least that has a weight.
pub const WEIGHT_UNIT_BYTES: u64 = 1 << WEIGHT_SHIFT;

/// Takes providers in the order of their numbers.
pub(crate) struct SnapshotBuilder {
    snapshot: Snapshot,
    weight_sum: u64,
    operators: BTreeMap<String, u32>,
    zones: BTreeMap<String, u32>,
}

impl SnapshotBuilder {
    pub(crate) fn new(beacon: BeaconValue) -> Self {
        let snapshot = Snapshot { beacon, entries: Vec::new() };
        Self { snapshot, weight_sum: 0, operators: BTreeMap::new(), zones: BTreeMap::new() }
    }

    /// Adds a provider, unless it takes no pieces or has no weight.
    pub(crate) fn add(&mut self, staking: &StakingParameters, provider: &Provider) {
        let weight = weight(staking, provider);
        if provider.status != ProviderStatus::Active || weight == 0 {
            return;
        }
        self.weight_sum = self.weight_sum.saturating_add(weight);
        self.snapshot.entries.push(SnapshotEntry {
            number: provider.number,
            operator: number(&mut self.operators, provider.operator.as_str()),
            zone: number(&mut self.zones, provider.zone.as_str()),
            weight_sum: self.weight_sum,
        });
    }

    pub(crate) fn finish(self) -> Snapshot {
        self.snapshot
    }
}

/// Free GiB that the bond covers, times the score.
fn weight(staking: &StakingParameters, provider: &Provider) -> u64 {
    let usable = provider.declared.min(covered_bytes(staking, provider.bond));
    let free = usable.saturating_sub(provider.committed);
    (free >> WEIGHT_SHIFT).saturating_mul(u64::from(provider.score))
}

/// Bytes that a bond covers; all there are if bonds cost nothing.
pub(crate) fn covered_bytes(staking: &StakingParameters, bond: Balance) -> u64 {
    bond.checked_div(staking.bond_per_byte).map_or(u64::MAX, |bytes| u64::try_from(bytes).unwrap_or(u64::MAX))
}

/// The number of `text`, from 0 in order of first appearance.
fn number(seen: &mut BTreeMap<String, u32>, text: &str) -> u32 {
    let next = u32::try_from(seen.len()).unwrap_or(u32::MAX);
    match seen.get(text) {
        Some(number) => *number,
        None => *seen.entry(text.to_owned()).or_insert(next),
    }
}
