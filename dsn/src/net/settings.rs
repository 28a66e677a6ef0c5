//! How a peer finds others, is found, and passes transactions on.

use super::gossip::TransactionGossip;
use libp2p::Multiaddr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The network around a [`Peer`](super::Peer). By default everything is off: such a peer talks to those it is told to
/// talk to, and to those who come.
#[derive(Clone, Default)]
pub struct NetworkConfig {
    /// Peers to begin with, each ending in `/p2p/` and its peer id. They are kept, and dialed again when they are lost.
    pub bootnodes: Vec<Multiaddr>,
    /// Peers to be connected with always, as [`bootnodes`](Self::bootnodes); they are told apart in what is reported.
    pub reserved: Vec<Multiaddr>,
    /// Where others reach this peer, without `/p2p/`, if it cannot find out by itself.
    pub public_addresses: Vec<Multiaddr>,
    /// Takes part in the table that maps peer ids to addresses, and to nothing else.
    pub kademlia: bool,
    /// Finds peers on the same link, and is found there.
    pub mdns: bool,
    /// Is a point where others meet.
    pub rendezvous_server: bool,
    /// Points to register with and to ask, each with its peer id.
    pub rendezvous: Vec<Multiaddr>,
    /// Asks the router for a port.
    pub upnp: bool,
    /// Asks others whether this peer is reached from outside, and tells them the same.
    pub autonat: bool,
    /// Passes on the connections of peers that are not reached from outside.
    pub relay_server: bool,
    /// Relays to be reached through, each with its peer id.
    pub relays: Vec<Multiaddr>,
    /// Dials addresses of others that lead through relays, and tries to get rid of the relay. On by itself with
    /// [`relays`](Self::relays).
    pub circuits: bool,
    /// Dials nobody but the [`relays`](Self::relays), and everybody else through them. Others still see
    /// [`PeerConfig::secret`](super::PeerConfig::secret)'s peer id: give it one that was never used before.
    pub relay_only: bool,
    /// Resolves `/dns` addresses, as the system does.
    pub dns: bool,
    /// For networks over the internet: what others say about addresses that are not global is forgotten, and such
    /// addresses are not dialed, unless they stand in this configuration, as numbers, or were found on the same link.
    pub global_only: bool,
    /// A file that keeps the peers that are known over a restart. Its folder has to be there.
    pub peer_store: Option<PathBuf>,
    /// Passes transactions on, and judges those that come.
    pub gossip: Option<Arc<dyn TransactionGossip>>,
    /// How much of everything.
    pub limits: NetworkLimits,
    /// How often.
    pub intervals: NetworkIntervals,
}

impl NetworkConfig {
    /// Whether it does anything by itself.
    pub(super) fn is_on(&self) -> bool {
        let to_somebody = [&self.bootnodes, &self.reserved, &self.rendezvous, &self.relays];
        let ways = [self.kademlia, self.mdns, self.rendezvous_server, self.autonat, self.relay_server, self.upnp];
        to_somebody.iter().any(|addresses| !addresses.is_empty())
            || ways.contains(&true)
            || self.gossip.is_some()
            || self.peer_store.is_some()
    }

    /// Whether it goes through relays.
    pub(super) fn uses_relays(&self) -> bool {
        self.circuits || self.relay_only || !self.relays.is_empty()
    }
}

impl fmt::Debug for NetworkConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConfig")
            .field("bootnodes", &self.bootnodes)
            .field("kademlia", &self.kademlia)
            .field("mdns", &self.mdns)
            .field("rendezvous", &self.rendezvous)
            .field("relays", &self.relays)
            .field("gossip", &self.gossip.is_some())
            .finish_non_exhaustive()
    }
}

/// Limits of the network around a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Peers that this one tries to have dialed and be connected with, boot nodes and reserved ones apart.
    pub peers_out: usize,
    /// Peers that came and are kept although nothing is going on with them.
    pub peers_in_kept: usize,
    /// Dials of this kind at once.
    pub dials: usize,
    /// Peers remembered with their addresses, connected or not.
    pub known_peers: usize,
    /// Peers of other chains or versions, and those that sent invalid transactions, remembered as such.
    pub refused_peers: usize,
    /// Bytes of a message of the table of peers.
    pub kademlia_packet_bytes: usize,
    /// Peers that register with this point.
    pub registrations: usize,
    /// Peers that a point is asked for at a time.
    pub discovered: u64,
    /// Bytes of a transaction; the chain has its own limit.
    pub transaction_bytes: usize,
    /// Transactions that wait to be judged,
    pub gossip_queue: usize,
    /// and their bytes.
    pub gossip_queue_bytes: usize,
    /// Transactions that a peer may send per second,
    pub gossip_per_second: u32,
    /// after this many at once.
    pub gossip_burst: u32,
    /// Transactions that all peers of one host may send per second,
    pub gossip_per_second_per_host: u32,
    /// after this many at once. A host is an IPv4 address or 64 bits of IPv6, and all that come through relays are one.
    pub gossip_burst_per_host: u32,
    /// Transactions of one host that may be invalid within an hour: beyond it none of it are judged.
    pub gossip_invalid_per_host: u32,
    /// Messages that wait to be sent to one peer.
    pub gossip_send_queue: usize,
    /// Peers that are reached through this relay at once.
    pub relay_reservations: usize,
    /// Connections that lead through this relay at once,
    pub relay_circuits: usize,
    /// those of one peer,
    pub relay_circuits_per_peer: usize,
    /// their bytes, in each direction,
    pub relay_circuit_bytes: u64,
    /// and how long they last.
    pub relay_circuit_time: Duration,
    /// Bytes of memory that this process may use before new connections are denied; none for no limit.
    pub memory_bytes: Option<usize>,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            peers_out: 8,
            peers_in_kept: 100,
            dials: 8,
            known_peers: 1000,
            refused_peers: 1024,
            kademlia_packet_bytes: 16 * 1024,
            registrations: 1000,
            discovered: 100,
            transaction_bytes: 512 * 1024,
            gossip_queue: 256,
            gossip_queue_bytes: 16 * 1024 * 1024,
            gossip_per_second: 64,
            gossip_burst: 256,
            // Where all nodes may be on one machine, a host says nothing about who it is.
            gossip_per_second_per_host: u32::MAX,
            gossip_burst_per_host: u32::MAX,
            gossip_invalid_per_host: u32::MAX,
            gossip_send_queue: 128,
            relay_reservations: 128,
            relay_circuits: 64,
            relay_circuits_per_peer: 8,
            relay_circuit_bytes: 256 * 1024 * 1024,
            relay_circuit_time: Duration::from_secs(10 * 60),
            memory_bytes: Some(2 * 1024 * 1024 * 1024),
        }
    }
}

/// How often the network around a peer does what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkIntervals {
    /// Looking for what there is to do.
    pub tick: Duration,
    /// A peer that could not be reached is dialed again after this long, then after twice as long,
    pub redial: Duration,
    /// but at least this often.
    pub redial_longest: Duration,
    /// A peer of another chain, or one that sent invalid transactions, is left alone for this long.
    pub refused: Duration,
    /// The table of peers is refreshed, by walking towards a random place of it.
    pub walk: Duration,
    /// Asking who is on the same link.
    pub mdns: Duration,
    /// Asking rendezvous points who else is there.
    pub discover: Duration,
    /// A registration lasts this long, and is renewed at half of it; points take no less than two hours by default.
    pub registration: Duration,
    /// Asking others whether this peer is reached from outside, until it is known.
    pub autonat: Duration,
    /// Writing down the peers that are known, if something changed.
    pub store: Duration,
}

impl Default for NetworkIntervals {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(1),
            redial: Duration::from_secs(2),
            redial_longest: Duration::from_secs(5 * 60),
            refused: Duration::from_secs(10 * 60),
            walk: Duration::from_secs(60),
            mdns: Duration::from_secs(60),
            discover: Duration::from_secs(60),
            registration: Duration::from_secs(2 * 60 * 60),
            autonat: Duration::from_secs(15),
            store: Duration::from_secs(60),
        }
    }
}
