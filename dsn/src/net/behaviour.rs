//! What runs on every connection.

use super::config::PeerConfig;
use super::gossip::{self, Gossip};
use super::keeper::KeeperBehaviour;
use super::network::family::Family;
use super::settings::NetworkConfig;
use super::streams::StreamsBehaviour;
use crate::protocol::ProtocolNames;
use libp2p::identity::Keypair;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    PeerId, StreamProtocol, autonat, connection_limits, dcutr, identify, kad, mdns, memory_connection_limits, ping,
    relay, rendezvous, upnp,
};
use runtime::types::BlockHash;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Pings on a connection come this often,
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// and have failed after this long.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A question to the table of peers ends after this long.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Registrations that one peer may have with a point.
const REGISTRATIONS_PER_PEER: usize = 2;
/// The least that a registration may last.
const REGISTRATION_SHORTEST_S: u64 = 60;

/// Everything that runs on a connection. The first ones deny: those after them never hear of what is denied.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    memory: Toggle<memory_connection_limits::Behaviour>,
    pub(super) keeper: KeeperBehaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) streams: StreamsBehaviour,
    pub(super) kademlia: Toggle<kad::Behaviour<MemoryStore>>,
    pub(super) gossip: Toggle<Gossip>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    point: Toggle<rendezvous::server::Behaviour>,
    pub(super) rendezvous: Toggle<rendezvous::client::Behaviour>,
    autonat: Toggle<autonat::Behaviour>,
    upnp: Toggle<upnp::tokio::Behaviour>,
    relay: Toggle<relay::Behaviour>,
    circuits: Toggle<relay::client::Behaviour>,
    punch: Toggle<dcutr::Behaviour>,
}

impl Behaviour {
    pub(super) fn new(
        key: &Keypair,
        config: &PeerConfig,
        names: Arc<ProtocolNames>,
        serving: Arc<AtomicBool>,
        circuits: Option<relay::client::Behaviour>,
    ) -> Self {
        let (own, network) = (key.public().to_peer_id(), &config.network);
        let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
        let gossip = network.gossip.is_some().then(|| gossip::behaviour(&config.genesis, &network.limits)).flatten();
        let point = network.rendezvous_server.then(|| rendezvous::server::Behaviour::new(point(network)));
        let client = (!network.rendezvous.is_empty()).then(|| rendezvous::client::Behaviour::new(key.clone()));
        let punch = (circuits.is_some() && !network.relay_only).then(|| dcutr::Behaviour::new(own));
        Self {
            limits: connection_limits::Behaviour::new(limits(config)),
            memory: network.limits.memory_bytes.map(memory_connection_limits::Behaviour::with_max_bytes).into(),
            keeper: KeeperBehaviour::default(),
            identify: identify::Behaviour::new(identify(key, config)),
            ping: ping::Behaviour::new(ping),
            streams: StreamsBehaviour::new(names, serving, config.timeouts.connect),
            kademlia: network.kademlia.then(|| kademlia(own, config)).into(),
            gossip: gossip.into(),
            mdns: network.mdns.then(|| mdns(own, network)).flatten().into(),
            point: point.into(),
            rendezvous: client.into(),
            autonat: network.autonat.then(|| autonat::Behaviour::new(own, autonat(network))).into(),
            upnp: network.upnp.then(upnp::tokio::Behaviour::default).into(),
            relay: network.relay_server.then(|| relay::Behaviour::new(own, relay(network))).into(),
            circuits: circuits.into(),
            punch: punch.into(),
        }
    }
}

fn limits(config: &PeerConfig) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        // Those that are being made are counted where they are made: the swarm hears of them when they are.
        .with_max_pending_incoming(None)
        .with_max_pending_outgoing(Some(config.limits.connections_pending))
        .with_max_established_incoming(Some(config.limits.connections_in))
        .with_max_established_outgoing(Some(config.limits.connections_out))
        .with_max_established_per_peer(Some(config.limits.connections_per_peer))
}

/// What peers claim about themselves is not cached here: the book of peers is bounded and checked.
fn identify(key: &Keypair, config: &PeerConfig) -> identify::Config {
    identify::Config::new(Family::of(&config.genesis).to_string(), key.public())
        .with_agent_version(concat!("piecewise/", env!("CARGO_PKG_VERSION")).into())
        .with_cache_size(0)
        .with_push_listen_addr_updates(config.network.is_on())
        .with_hide_listen_addrs(config.network.relay_only)
}

/// The name of the protocol of the table of peers.
pub(super) fn kademlia_name(genesis: &BlockHash) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("/piecewise/{genesis}/kad/1")).expect("it starts with a slash")
}

/// A table of peers that takes nothing that others want it to keep, and nobody who was not seen to be of this chain.
fn kademlia(own: PeerId, config: &PeerConfig) -> kad::Behaviour<MemoryStore> {
    let mut table = kad::Config::new(kademlia_name(&config.genesis));
    table
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_caching(kad::Caching::Disabled)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_max_packet_size(config.network.limits.kademlia_packet_bytes)
        .set_query_timeout(QUERY_TIMEOUT)
        .disjoint_query_paths(true);
    let nothing =
        MemoryStoreConfig { max_records: 0, max_value_bytes: 0, max_providers_per_key: 0, max_provided_keys: 0 };
    let mut kademlia = kad::Behaviour::with_config(own, MemoryStore::with_config(own, nothing), table);
    // Peers that cannot be reached ask and are not asked.
    let listens = !config.listen.is_empty() && !config.network.relay_only;
    kademlia.set_mode(match (listens, config.network.autonat && config.network.global_only) {
        (false, _) => Some(kad::Mode::Client),
        (true, false) => Some(kad::Mode::Server),
        // As soon as an address was confirmed.
        (true, true) => None,
    });
    kademlia
}

fn mdns(own: PeerId, network: &NetworkConfig) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config { query_interval: network.intervals.mdns, ..mdns::Config::default() };
    mdns::tokio::Behaviour::new(config, own)
        .inspect_err(|error| tracing::warn!(%error, "cannot look for peers on the same link"))
        .ok()
}

fn point(network: &NetworkConfig) -> rendezvous::server::Config {
    rendezvous::server::Config::default()
        .with_min_ttl(REGISTRATION_SHORTEST_S)
        .with_max_registration_per_peer(REGISTRATIONS_PER_PEER)
        .with_max_registration_total(network.limits.registrations)
        .with_max_stored_cookies(network.limits.registrations)
}

fn autonat(network: &NetworkConfig) -> autonat::Config {
    autonat::Config {
        boot_delay: network.intervals.autonat,
        retry_interval: network.intervals.autonat,
        throttle_server_period: network.intervals.autonat,
        only_global_ips: network.global_only,
        ..autonat::Config::default()
    }
}

fn relay(network: &NetworkConfig) -> relay::Config {
    relay::Config {
        max_reservations: network.limits.relay_reservations,
        max_circuits: network.limits.relay_circuits,
        max_circuits_per_peer: network.limits.relay_circuits_per_peer,
        max_circuit_bytes: network.limits.relay_circuit_bytes,
        max_circuit_duration: network.limits.relay_circuit_time,
        ..relay::Config::default()
    }
}
