//! Transactions to and from other nodes: every validator must know of one before it can be in the next block at once.
//!
//! What comes in is judged by the mempool's own rules and passed on only if it is new and valid. What goes out is each
//! transaction that is submitted here, once; all that wait, when somebody listens who did not, and again from time to
//! time, since nobody promises that a message arrives. Each time it is another message, by the number behind the transaction:
//! peers do not look at, and gossipsub does not send, what they have seen a while ago.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsn::{Acceptance, GossipError, TransactionGossip};
use ledger::AdmitError;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::crypto::AccountId;
use runtime::rule::Rule;
use runtime::types::SignedTransaction;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;
use crate::meeting::Meeting;

/// How often what still waits is told again.
const REPEAT: Duration = Duration::from_secs(15);
/// Transactions that are told again at once, at most; the next time it is the turn of what still waits then.
const REPEATED_MAX: usize = 512;

/// Judges what others tell: transactions by admitting them to the pool.
pub struct Heard {
    /// The pool's.
    pub chain: Arc<Chain>,
    /// Hears where validators are.
    pub meeting: Arc<Meeting>,
}

impl TransactionGossip for Heard {
    fn admit(&self, transaction: &[u8]) -> Acceptance {
        // The network has held its length to the chain's limit.
        let Some((_repeat, transaction)) = transaction.split_last() else { return Acceptance::Reject };
        let Ok(decoded) = decode_bounded::<SignedTransaction>(transaction, transaction.len()) else {
            return Acceptance::Reject;
        };
        match self.chain.admit(decoded) {
            Ok(_) => Acceptance::Accept,
            // Wrong at every node and every height: whoever passed it on did not look.
            Err(AdmitError::Rule(
                Rule::BadSignature | Rule::BadVersion | Rule::TransactionTooLarge | Rule::NotFree,
            )) => Acceptance::Reject,
            // Known, or this node is at another height than the one that told it, or has no room.
            Err(_) => Acceptance::Ignore,
        }
    }

    fn hear(&self, announcement: &[u8]) -> Acceptance {
        self.meeting.hear(announcement)
    }
}

/// Tells other nodes of this node's transactions, until it is dropped.
pub async fn tell(chain: Arc<Chain>, peer: dsn::Peer) {
    let mut submitted = chain.watch_submitted();
    let mut listeners = peer.gossip_peers();
    let mut heard_by = *listeners.borrow_and_update();
    let mut ticks = interval(REPEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting = Waiting { chain, repeat: 0, last: (AccountId::from_bytes([0; 32]), 0) };
    loop {
        tokio::select! {
            transaction = submitted.recv() => match transaction {
                Ok(transaction) => say(&peer, &transaction, 0).await,
                Err(RecvError::Lagged(_)) => waiting.say(&peer).await,
                Err(RecvError::Closed) => return,
            },
            changed = listeners.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *listeners.borrow_and_update();
                if now > std::mem::replace(&mut heard_by, now) {
                    waiting.say(&peer).await;
                }
            }
            _ = ticks.tick() => waiting.say(&peer).await,
        }
    }
}

/// What is told again.
struct Waiting {
    chain: Arc<Chain>,
    /// How often, which comes around long after peers have forgotten.
    repeat: u8,
    /// The last one that was told.
    last: (AccountId, u64),
}

impl Waiting {
    /// Tells of those that wait, from the one behind the last on.
    async fn say(&mut self, peer: &dsn::Peer) {
        self.repeat = self.repeat.checked_add(1).unwrap_or(1);
        let mut waiting = self.chain.mempool().pending();
        let told = waiting.partition_point(|pending| (pending.signer, pending.nonce) <= self.last);
        waiting.rotate_left(told);
        for pending in waiting.into_iter().take(REPEATED_MAX) {
            say(peer, &pending.transaction, self.repeat).await;
            self.last = (pending.signer, pending.nonce);
        }
    }
}

async fn say(peer: &dsn::Peer, transaction: &SignedTransaction, repeat: u8) {
    let hash = transaction.hash();
    match peer.gossip_transaction(Bytes::from((transaction, repeat).encode())).await {
        Ok(()) => tracing::trace!(%hash, "told of a transaction"),
        // It is told again once somebody listens.
        Err(GossipError::NoPeers | GossipError::Off | GossipError::Stopped) => {}
        Err(error) => tracing::warn!(%hash, %error, "cannot tell of a transaction"),
    }
}
