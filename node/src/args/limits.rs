//! `--limit NAME=NUMBER`: limits of both networks, by the names that docs/limits.md has for them.

use std::str::FromStr;

use chain_spec::ChainType;
use consensus::ConsensusLimits;
use dsn::{NetworkLimits, PeerLimits};

/// Streams of one side on a connection. yamux ends a connection of 512 streams, which both sides open.
const STREAMS_PER_PEER_MAX: u32 = 240;

/// Connections of one address to the consensus port, where each has a machine of its own.
const LIVE_CONNECTIONS_PER_HOST: usize = 16;

/// What all peers of one host may send a second, and at once: as much as two of them.
const LIVE_GOSSIP_PER_SECOND_PER_HOST: u32 = 128;
const LIVE_GOSSIP_BURST_PER_HOST: u32 = 512;
/// What they may send in an hour that is invalid: five peers are dropped for less.
const LIVE_GOSSIP_INVALID_PER_HOST: u32 = 16;

/// The limits of both networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of connections and streams.
    pub peer: PeerLimits,
    /// Of the network around a peer.
    pub network: NetworkLimits,
    /// Of the consensus port.
    pub consensus: ConsensusLimits,
}

/// A limit that is not the built-in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    name: String,
    number: u64,
}

macro_rules! named {
    ($($part:ident: $($name:ident),+;)+) => {
        /// All that can be set.
        const NAMES: &[&str] = &[$($(stringify!($name)),+),+, "memory_bytes"];

        impl Limits {
            /// None if there is no such limit; whether it can be so many.
            fn set(&mut self, name: &str, number: u64) -> Option<bool> {
                Some(match name {
                    $($(stringify!($name) => number.try_into().map(|number| self.$part.$name = number).is_ok(),)+)+
                    "memory_bytes" => number.try_into().map(|number| self.network.memory_bytes = Some(number)).is_ok(),
                    _ => return None,
                })
            }
        }
    };
}

named! {
    peer: connections_in, connections_out, connections_pending, connections_pending_per_host,
        connections_per_peer, streams_per_peer, streams_served;
    network: peers_out, peers_in_kept, dials, known_peers, refused_peers, kademlia_packet_bytes, registrations,
        discovered, transaction_bytes, gossip_queue, gossip_queue_bytes, gossip_per_second, gossip_burst,
        gossip_per_second_per_host, gossip_burst_per_host, gossip_invalid_per_host, gossip_send_queue, relay_reservations, relay_circuits, relay_circuits_per_peer, relay_circuit_bytes;
    consensus: consensus_connections_per_host, consensus_peers_in;
}

impl Limits {
    /// The built-in ones of a chain with these changes; of two of one name the last counts.
    pub fn of(chain: ChainType, changes: &[Limit]) -> Self {
        let mut limits = Self::default();
        if chain == ChainType::Live {
            limits.consensus.consensus_connections_per_host = LIVE_CONNECTIONS_PER_HOST;
            limits.network.gossip_per_second_per_host = LIVE_GOSSIP_PER_SECOND_PER_HOST;
            limits.network.gossip_burst_per_host = LIVE_GOSSIP_BURST_PER_HOST;
            limits.network.gossip_invalid_per_host = LIVE_GOSSIP_INVALID_PER_HOST;
        }
        for Limit { name, number } in changes {
            // It was tried when it was read.
            limits.set(name, *number);
        }
        limits
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once('=').ok_or("is written NAME=NUMBER")?;
        let number = number.parse().map_err(|error| format!("{number}: {error}"))?;
        let mut limits = Limits::default();
        match limits.set(name, number) {
            None => Err(format!("there is no limit {name}, but {}", NAMES.join(", "))),
            Some(false) => Err(format!("{name} is never so many")),
            Some(true) if limits.peer.streams_per_peer > STREAMS_PER_PEER_MAX => {
                Err(format!("{name} is at most {STREAMS_PER_PEER_MAX}"))
            }
            Some(true) => Ok(Self { name: name.to_owned(), number }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn every_limit_has_its_name_and_the_last_word_counts() {
        for name in NAMES {
            let changed = Limits::of(ChainType::Local, &[format!("{name}=7").parse().unwrap()]);
            assert_ne!(changed, Limits::default(), "{name}");
            let shown = format!("{changed:?}");
            assert!(shown.contains(&format!("{name}: 7")) || shown.contains(&format!("{name}: Some(7)")), "{shown}");
        }
        let twice = ["connections_in=3", "connections_in=5"].map(|text| text.parse().unwrap());
        assert_eq!(Limits::of(ChainType::Local, &twice).peer.connections_in, 5);
        assert_eq!(Limits::of(ChainType::Local, &[]), Limits::default());
        let network = Limits::of(ChainType::Live, &["gossip_invalid_per_host=3".parse().unwrap()]).network;
        let per_host = (network.gossip_per_second_per_host, network.gossip_burst_per_host);
        assert_eq!((per_host, network.gossip_invalid_per_host), ((128, 512), 3));
        let live = |changes: &[Limit]| Limits::of(ChainType::Live, changes).consensus.consensus_connections_per_host;
        assert_eq!((live(&[]), live(&["consensus_connections_per_host=3".parse().unwrap()])), (16, 3));
    }

    #[test]
    fn what_is_no_limit_is_refused_in_words() {
        let refused = |text: &str| text.parse::<Limit>().unwrap_err();
        assert!(refused("connections").contains("NAME=NUMBER"));
        assert!(refused("conections_in=3").contains("connections_in"));
        assert!(refused("connections_in=many").contains("many"));
        assert!(refused("connections_in=-1").contains("-1"));
        assert!(refused("connections_in=4294967296").contains("never so many"));
        assert!(refused("streams_per_peer=300").contains("at most 240"));
    }
}
