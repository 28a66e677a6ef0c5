//! Transactions, and announcements of validators, that peers pass on to one another.
//!
//! ```text
//!  a peer -> gossipsub (size, seen before?) -> quotas of that peer and its host -> queue -> judge, on a thread of its own
//!                                                                                    | accept: passed on
//!  gossipsub <-------------------- outcome -------------------------------------------| ignore: forgotten
//!                                                                                    | reject: its sender's score falls,
//!                                                                                      and its host's quota
//! ```
//! Messages are unsigned and named by the hash of their bytes: what they carry is signed by itself, the same has one name
//! however many send it, and nothing says which peer sent it first.

mod judge;
mod quota;
mod topic;

pub(super) use judge::{Judges, Sender, Verdict};
pub(super) use quota::Quotas;
pub(super) use topic::{GRAYLIST, Gossip, Topics, behaviour};

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transaction,
    Announcement,
}

/// What becomes of a message that a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// New and valid: it is passed on.
    Accept,
    /// Known, or not for this node now: it is not passed on, and nobody is at fault.
    Ignore,
    /// Wrong whatever the state: nobody honest would have passed it on.
    Reject,
}

/// Judges what peers send.
pub trait TransactionGossip: Send + Sync + 'static {
    /// Judges the bytes of what a peer says is a transaction, and what it may have added to make a message new, at most
    /// [`transaction_bytes`](super::NetworkLimits::transaction_bytes) of them. Called by one thread that may block, one
    /// transaction after the other. A panic counts as [`Acceptance::Ignore`].
    fn admit(&self, transaction: &[u8]) -> Acceptance;

    /// Judges where a validator says that it is, in at most [`ANNOUNCEMENT_BYTES_MAX`]; as [`admit`](Self::admit).
    fn hear(&self, announcement: &[u8]) -> Acceptance;
}

/// Bytes of an announcement of a validator.
pub const ANNOUNCEMENT_BYTES_MAX: usize = 1024;

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GossipError {
    /// This peer passes nothing on.
    #[error("this peer passes nothing on")]
    Off,
    /// It is too long.
    #[error("the message has {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// Nobody listens.
    #[error("no peer listens")]
    NoPeers,
    /// Those who listen take no more for now.
    #[error("too many messages wait to be sent")]
    Busy,
    /// This peer was stopped.
    #[error("this peer was stopped")]
    Stopped,
}
