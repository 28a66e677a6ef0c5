//! The validators of a height.

use malachite::app::types::core;
use runtime::crypto::PublicKey;
use runtime::types::{BlockHash, Height, ValidatorEntry, ValidatorSet};
use thiserror::Error;

use super::Address;
use crate::context::ChainContext;

/// One validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    address: Address,
    key: PublicKey,
    power: u64,
}

impl Validator {
    const fn new(entry: &ValidatorEntry) -> Self {
        Self { address: Address(entry.account), key: entry.consensus_key, power: entry.power }
    }

    /// The key that votes.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl core::Validator<ChainContext> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.power
    }
}

/// The validators of a height, in account order: at least one, and no more power than the engine can count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    set: ValidatorSet,
    // The engine wants references to its own type, in the order of `set`.
    list: Vec<Validator>,
}

/// Why validators cannot agree on anything.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ValidatorsError {
    /// There are none.
    #[error("the validator set is empty")]
    Empty,
    /// There are more than certificates have room for.
    #[error("{count} validators are more than the {max} a certificate holds")]
    TooMany {
        /// How many.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// The engine multiplies powers by three.
    #[error("the validators' total power is not below a third of 2^64")]
    TooPowerful,
}

impl Validators {
    /// More would not fit the messages that carry certificates.
    pub const COUNT_MAX: usize = 256;

    /// Takes a set as `runtime` gives it.
    ///
    /// # Errors
    /// [`ValidatorsError`] if the engine could not work with it.
    pub fn new(set: ValidatorSet) -> Result<Self, ValidatorsError> {
        let count = set.entries().len();
        if count == 0 {
            return Err(ValidatorsError::Empty);
        }
        if count > Self::COUNT_MAX {
            return Err(ValidatorsError::TooMany { count, max: Self::COUNT_MAX });
        }
        if set.total_power() >= u64::MAX / 3 {
            return Err(ValidatorsError::TooPowerful);
        }
        let list = set.entries().iter().map(Validator::new).collect();
        Ok(Self { set, list })
    }

    /// Whose turn it is.
    #[must_use]
    pub fn proposer(&self, genesis: &BlockHash, height: Height, round: u32) -> &Validator {
        let entry = self.set.proposer(genesis, height, round);
        entry.and_then(|entry| self.get(&Address(entry.account))).expect("a set that is not empty has a proposer")
    }

    fn get(&self, address: &Address) -> Option<&Validator> {
        self.list.binary_search_by_key(address, |validator| validator.address).ok().and_then(|at| self.list.get(at))
    }
}

impl core::ValidatorSet<ChainContext> for Validators {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.set.total_power()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.get(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.list.get(index)
    }
}
