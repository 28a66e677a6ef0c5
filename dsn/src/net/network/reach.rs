//! How others reach this peer: addresses that were confirmed, ports that were mapped, relays.

use super::addresses::{is_global, is_relayed, of_peer, split_peer};
use super::{FoundBy, Network};
use crate::net::behaviour::Behaviour;
use crate::net::settings::NetworkConfig;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, autonat, dcutr, relay, upnp};
use std::collections::HashMap;
use std::time::Duration;
use tracing::{debug, info, warn};

/// Addresses where others reach this peer that are remembered.
const EXTERNAL_MAX: usize = 16;
/// A relay that does not let this peer listen is asked again after this many ticks.
const LISTEN_AGAIN_TICKS: u32 = 5;

/// The relays that this peer listens through.
#[derive(Debug, Default)]
pub(super) struct Reach {
    listeners: HashMap<PeerId, (Option<ListenerId>, Duration)>,
}

impl Reach {
    /// The addresses to dial a peer by: all that are known, or only those through relays.
    pub(super) fn ways_to(&self, settings: &NetworkConfig, peer: &PeerId, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let is_relay = settings.relays.iter().any(|relay| split_peer(relay).is_some_and(|(of, _)| of == *peer));
        if !settings.relay_only || is_relay {
            return addresses;
        }
        let through = settings.relays.iter().map(|relay| relay.clone().with(Protocol::P2pCircuit));
        addresses.into_iter().filter(is_relayed).chain(through).collect()
    }
}

impl Network {
    /// The ways to a peer that somebody wants a stream of.
    pub(in crate::net) fn ways_to(&self, peer: &PeerId, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        self.reach.ways_to(&self.settings, peer, addresses)
    }

    /// Asks the relays of the configuration to be reached through them.
    pub(super) fn listen_through_relays(&mut self, swarm: &mut Swarm<Behaviour>, now: Duration) {
        let again = now + self.settings.intervals.tick * LISTEN_AGAIN_TICKS;
        for relay in &self.settings.relays {
            let Some((peer, _)) = split_peer(relay) else {
                continue;
            };
            let (listener, at) = self.reach.listeners.entry(peer).or_default();
            if listener.is_some() || *at > now || !swarm.is_connected(&peer) {
                continue;
            }
            *at = again;
            match swarm.listen_on(relay.clone().with(Protocol::P2pCircuit)) {
                Ok(id) => *listener = Some(id),
                Err(error) => warn!(%peer, %error, "cannot listen through a relay"),
            }
        }
    }

    /// Addresses that come and go.
    pub(in crate::net) fn on_addresses<E>(&mut self, swarm: &mut Swarm<Behaviour>, event: &SwarmEvent<E>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } if self.is_reached_by(address) => {
                swarm.add_external_address(address.clone());
            }
            SwarmEvent::ExpiredListenAddr { address, .. } if self.is_reached_by(address) => {
                swarm.remove_external_address(address);
            }
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                for (listener, _) in self.reach.listeners.values_mut() {
                    listener.take_if(|id| id == listener_id);
                }
                return;
            }
            SwarmEvent::ExternalAddrConfirmed { .. } | SwarmEvent::ExternalAddrExpired { .. } => {}
            _ => return,
        }
        self.note_external(swarm);
    }

    /// Where others reach this peer, for those who ask.
    pub(super) fn note_external(&self, swarm: &Swarm<Behaviour>) {
        let own = swarm.local_peer_id();
        // AutoNAT confirms addresses with this peer's id.
        let mut now: Vec<_> = swarm.external_addresses().filter_map(|address| of_peer(address, own)).collect();
        now.sort_by_cached_key(ToString::to_string);
        now.dedup();
        now.truncate(EXTERNAL_MAX);
        self.shared.external.send_if_modified(|before| {
            for address in now.iter().filter(|address| !before.contains(address)) {
                info!(%address, "others reach this peer there");
            }
            let differs = *before != now;
            *before = now;
            differs
        });
    }

    /// Whether an address that this peer listens on is taken for one that others reach, without asking anybody.
    fn is_reached_by(&self, address: &Multiaddr) -> bool {
        let believed = !self.settings.autonat && (!self.settings.global_only || is_global(address));
        // What leads through a relay is confirmed by the relay.
        self.is_on && believed && !is_relayed(address)
    }

    pub(super) fn on_autonat(&mut self, event: &autonat::Event) {
        match event {
            autonat::Event::StatusChanged { old, new } => info!(?old, ?new, "whether others reach this peer"),
            event => debug!(?event, "reachability"),
        }
    }

    pub(super) fn on_upnp(&mut self, event: &upnp::Event) {
        match event {
            upnp::Event::NewExternalAddr(address) => {
                info!(%address, "the router maps a port");
                self.shared.counts.lock().ports_mapped += 1;
            }
            upnp::Event::ExpiredExternalAddr(address) => info!(%address, "the router no longer maps a port"),
            upnp::Event::GatewayNotFound => info!("no router that maps ports was found"),
            upnp::Event::NonRoutableGateway => info!("the router is itself not on the internet"),
        }
    }

    pub(super) fn on_circuit(&mut self, event: &relay::client::Event) {
        match event {
            relay::client::Event::ReservationReqAccepted { relay_peer_id: peer, renewal, .. } => {
                info!(%peer, renewal, "others reach this peer through a relay");
                self.shared.counts.lock().reservations += 1;
            }
            event => debug!(?event, "circuit"),
        }
    }

    pub(super) fn on_punched(&mut self, event: &dcutr::Event) {
        match &event.result {
            Ok(_) => {
                info!(peer = %event.remote_peer_id, "a connection got rid of its relay");
                self.shared.counts.lock().holes_punched += 1;
            }
            Err(error) => debug!(peer = %event.remote_peer_id, %error, "a connection keeps its relay"),
        }
    }

    /// Takes note of a peer that a stream is wanted of.
    pub(in crate::net) fn asked(&self, peer: PeerId, addresses: &[Multiaddr]) {
        if self.is_on {
            self.heard(peer, addresses, FoundBy::Ledger);
        }
    }
}
