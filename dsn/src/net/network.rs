//! The network around a peer: whom it knows, keeps and refuses, and what they tell one another.
//!
//! ```text
//!  boot nodes, file, mDNS, rendezvous, table of peers --heard--> PeerBook --due--> dial
//!                                                                   ^               |
//!                                              met: it is of this chain          identify
//!                                                                   |               |
//!  kept: so many, from many blocks of the internet <----------------+---- yes ------+---- no ---> RefusedPeers
//! ```
//! What is to be known after a restart goes into one file: the book, the scores, and who sent spam.
//!
//! State and decisions are here; the actor owns it and passes it the swarm.

pub(crate) mod addresses;
mod book;
mod connected;
mod counts;
mod discover;
pub(crate) mod family;
mod file;
mod gossiping;
mod reach;
mod refused;
mod remembering;
mod shared;

pub use addresses::is_relayed;
pub use book::{FoundBy, KnownPeer};
pub use connected::PeerInfo;
pub use counts::NetworkCounts;
pub(super) use shared::Shared;

use super::behaviour::{Behaviour, BehaviourEvent};
use super::error::StartError;
use super::gossip::Verdict;
use super::settings::NetworkConfig;
use super::transport::LocalIps;
use addresses::split_peer;
use discover::Rounds;
use family::Family;
use gossiping::Gossiping;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, Swarm};
use reach::Reach;
use refused::{Reason, RefusedPeers};
use remembering::Remembering;
use runtime::types::BlockHash;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, warn};

/// No tick is shorter.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// What the network has to do when nothing happens on connections.
#[derive(Debug)]
pub(super) enum Wake {
    Tick,
    Verdict(Verdict),
}

/// See the module.
pub(super) struct Network {
    settings: NetworkConfig,
    is_on: bool,
    genesis: BlockHash,
    family: Family,
    shared: Arc<Shared>,
    refused: RefusedPeers,
    local: LocalIps,
    since: Instant,
    ticks: Interval,
    /// Peers that are being dialed by this network's own wish.
    dialing: HashMap<ConnectionId, PeerId>,
    rounds: Rounds,
    remembering: Remembering,
    reach: Reach,
    gossiping: Option<Gossiping>,
}

impl Network {
    /// Starts in the tokio runtime.
    pub(super) fn new(settings: NetworkConfig, genesis: BlockHash, shared: Arc<Shared>, local: LocalIps) -> Self {
        let mut ticks = interval(settings.intervals.tick.max(SHORTEST_TICK));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            is_on: settings.is_on(),
            genesis,
            family: Family::of(&genesis),
            refused: RefusedPeers::new(settings.limits.refused_peers, settings.intervals.refused),
            since: Instant::now(),
            ticks,
            dialing: HashMap::new(),
            rounds: Rounds::default(),
            remembering: Remembering::default(),
            reach: Reach::default(),
            gossiping: settings.gossip.clone().map(|judge| Gossiping::new(judge, &genesis, &settings.limits)),
            settings,
            shared,
            local,
        }
    }

    /// Takes up what the configuration names, and what an earlier run left.
    pub(super) fn begin(&mut self, swarm: &mut Swarm<Behaviour>) {
        for (peer, address, found) in self.configured() {
            self.shared.book.lock().pin(peer, address, found);
            self.shared.count_found(found);
        }
        self.settings.public_addresses.iter().for_each(|address| swarm.add_external_address(address.clone()));
        self.note_external(swarm);
        self.restore(swarm);
    }

    /// Whoever the configuration names.
    fn configured(&self) -> Vec<(PeerId, Multiaddr, FoundBy)> {
        let of = |addresses: &[Multiaddr], found| {
            addresses
                .iter()
                .filter_map(move |address| split_peer(address).map(|(peer, rest)| (peer, rest, found)))
                .collect::<Vec<_>>()
        };
        [
            of(&self.settings.rendezvous, FoundBy::Rendezvous),
            of(&self.settings.relays, FoundBy::Relay),
            of(&self.settings.bootnodes, FoundBy::BootNode),
            of(&self.settings.reserved, FoundBy::Reserved),
        ]
        .concat()
    }

    /// What there is to do next; never, if everything is off.
    pub(super) async fn wake(&mut self) -> Wake {
        let verdict = async {
            match &mut self.gossiping {
                Some(gossiping) => gossiping.verdict().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.ticks.tick() => Wake::Tick,
            verdict = verdict => Wake::Verdict(verdict),
        }
    }

    pub(super) fn on_wake(&mut self, swarm: &mut Swarm<Behaviour>, wake: Wake) {
        match wake {
            Wake::Tick => self.tick(swarm),
            Wake::Verdict(verdict) => self.on_verdict(swarm, verdict),
        }
    }

    fn tick(&mut self, swarm: &mut Swarm<Behaviour>) {
        let now = self.now();
        let overdue = self.refused.overdue(now);
        for peer in overdue.end {
            if swarm.disconnect_peer_id(peer).is_err() {
                debug!(%peer, "the peer went by itself");
            }
        }
        for peer in overdue.forgiven {
            swarm.behaviour_mut().keeper.unbar(&peer);
        }
        if self.is_on {
            self.dial_due(swarm, now);
            self.walk(swarm, now);
            self.meet(swarm, now);
            self.listen_through_relays(swarm, now);
            self.store(now);
        }
    }

    /// An event of one of the protocols that are the network's.
    pub(super) fn on_event(&mut self, swarm: &mut Swarm<Behaviour>, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(swarm, event),
            BehaviourEvent::Kademlia(event) => self.on_kademlia(event),
            BehaviourEvent::Mdns(event) => self.on_mdns(event),
            BehaviourEvent::Point(event) => self.on_point(&event),
            BehaviourEvent::Rendezvous(event) => self.on_rendezvous(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(swarm, event),
            BehaviourEvent::Autonat(event) => self.on_autonat(&event),
            BehaviourEvent::Upnp(event) => self.on_upnp(&event),
            BehaviourEvent::Relay(event) => debug!(?event, "relay"),
            BehaviourEvent::Circuits(event) => self.on_circuit(&event),
            BehaviourEvent::Punch(event) => self.on_punched(&event),
            _ => {}
        }
    }

    /// A connection is there. `asked` says that a stream was wanted from the peer.
    pub(super) fn on_opened(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        connection: ConnectionId,
        point: ConnectedPoint,
        asked: bool,
    ) {
        self.dialing.remove(&connection);
        let known = self.shared.book.lock().get(&peer).map(|entry| (entry.found, entry.pinned));
        let unknown = match (point.is_dialer(), asked) {
            (true, true) => FoundBy::Ledger,
            (true, false) => FoundBy::Kademlia,
            (false, _) => FoundBy::Inbound,
        };
        let found = known.map_or(unknown, |(found, _)| found);
        self.shared.connected.lock().opened(peer, connection, point, found);
        if known.is_some_and(|(_, pinned)| pinned) && self.refused.reason(&peer).is_none() {
            swarm.behaviour_mut().keeper.keep(peer, true);
        }
    }

    pub(super) fn on_closed(&mut self, swarm: &mut Swarm<Behaviour>, peer: &PeerId, connection: ConnectionId) {
        let gone = self.shared.connected.lock().closed(peer, connection);
        let Some(gone) = gone else {
            return;
        };
        swarm.behaviour_mut().keeper.keep(*peer, false);
        if let Some(gossiping) = &mut self.gossiping {
            gossiping.forget(peer);
        }
        self.count_gossip_peers(swarm);
        if !gone.verified {
            // It ended before it said what it is: it has no room, or is broken.
            self.shared.book.lock().failed(peer, self.now());
        }
    }

    /// Somebody is being dialed, whoever wants it.
    pub(super) fn on_dialing(&self) {
        self.shared.counts.lock().dials += 1;
    }

    pub(super) fn on_dial_failed(&mut self, peer: Option<PeerId>, connection: ConnectionId, error: &DialError) {
        if matches!(error, DialError::Denied { .. } | DialError::DialPeerConditionFalse(_)) {
            self.dialing.remove(&connection);
            return;
        }
        self.shared.counts.lock().dials_failed += 1;
        // Dials that others wanted, with other addresses, say nothing about those in the book.
        if let Some(peer) = self.dialing.remove(&connection).or(peer) {
            self.shared.book.lock().failed(&peer, self.now());
        }
    }

    /// Why nothing is to be had from a peer.
    pub(super) fn refusal(&self, peer: &PeerId) -> Option<String> {
        self.refused.reason(peer).filter(|_| self.refused.is_useless(peer)).map(ToString::to_string)
    }

    fn refuse(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, reason: Reason) {
        let now = self.now();
        let Some((until, forgiven)) = self.refused.refuse(peer, reason.clone(), now) else {
            return;
        };
        self.shared.count_refusal(&reason);
        let seconds = until.saturating_sub(now).as_secs();
        warn!(%peer, seconds, "the peer {reason}: it is left alone for a while");
        let keeper = &mut swarm.behaviour_mut().keeper;
        keeper.bar(peer, reason.bar());
        keeper.keep(peer, false);
        if let Some(forgiven) = forgiven {
            keeper.unbar(&forgiven);
        }
        self.shared.book.lock().leave_alone(&peer, until);
        if reason == Reason::Spam {
            self.remembering.at_once();
        }
    }

    /// Decides whether connections with a peer are to stay although nothing goes on there.
    fn consider_keeping(&self, swarm: &mut Swarm<Behaviour>, peer: &PeerId) {
        if !self.is_on || self.refused.reason(peer).is_some() || swarm.behaviour().keeper.keeps(peer) {
            return;
        }
        let keep = {
            let connected = self.shared.connected.lock();
            let keeper = &swarm.behaviour().keeper;
            let kept = |out: bool| {
                connected.iter().filter(|(peer, known)| known.is_outbound() == out && keeper.keeps(peer)).count()
            };
            match connected.get(peer) {
                Some(known) if known.verified && known.is_outbound() => kept(true) < self.settings.limits.peers_out,
                Some(known) if known.verified => kept(false) < self.settings.limits.peers_in_kept,
                _ => false,
            }
        };
        if keep {
            swarm.behaviour_mut().keeper.keep(*peer, true);
        }
    }

    /// Dials whom the configuration names, and others until there are enough.
    fn dial_due(&mut self, swarm: &mut Swarm<Behaviour>, now: Duration) {
        let limits = &self.settings.limits;
        let (outbound, blocks) = {
            let (connected, book) = (self.shared.connected.lock(), self.shared.book.lock());
            let pinned = |peer: &PeerId| book.get(peer).is_some_and(|entry| entry.pinned);
            let outbound = connected.iter().filter(|(peer, known)| known.is_outbound() && !pinned(peer)).count();
            (outbound, connected.blocks())
        };
        let missing = limits.peers_out.saturating_sub(outbound + self.dialing.len());
        let room = missing.min(limits.dials.saturating_sub(self.dialing.len()));
        let due = {
            let (dialing, swarm): (Vec<_>, &Swarm<_>) = (self.dialing.values().copied().collect(), swarm);
            let taken = |peer: &PeerId| swarm.is_connected(peer) || dialing.contains(peer);
            self.shared.book.lock().due(now, room, &blocks, taken)
        };
        for (peer, addresses) in due {
            let addresses = self.reach.ways_to(&self.settings, &peer, addresses);
            let condition = PeerCondition::DisconnectedAndNotDialing;
            let dial = DialOpts::peer_id(peer).condition(condition).addresses(addresses).build();
            let connection = dial.connection_id();
            match swarm.dial(dial) {
                Ok(()) => {
                    self.dialing.insert(connection, peer);
                    self.on_dialing();
                }
                Err(DialError::DialPeerConditionFalse(_)) => {}
                Err(error) => {
                    debug!(%peer, %error, "cannot dial");
                    self.shared.book.lock().failed(&peer, now);
                }
            }
        }
    }

    /// Somebody told of a peer.
    fn heard(&self, peer: PeerId, addresses: &[Multiaddr], found: FoundBy) {
        if self.refused.reason(&peer).is_some() {
            return;
        }
        let own: Vec<_> = addresses.iter().filter_map(|address| addresses::of_peer(address, &peer)).collect();
        let believed = self.believed(&own, found);
        if self.shared.book.lock().heard(peer, &believed, found) {
            debug!(%peer, by = %found, "heard of a peer");
            self.shared.count_found(found);
        }
    }

    /// Those addresses that may be dialed at all.
    fn believed(&self, addresses: &[Multiaddr], found: FoundBy) -> Vec<Multiaddr> {
        let anywhere = !self.settings.global_only || found == FoundBy::Mdns;
        let believed = addresses.iter().filter(|address| anywhere || addresses::is_global(address));
        believed.take(book::ADDRESSES_KNOWN_MAX).cloned().collect()
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Addresses that name no peer where one is meant.
pub(super) fn check(settings: &NetworkConfig, listens: bool) -> Result<(), StartError> {
    let refused = |address: &Multiaddr, reason: &str| {
        Err(StartError::Network { address: address.clone(), reason: reason.into() })
    };
    for addresses in [&settings.bootnodes, &settings.reserved, &settings.rendezvous, &settings.relays] {
        for address in addresses {
            if split_peer(address).is_none() {
                return refused(address, "it does not end in /p2p/ and a peer id");
            }
        }
    }
    if settings.relay_only && (listens || settings.relays.is_empty()) {
        let address = settings.relays.first().cloned().unwrap_or_else(Multiaddr::empty);
        return refused(&address, "who goes only through relays listens nowhere else, and names a relay");
    }
    Ok(())
}

/// The clock on the wall: how long ago 1970 was.
pub(super) fn unix() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
