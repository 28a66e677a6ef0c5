//! How peers are found and recognized: identify, the table of peers, mDNS, rendezvous points.

use super::addresses::split_peer;
use super::family::Mismatch;
use super::refused::Reason;
use super::{FoundBy, Network, unix};
use crate::net::behaviour::{Behaviour, kademlia_name};
use libp2p::rendezvous::{self, Namespace};
use libp2p::{Multiaddr, PeerId, Swarm, identify, kad, mdns};
use std::collections::HashMap;
use std::time::Duration;
use tracing::{debug, info, warn};

/// A rendezvous point that did not register this peer is asked again after this many ticks.
const REGISTER_AGAIN_TICKS: u32 = 5;

/// When what is done again and again is next due.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    walk_at: Duration,
    points: HashMap<PeerId, Point>,
}

/// A rendezvous point of the configuration.
#[derive(Debug, Default)]
struct Point {
    register_at: Duration,
    discover_at: Duration,
}

impl Network {
    pub(super) fn on_identify(&mut self, swarm: &mut Swarm<Behaviour>, event: identify::Event) {
        let identify::Event::Received { peer_id: peer, info, .. } = event else {
            return;
        };
        match self.family.check(&info.protocol_version) {
            Ok(()) if self.refused.is_useless(&peer) => {}
            Ok(()) => self.on_recognized(swarm, peer, info),
            // It may be another program that speaks the protocols of this chain, if it came, or has what is wanted.
            Err(mismatch @ Mismatch::Stranger { .. }) if self.is_wanted(&peer) => debug!(%peer, "the peer {mismatch}"),
            Err(mismatch) => self.refuse(swarm, peer, Reason::Mismatch(mismatch)),
        }
    }

    /// A peer of this chain.
    fn on_recognized(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, info: identify::Info) {
        let (found, dialed) = {
            let mut connected = self.shared.connected.lock();
            connected.verified(&peer, &info.agent_version, &info.listen_addrs);
            let Some(known) = connected.get(&peer) else {
                return;
            };
            (known.found, known.dialed().cloned())
        };
        if !self.is_on {
            return;
        }
        let own: Vec<_> =
            info.listen_addrs.iter().filter_map(|address| super::addresses::of_peer(address, &peer)).collect();
        let listens = self.believed(&own, found);
        let dialed = dialed.and_then(|address| super::addresses::of_peer(&address, &peer));
        let met = self.shared.book.lock().met(peer, dialed.as_ref(), &listens, found, unix().as_secs());
        if let Some(by) = met.first_by {
            info!(%peer, %by, "met a peer");
            // A process that dies soon should know somebody.
            self.remembering.at_once();
        }
        if met.is_new {
            self.shared.count_found(found);
        }
        self.consider_keeping(swarm, &peer);
        let name = kademlia_name(&self.genesis);
        if info.protocols.contains(&name)
            && let Some(table) = swarm.behaviour_mut().kademlia.as_mut()
        {
            let first = table.kbuckets().next().is_none();
            add_to_table(table, &peer, dialed.into_iter().chain(listens).collect());
            if first {
                self.rounds.walk_at = Duration::ZERO;
            }
        }
    }

    pub(super) fn on_kademlia(&mut self, event: kad::Event) {
        match event {
            kad::Event::OutboundQueryProgressed { result: kad::QueryResult::GetClosestPeers(result), .. } => {
                let peers = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                for peer in peers {
                    self.heard(peer.peer_id, &peer.addrs, FoundBy::Kademlia);
                }
            }
            kad::Event::InboundRequest {
                request: kad::InboundRequest::PutRecord { .. } | kad::InboundRequest::AddProvider { .. },
            } => self.shared.counts.lock().records_refused += 1,
            _ => {}
        }
    }

    /// Looks around in the table of peers: at its own place first, then at random ones.
    pub(super) fn walk(&mut self, swarm: &mut Swarm<Behaviour>, now: Duration) {
        let own = *swarm.local_peer_id();
        let Some(table) = swarm.behaviour_mut().kademlia.as_mut().filter(|_| self.rounds.walk_at <= now) else {
            return;
        };
        let towards = if self.rounds.walk_at.is_zero() { own } else { PeerId::random() };
        if table.kbuckets().next().is_some() {
            table.get_closest_peers(towards);
            self.rounds.walk_at = now + self.settings.intervals.walk;
        }
    }

    pub(super) fn on_mdns(&mut self, event: mdns::Event) {
        if let mdns::Event::Discovered(peers) = event {
            for (peer, address) in peers {
                self.local.allow(&address);
                self.heard(peer, &[address], FoundBy::Mdns);
            }
        }
    }

    /// Registers with the points of the configuration and asks them who else is there.
    pub(super) fn meet(&mut self, swarm: &mut Swarm<Behaviour>, now: Duration) {
        let Some(namespace) = self.namespace() else {
            return;
        };
        let points = self.settings.rendezvous.iter().filter_map(split_peer).map(|(peer, _)| peer);
        let reached: Vec<_> = points.filter(|peer| self.is_verified(peer)).collect();
        let (intervals, limit) = (self.settings.intervals, self.settings.limits.discovered);
        for peer in reached {
            let Some(client) = swarm.behaviour_mut().rendezvous.as_mut() else {
                return;
            };
            let point = self.rounds.points.entry(peer).or_default();
            if point.register_at <= now {
                // Until it answers.
                point.register_at = now + intervals.tick * REGISTER_AGAIN_TICKS;
                let lasts = Some(intervals.registration.as_secs());
                if let Err(error) = client.register(namespace.clone(), peer, lasts) {
                    debug!(%peer, %error, "cannot register with a rendezvous point");
                }
            }
            if point.discover_at <= now {
                point.discover_at = now + intervals.discover;
                client.discover(Some(namespace.clone()), None, Some(limit), peer);
            }
        }
    }

    pub(super) fn on_rendezvous(&mut self, event: rendezvous::client::Event) {
        use rendezvous::client::Event;
        match event {
            Event::Discovered { registrations, .. } => {
                for registration in registrations {
                    let record = &registration.record;
                    self.heard(record.peer_id(), record.addresses(), FoundBy::Rendezvous);
                }
            }
            Event::Registered { rendezvous_node: peer, ttl, .. } => {
                info!(%peer, seconds = ttl, "registered with a rendezvous point");
                self.shared.counts.lock().registrations += 1;
                let again = self.now() + Duration::from_secs(ttl) / 2;
                self.rounds.points.entry(peer).or_default().register_at = again;
            }
            Event::RegisterFailed { rendezvous_node: peer, error, .. } => {
                self.shared.counts.lock().registrations_failed += 1;
                warn!(%peer, ?error, "a rendezvous point does not register this peer");
            }
            Event::DiscoverFailed { rendezvous_node: peer, error, .. } => {
                warn!(%peer, ?error, "a rendezvous point does not say who is there");
            }
            Event::Expired { .. } => {}
        }
    }

    pub(super) fn on_point(&mut self, event: &rendezvous::server::Event) {
        debug!(?event, "rendezvous point");
    }

    /// Where peers of this chain meet.
    fn namespace(&self) -> Option<Namespace> {
        Namespace::new(format!("piecewise/{}", self.genesis)).ok()
    }

    /// Whether this network did not look for the peer by itself.
    fn is_wanted(&self, peer: &PeerId) -> bool {
        let found = self.shared.connected.lock().get(peer).map(|known| known.found);
        matches!(found, None | Some(FoundBy::Inbound | FoundBy::Ledger))
    }

    fn is_verified(&self, peer: &PeerId) -> bool {
        self.shared.connected.lock().get(peer).is_some_and(|known| known.verified)
    }
}

/// Puts a peer into the table with these addresses and no others: it may say others as often as it likes.
fn add_to_table<S: kad::store::RecordStore + Send + 'static>(
    table: &mut kad::Behaviour<S>,
    peer: &PeerId,
    addresses: Vec<Multiaddr>,
) {
    // The table keeps them with the peer's id.
    let addresses: Vec<_> = addresses.into_iter().filter_map(|address| address.with_p2p(*peer).ok()).collect();
    for address in &addresses {
        table.add_address(peer, address.clone());
    }
    let key = kad::KBucketKey::from(*peer);
    let known = table.kbucket(*peer).into_iter().flat_map(|bucket| {
        let entry = bucket.iter().find(|entry| *entry.node.key == key);
        entry.map(|entry| entry.node.value.iter().cloned().collect::<Vec<_>>()).unwrap_or_default()
    });
    let stale: Vec<_> = known.filter(|address| !addresses.contains(address)).collect();
    for address in stale {
        table.remove_address(peer, &address);
    }
}
