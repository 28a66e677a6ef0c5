//! Transactions to and from other nodes: every validator must know of one before it can be in the next block at once.
//!
//! What comes in is judged by the mempool's own rules and passed on only if it is new and valid. What goes out is each
//! transaction that is submitted here, once; all that wait, when somebody listens who did not, and again from time to
//! time, since nobody promises that a message arrives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dsn::{Acceptance, GossipError, TransactionGossip};
use ledger::AdmitError;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::rule::Rule;
use runtime::types::SignedTransaction;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;

/// How often what still waits is told again.
const REPEAT: Duration = Duration::from_secs(15);
/// Transactions that are told again at once, at most; the next time it is the turn of what still waits then.
const REPEATED_MAX: usize = 512;

/// Judges what others tell by admitting it to the pool.
pub struct Heard(pub Arc<Chain>);

impl TransactionGossip for Heard {
    fn admit(&self, transaction: &[u8]) -> Acceptance {
        // The network has held its length to the chain's limit.
        let Ok(decoded) = decode_bounded::<SignedTransaction>(transaction, transaction.len()) else {
            return Acceptance::Reject;
        };
        match self.0.admit(decoded) {
            Ok(_) => Acceptance::Accept,
            // Wrong at every node and every height: whoever passed it on did not look.
            Err(AdmitError::Rule(
                Rule::BadSignature | Rule::BadVersion | Rule::TransactionTooLarge | Rule::NotFree,
            )) => Acceptance::Reject,
            // Known, or this node is at another height than the one that told it, or has no room.
            Err(_) => Acceptance::Ignore,
        }
    }
}

/// Tells other nodes of this node's transactions, until it is dropped.
pub async fn tell(chain: Arc<Chain>, peer: dsn::Peer) {
    let mut submitted = chain.watch_submitted();
    let mut listeners = peer.gossip_peers();
    let mut heard_by = *listeners.borrow_and_update();
    let mut ticks = interval(REPEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            transaction = submitted.recv() => match transaction {
                Ok(transaction) => say(&peer, &transaction).await,
                Err(RecvError::Lagged(_)) => say_all(&chain, &peer).await,
                Err(RecvError::Closed) => return,
            },
            changed = listeners.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *listeners.borrow_and_update();
                if now > std::mem::replace(&mut heard_by, now) {
                    say_all(&chain, &peer).await;
                }
            }
            _ = ticks.tick() => say_all(&chain, &peer).await,
        }
    }
}

async fn say_all(chain: &Chain, peer: &dsn::Peer) {
    for pending in chain.mempool().pending().into_iter().take(REPEATED_MAX) {
        say(peer, &pending.transaction).await;
    }
}

async fn say(peer: &dsn::Peer, transaction: &SignedTransaction) {
    let hash = transaction.hash();
    match peer.gossip_transaction(Bytes::from(transaction.encode())).await {
        Ok(()) => tracing::trace!(%hash, "told of a transaction"),
        // It is told again once somebody listens.
        Err(GossipError::NoPeers | GossipError::Off | GossipError::Stopped) => {}
        Err(error) => tracing::warn!(%hash, %error, "cannot tell of a transaction"),
    }
}
