//! Transactions that come and go.

use super::Network;
use super::refused::Reason;
use crate::net::behaviour::Behaviour;
use crate::net::gossip::{Acceptance, GRAYLIST, GossipError, Judges, Quotas, TransactionGossip, Verdict, topic};
use crate::net::settings::NetworkLimits;
use bytes::Bytes;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError};
use libp2p::{PeerId, Swarm};
use runtime::types::BlockHash;
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::debug;

/// What gossip needs besides gossipsub.
pub(super) struct Gossiping {
    topic: IdentTopic,
    judges: Judges,
    verdicts: mpsc::Receiver<Verdict>,
    quotas: Quotas,
}

impl Gossiping {
    pub(super) fn new(judge: Arc<dyn TransactionGossip>, genesis: &BlockHash, limits: &NetworkLimits) -> Self {
        let (judges, verdicts) = Judges::start(judge, limits.gossip_queue, limits.gossip_queue_bytes);
        let quotas = Quotas::new(limits.gossip_per_second, limits.gossip_burst);
        Self { topic: topic(genesis), judges, verdicts, quotas }
    }

    /// The next transaction that was judged. Cancelling loses none.
    pub(super) async fn verdict(&mut self) -> Verdict {
        match self.verdicts.recv().await {
            Some(verdict) => verdict,
            // The thread ends with this peer, not before.
            None => std::future::pending().await,
        }
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.quotas.forget(peer);
    }
}

impl Network {
    pub(super) fn on_gossip(&mut self, swarm: &mut Swarm<Behaviour>, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source: from, message_id: id, message } => {
                self.on_transaction(swarm, from, id, message.data.into());
            }
            gossipsub::Event::Subscribed { .. } | gossipsub::Event::Unsubscribed { .. } => {
                self.count_gossip_peers(swarm);
            }
            gossipsub::Event::SlowPeer { peer_id: peer, .. } => debug!(%peer, "a peer takes transactions slowly"),
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    fn on_transaction(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        from: PeerId,
        id: gossipsub::MessageId,
        transaction: Bytes,
    ) {
        let now = self.now();
        let Some(gossiping) = &mut self.gossiping else {
            return;
        };
        let mut counts = self.shared.counts.lock();
        counts.gossip_received += 1;
        let acceptance = if transaction.len() > self.settings.limits.transaction_bytes {
            counts.gossip_rejected += 1;
            Acceptance::Reject
        } else if !gossiping.quotas.take(from, now) {
            counts.gossip_throttled += 1;
            Acceptance::Ignore
        } else if gossiping.judges.judge(id.clone(), from, transaction).is_err() {
            counts.gossip_overflowed += 1;
            Acceptance::Ignore
        } else {
            // The verdict comes later.
            return;
        };
        drop(counts);
        self.report(swarm, &Verdict { id, from, acceptance });
    }

    pub(super) fn on_verdict(&mut self, swarm: &mut Swarm<Behaviour>, verdict: Verdict) {
        let mut counts = self.shared.counts.lock();
        match verdict.acceptance {
            Acceptance::Accept => counts.gossip_accepted += 1,
            Acceptance::Ignore => counts.gossip_ignored += 1,
            Acceptance::Reject => counts.gossip_rejected += 1,
        }
        drop(counts);
        self.report(swarm, &verdict);
    }

    /// Tells gossipsub, and drops a peer that sent too much that is invalid.
    fn report(&mut self, swarm: &mut Swarm<Behaviour>, verdict: &Verdict) {
        let Some(gossip) = swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        let acceptance = match verdict.acceptance {
            Acceptance::Accept => MessageAcceptance::Accept,
            Acceptance::Ignore => MessageAcceptance::Ignore,
            Acceptance::Reject => MessageAcceptance::Reject,
        };
        gossip.report_message_validation_result(&verdict.id, &verdict.from, acceptance);
        let score = gossip.peer_score(&verdict.from).unwrap_or_default();
        if verdict.acceptance == Acceptance::Reject && score < GRAYLIST {
            self.refuse(swarm, verdict.from, Reason::Spam);
        }
    }

    /// Sends a transaction of this node.
    pub(in crate::net) fn send(&mut self, swarm: &mut Swarm<Behaviour>, transaction: Bytes) -> Result<(), GossipError> {
        let limit = self.settings.limits.transaction_bytes;
        let (Some(gossiping), Some(gossip)) = (&self.gossiping, swarm.behaviour_mut().gossip.as_mut()) else {
            return Err(GossipError::Off);
        };
        if transaction.len() > limit {
            return Err(GossipError::TooLarge { bytes: transaction.len(), limit });
        }
        match gossip.publish(gossiping.topic.hash(), transaction) {
            Ok(_) => {
                self.shared.counts.lock().gossip_sent += 1;
                Ok(())
            }
            // It was sent, or came, a moment ago.
            Err(PublishError::Duplicate) => Ok(()),
            Err(PublishError::AllQueuesFull(_)) => Err(GossipError::Busy),
            Err(error) => {
                debug!(%error, "a transaction reaches nobody");
                Err(GossipError::NoPeers)
            }
        }
    }

    pub(super) fn count_gossip_peers(&self, swarm: &mut Swarm<Behaviour>) {
        if let Some(gossip) = swarm.behaviour().gossip.as_ref() {
            let listening = gossip.all_peers().filter(|(_, topics)| !topics.is_empty()).count();
            self.shared.gossip_peers.send_if_modified(|known| std::mem::replace(known, listening) != listening);
        }
    }
}
