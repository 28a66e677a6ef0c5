//! Why agreement could not start, and why it ended.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use runtime::types::{BlockHash, Height};
use thiserror::Error;

use crate::application::ApplicationError;
use crate::types::ValidatorsError;

/// Why the engine did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration contradicts itself or a limit.
    #[error("consensus configuration: {0}")]
    Config(String),
    /// A peer's address does not parse, or lacks its peer id.
    #[error("consensus peer address {address}: {why}")]
    Peer {
        /// As configured.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The data folder cannot be made.
    #[error("consensus folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The listening address is taken or not ours.
    #[error("cannot listen on {address} for consensus")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The guard file cannot be used.
    #[error("the signer's guard file")]
    Guard(#[from] GuardError),
    /// The application cannot say where the chain stands.
    #[error("the application failed")]
    Application(#[from] ApplicationError),
    /// The application's validators cannot agree on anything.
    #[error("the validators of height {height}")]
    Validators {
        /// The height they vote on.
        height: Height,
        /// Why not.
        #[source]
        source: ValidatorsError,
    },
    /// Blocks that this validator helped to decide are gone, and nobody else has them.
    #[error(
        "the ledger ends at height {head}, but this validator, the only one, has signed for height {signed}: {} blocks \
         are missing",
        .signed.saturating_sub(1).saturating_sub(*.head)
    )]
    BlocksMissing {
        /// Height of the ledger.
        head: Height,
        /// The highest height signed for; all below it were decided.
        signed: Height,
    },
    /// The engine refused to start.
    #[error("the consensus engine did not start: {0}")]
    Engine(String),
    /// The engine started and ended, or said nothing in time.
    #[error("the consensus engine was not ready after {} s", .0.as_secs())]
    NotReady(Duration),
    /// The engine ended before it was ready.
    #[error("the consensus engine ended at once: {0}")]
    Ended(EndReason),
}

/// Why the guard file cannot be opened, or refuses a signature.
#[derive(Debug, Error)]
pub enum GuardError {
    /// Reading or writing failed.
    #[error("guard file {path}: {what}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A record other than the last is damaged: what was signed is no longer known.
    #[error(
        "guard file {path}: record {index} is damaged; this validator may have signed what the file no longer shows"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Index of the record.
        index: usize,
    },
    /// There is no file, and there should be one: what was signed is not known.
    #[error(
        "guard file {path} is missing, though {beside}: this validator may have signed what is no longer known. If it is \
         certain that the key signed nothing that is not in the ledger, start once with --new-guard"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// What says that there should be one.
        beside: String,
    },
    /// The file belongs to another key or chain.
    #[error("guard file {path} belongs to another validator or chain")]
    OtherKey {
        /// The file.
        path: PathBuf,
    },
    /// Something else was signed for the same height, round and kind.
    #[error("refused to sign a second {kind} for height {height} round {round}: {signed} was signed, {asked} is asked")]
    Conflict {
        /// Prevote, precommit or proposal.
        kind: &'static str,
        /// The height.
        height: Height,
        /// The round.
        round: u32,
        /// What was signed.
        signed: String,
        /// What is asked now.
        asked: String,
    },
    /// The height lies below one that was signed already.
    #[error("refused to sign for height {height}: height {highest} was signed before")]
    Past {
        /// The height asked.
        height: Height,
        /// The highest that was signed.
        highest: Height,
    },
    /// The height is one for which the key may have signed what the file does not show.
    #[error("refused to sign for height {height}: what this key signed up to height {floor} is not known")]
    Unknowing {
        /// The height asked.
        height: Height,
        /// The highest for which nothing is signed.
        floor: Height,
    },
    /// The round lies further back than the guard remembers.
    #[error("refused to sign for round {round} of height {height}: further back than the guard remembers")]
    Forgotten {
        /// The height.
        height: Height,
        /// The round.
        round: u32,
    },
}

/// Why the engine ended. Anything but [`EndReason::Stopped`] should end the process with a non-zero code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndReason {
    /// It was asked to.
    #[error("stopped")]
    Stopped,
    /// The application failed.
    #[error("the application failed during {during}: {why}")]
    Application {
        /// Which call.
        during: &'static str,
        /// The error and its causes.
        why: String,
    },
    /// The write-ahead log cannot be read back, so the engine no longer knows what it signed.
    #[error("the consensus log is damaged: {why}; start again only once the network has decided this height")]
    LogDamaged {
        /// The engine's words.
        why: String,
    },
    /// This machine executes a block differently from those who certified it.
    #[error("block {hash} of height {height} is certified by the network but invalid here; the state has diverged")]
    Diverged {
        /// The height.
        height: Height,
        /// The block.
        hash: BlockHash,
    },
    /// The engine's actors ended by themselves: a refused signature, a failed write, a panic.
    #[error("the consensus engine ended by itself: {why}")]
    Engine {
        /// What is known.
        why: String,
    },
}

impl EndReason {
    /// Whether it ended because somebody asked for it.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

/// An error and its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string does not fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}
