//! What votes are about, in the shapes the engine wants: thin wraps of `runtime`'s types.

mod part;
mod proposal;
mod validators;
mod vote;

use std::fmt;

use malachite::app::types::core;
use runtime::crypto::AccountId;
use runtime::types::BlockHash;

pub use part::{PartManifest, ProposalPart};
pub use proposal::Proposal;
pub use validators::{Validator, Validators, ValidatorsError};
pub use vote::Vote;

/// A validator's account, as the engine's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub AccountId);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Address {}

/// What is agreed on: a block by its hash. The block itself travels as proposal parts and lies with the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef(pub BlockHash);

impl core::Value for BlockRef {
    type Id = BlockHash;

    fn id(&self) -> BlockHash {
        self.0
    }
}
