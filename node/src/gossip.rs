//! Transactions between nodes: those that come in here are told to others, and those that others tell are judged.
//!
//! Every validator has to hear of a transaction at once: one that waits idle does not see the votes of the others.

use std::sync::Arc;

use dsn::{Acceptance, GossipError, Peer, TransactionGossip};
use ledger::AdmitError;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::rule::Rule;
use runtime::types::SignedTransaction;
use tokio::sync::broadcast::error::RecvError;

use crate::chain::Chain;

/// Judges what others tell by admitting it to the pool.
pub struct Heard(pub Arc<Chain>);

impl TransactionGossip for Heard {
    fn admit(&self, transaction: &[u8]) -> Acceptance {
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

/// Tells others of every transaction that comes in here, until it is dropped; those that wait are told again to the first
/// peer that listens.
pub async fn tell(chain: Arc<Chain>, peer: Peer) {
    let mut submitted = chain.watch_submitted();
    let mut listeners = peer.gossip_peers();
    let mut had_listeners = false;
    loop {
        tokio::select! {
            came = submitted.recv() => match came {
                Ok(transaction) => send(&peer, &transaction).await,
                // More came than this task could send: the pool still has those that are in no block.
                Err(RecvError::Lagged(_)) => send_pending(&chain, &peer).await,
                Err(RecvError::Closed) => return,
            },
            changed = listeners.changed() => {
                if changed.is_err() {
                    return;
                }
                let has_listeners = *listeners.borrow_and_update() > 0;
                if has_listeners && !had_listeners {
                    send_pending(&chain, &peer).await;
                }
                had_listeners = has_listeners;
            }
        }
    }
}

async fn send_pending(chain: &Chain, peer: &Peer) {
    for waiting in chain.mempool().pending() {
        if let Some(transaction) = chain.mempool().get(&waiting.hash) {
            send(peer, &transaction).await;
        }
    }
}

async fn send(peer: &Peer, transaction: &SignedTransaction) {
    match peer.gossip_transaction(transaction.encode().into()).await {
        // It is told once somebody listens.
        Ok(()) | Err(GossipError::NoPeers) => {}
        Err(error) => tracing::warn!(hash = %transaction.hash(), %error, "a transaction is not passed on"),
    }
}
