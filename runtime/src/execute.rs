//! The rules in force: a block's transactions, in order, on top of the state before it.
//!
//! ```text
//! parent header, state after it
//!     | Opening: height, time, epoch, proposer, beacon, who votes
//!     v
//! Run: epoch change, sweep -> for each transaction: fee and nonce, then its call in a layer of its own
//!     | one batch of all signatures; if it fails, the same again with each checked alone
//!     v
//! Executed: changes, events, the header but for the state's root
//! ```
//!
//! [`Proposal`] and [`execute_block`] are the same code, so that who proposes and who checks cannot differ.

use pieces::Hash;
use thiserror::Error;

use crate::crypto::{AccountId, VrfOutput};
use crate::event::EventRecord;
use crate::rule::Rule;
use crate::state::{Changes, StateError};
use crate::types::{
    BeaconValue, Block, BlockHash, Epoch, Header, Height, SignedTransaction, StateRoot, ValidatorsHash,
};

mod money;
mod opening;
mod proposal;
mod run;
mod signatures;
mod trial;

pub use proposal::{Proposal, execute_block};
pub use trial::try_transaction;

pub(crate) use money::{add, broken};
pub(crate) use run::Run;

/// The version of the rules that this crate is. A chain whose schedule asks for another cannot be followed by it.
pub const RULES_VERSION: u32 = 1;

/// Room for a block's header and the count of its transactions. The limit of a block's bytes covers it.
pub const BLOCK_OVERHEAD_BYTES: u32 = 512;

/// What a block does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// To the state.
    pub changes: Changes,
    /// For those who watch.
    pub events: Vec<EventRecord>,
    /// The transactions in it, in order.
    pub transactions: Vec<SignedTransaction>,
    /// Its header but for the state's root.
    pub draft: HeaderDraft,
}

/// A header but for the state's root, which only the ledger can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderDraft {
    /// As [`Header::version`].
    pub version: u32,
    /// As [`Header::height`].
    pub height: Height,
    /// As [`Header::parent`].
    pub parent: BlockHash,
    /// As [`Header::timestamp_ms`].
    pub timestamp_ms: u64,
    /// As [`Header::epoch`].
    pub epoch: Epoch,
    /// As [`Header::round`].
    pub round: u32,
    /// As [`Header::proposer`].
    pub proposer: AccountId,
    /// As [`Header::transactions_root`].
    pub transactions_root: Hash,
    /// As [`Header::events_root`].
    pub events_root: Hash,
    /// As [`Header::validators_hash`].
    pub validators_hash: ValidatorsHash,
    /// As [`Header::next_validators_hash`].
    pub next_validators_hash: ValidatorsHash,
    /// As [`Header::beacon`].
    pub beacon: BeaconValue,
    /// As [`Header::vrf`].
    pub vrf: VrfOutput,
}

impl Executed {
    /// The whole header, given the root of the state after the block.
    #[must_use]
    pub fn header(&self, state_root: StateRoot) -> Header {
        let draft = &self.draft;
        Header {
            version: draft.version,
            height: draft.height,
            parent: draft.parent,
            timestamp_ms: draft.timestamp_ms,
            epoch: draft.epoch,
            round: draft.round,
            proposer: draft.proposer,
            state_root,
            transactions_root: draft.transactions_root,
            events_root: draft.events_root,
            validators_hash: draft.validators_hash,
            next_validators_hash: draft.next_validators_hash,
            beacon: draft.beacon,
            vrf: draft.vrf,
        }
    }

    /// The whole block, given the root of the state after it.
    #[must_use]
    pub fn block(&self, state_root: StateRoot) -> Block {
        Block { header: self.header(state_root), transactions: self.transactions.clone() }
    }
}

/// Why a block was not executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExecuteError {
    /// The rules refuse the block.
    #[error("the block is invalid: {why}")]
    Invalid {
        /// The first reason.
        why: InvalidBlock,
    },
    /// The chain's schedule asks for rules that this program does not have: it must be replaced to go on.
    #[error("height {height} is under version {version} of the rules, which this program lacks")]
    UnknownRules {
        /// The block's height.
        height: Height,
        /// The version that is wanted.
        version: u32,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<InvalidBlock> for ExecuteError {
    fn from(why: InvalidBlock) -> Self {
        Self::Invalid { why }
    }
}

/// What is wrong with a block.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidBlock {
    /// A field is not what the parent, the state or the body give.
    #[error("the header's {0} does not follow from its parent, the state and the body")]
    Field(&'static str),
    /// Not after the parent.
    #[error("time {timestamp_ms} is not after the parent's {parent_ms}")]
    NotAfterParent {
        /// The block's time.
        timestamp_ms: u64,
        /// The parent's.
        parent_ms: u64,
    },
    /// Ahead of the clock of whoever votes.
    #[error("time {timestamp_ms} is ahead of {latest_ms}, the latest that the clock allows")]
    Early {
        /// The block's time.
        timestamp_ms: u64,
        /// The latest acceptable now.
        latest_ms: u64,
    },
    /// Not this validator's turn.
    #[error("{proposer} does not propose in round {round} of height {height}")]
    Proposer {
        /// Who claims it.
        proposer: AccountId,
        /// The round it claims.
        round: u32,
        /// The height.
        height: Height,
    },
    /// The proposer's VRF does not hold.
    #[error("the vrf does not hold")]
    Vrf,
    /// The certificate decides another block, or an earlier round.
    #[error("the certificate does not decide this block")]
    Certificate,
    /// More bytes than a block may have.
    #[error("the block takes more than {max} bytes")]
    TooLarge {
        /// Most bytes.
        max: u32,
    },
    /// A transaction that cannot be in a block.
    #[error("transaction {index}: {rule}")]
    Transaction {
        /// Position in the block.
        index: u32,
        /// Why it cannot.
        rule: Rule,
    },
}

/// Why a transaction cannot be in a block, or a call fails.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// A rule says so.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// The state could not be read: says nothing about the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Rejected {
    /// The rule, unless reading failed.
    #[must_use]
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::Rule(rule) => Some(*rule),
            Self::State(_) => None,
        }
    }
}
