//! Messages that come and go.

use super::Network;
use super::connected::Connected;
use super::refused::Reason;
use crate::net::behaviour::Behaviour;
use crate::net::gossip::{
    ANNOUNCEMENT_BYTES_MAX, Acceptance, GRAYLIST, GossipError, Judges, Kind, Quotas, Sender, Topics, TransactionGossip,
    Verdict,
};
use crate::net::settings::NetworkLimits;
use bytes::Bytes;
use libp2p::gossipsub::{self, MessageAcceptance, PublishError};
use libp2p::{PeerId, Swarm};
use runtime::types::BlockHash;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// What gossip needs besides gossipsub.
pub(super) struct Gossiping {
    topics: Topics,
    judges: Judges,
    verdicts: mpsc::Receiver<Verdict>,
    quotas: Quotas<PeerId>,
    of_hosts: Quotas<IpAddr>,
    /// What hosts may send that is invalid.
    invalid: Quotas<IpAddr>,
}

impl Gossiping {
    pub(super) fn new(judge: Arc<dyn TransactionGossip>, genesis: &BlockHash, limits: &NetworkLimits) -> Self {
        let (judges, verdicts) = Judges::start(judge, limits.gossip_queue, limits.gossip_queue_bytes);
        Self {
            topics: Topics::of(genesis),
            judges,
            verdicts,
            quotas: Quotas::per_second(limits.gossip_per_second, limits.gossip_burst),
            of_hosts: Quotas::per_second(limits.gossip_per_second_per_host, limits.gossip_burst_per_host),
            invalid: Quotas::per_hour(limits.gossip_invalid_per_host),
        }
    }

    /// The next message that was judged. Cancelling loses none.
    pub(super) async fn verdict(&mut self) -> Verdict {
        match self.verdicts.recv().await {
            Some(verdict) => verdict,
            // The thread ends with this peer, not before.
            None => std::future::pending().await,
        }
    }

    /// Whether one more of a sender is judged; it counts.
    fn take(&mut self, from: Sender, now: Duration) -> bool {
        // Those that come through relays have no host in common.
        let of_host = |host| self.invalid.has(&host, now) && self.of_hosts.take(host, now);
        self.quotas.take(from.peer, now) && from.host.is_none_or(of_host)
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.quotas.forget(peer);
    }
}

impl Network {
    pub(super) fn on_gossip(&mut self, swarm: &mut Swarm<Behaviour>, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source: from, message_id: id, message } => {
                self.on_message(swarm, from, id, message);
            }
            gossipsub::Event::Subscribed { .. } | gossipsub::Event::Unsubscribed { .. } => {
                self.count_gossip_peers(swarm);
            }
            gossipsub::Event::SlowPeer { peer_id: peer, .. } => debug!(%peer, "a peer takes messages slowly"),
            gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    fn on_message(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        id: gossipsub::MessageId,
        message: gossipsub::Message,
    ) {
        let now = self.now();
        let Some(gossiping) = &mut self.gossiping else {
            return;
        };
        let host = self.shared.connected.lock().get(&peer).and_then(Connected::host);
        let from = Sender { peer, host };
        let kind = gossiping.topics.kind(&message.topic);
        let mut counts = self.shared.counts.lock();
        counts.gossip_received += 1;
        let acceptance = if message.data.len() > bytes_max(kind, &self.settings.limits) {
            counts.gossip_rejected += 1;
            Acceptance::Reject
        } else if !gossiping.take(from, now) {
            counts.gossip_throttled += 1;
            Acceptance::Ignore
        } else if gossiping.judges.judge(id.clone(), from, kind, message.data.into()).is_err() {
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
        let (now, from) = (self.now(), verdict.from);
        let Some(gossip) = swarm.behaviour_mut().gossip.as_mut() else {
            return;
        };
        let acceptance = match verdict.acceptance {
            Acceptance::Accept => MessageAcceptance::Accept,
            Acceptance::Ignore => MessageAcceptance::Ignore,
            Acceptance::Reject => MessageAcceptance::Reject,
        };
        gossip.report_message_validation_result(&verdict.id, &from.peer, acceptance);
        if verdict.acceptance != Acceptance::Reject {
            return;
        }
        let score = gossip.peer_score(&from.peer).unwrap_or_default();
        // New peers cost a host nothing: what all of them send counts together.
        if let Some(gossiping) = &mut self.gossiping
            && let Some(host) = from.host
            && gossiping.invalid.take(host, now)
            && !gossiping.invalid.has(&host, now)
        {
            warn!(peer = %from.peer, %host, "a host sent too much that is invalid: its messages are not judged for a while");
        }
        if score < GRAYLIST {
            self.refuse(swarm, from.peer, Reason::Spam);
        }
    }

    /// Sends a message of this node.
    pub(in crate::net) fn send(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        kind: Kind,
        message: Bytes,
    ) -> Result<(), GossipError> {
        let limit = bytes_max(kind, &self.settings.limits);
        let (Some(gossiping), Some(gossip)) = (&self.gossiping, swarm.behaviour_mut().gossip.as_mut()) else {
            return Err(GossipError::Off);
        };
        if message.len() > limit {
            return Err(GossipError::TooLarge { bytes: message.len(), limit });
        }
        match gossip.publish(gossiping.topics.of_kind(kind).hash(), message) {
            Ok(_) => {
                self.shared.counts.lock().gossip_sent += 1;
                Ok(())
            }
            // It was sent, or came, a moment ago.
            Err(PublishError::Duplicate) => Ok(()),
            Err(PublishError::AllQueuesFull(_)) => Err(GossipError::Busy),
            Err(error) => {
                debug!(%error, ?kind, "a message reaches nobody");
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

/// Bytes that a message of a kind may have.
const fn bytes_max(kind: Kind, limits: &NetworkLimits) -> usize {
    match kind {
        Kind::Transaction => limits.transaction_bytes,
        Kind::Announcement => ANNOUNCEMENT_BYTES_MAX,
    }
}
