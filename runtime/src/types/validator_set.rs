//! The validators of a height, and whose turn it is to propose.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};

use super::hashes::derive;
use super::{BlockHash, Height, ValidatorsHash};
use crate::crypto::{AccountId, PublicKey};

/// One validator of a set.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen,
)]
pub struct ValidatorEntry {
    /// The account that is paid and slashed.
    pub account: AccountId,
    /// The key that votes.
    pub consensus_key: PublicKey,
    /// Voting power, above zero.
    pub power: u64,
}

/// Validators in account order, each account once, each power above zero.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, Default)]
pub struct ValidatorSet(Vec<ValidatorEntry>);

impl ValidatorSet {
    /// Sorts the entries by account and drops those without power; of an account given twice the first stays.
    #[must_use]
    pub fn new(mut entries: Vec<ValidatorEntry>) -> Self {
        entries.retain(|entry| entry.power > 0);
        entries.sort_by_key(|entry| entry.account);
        entries.dedup_by_key(|entry| entry.account);
        Self(entries)
    }

    /// In account order.
    #[must_use]
    pub fn entries(&self) -> &[ValidatorEntry] {
        &self.0
    }

    /// The entry of an account.
    #[must_use]
    pub fn get(&self, account: &AccountId) -> Option<&ValidatorEntry> {
        self.0.binary_search_by_key(account, |entry| entry.account).ok().and_then(|at| self.0.get(at))
    }

    /// Sum of the powers.
    #[must_use]
    pub fn total_power(&self) -> u64 {
        self.0.iter().fold(0, |sum, entry| sum.saturating_add(entry.power))
    }

    /// Hash of SCALE([{ account, consensus_key, power }]) in account order.
    #[must_use]
    pub fn hash(&self) -> ValidatorsHash {
        ValidatorsHash::from_bytes(derive("piecewise validators hash v1", &[&self.encode()]))
    }

    /// Who proposes in `round` of `height`: starts where `H("proposer", genesis, height) mod total power` falls, then
    /// goes `round` steps on. None only of an empty set.
    #[must_use]
    pub fn proposer(&self, genesis: &BlockHash, height: Height, round: u32) -> Option<&ValidatorEntry> {
        let total = u128::from(self.total_power());
        let hash = derive("piecewise proposer v1", &[genesis.as_ref(), &height.to_be_bytes()]);
        let (head, _) = hash.split_at(16);
        let draw = u128::from_be_bytes(head.try_into().ok()?).checked_rem(total)?;
        let mut sum = 0u128;
        let start = self.0.iter().position(|entry| {
            sum += u128::from(entry.power);
            draw < sum
        })?;
        let steps = usize::try_from(round).ok()?.checked_rem(self.0.len())?;
        self.0.iter().cycle().nth(start + steps)
    }
}
