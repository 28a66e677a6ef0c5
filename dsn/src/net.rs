//! Peers: connections, and streams on them. libp2p over TCP with noise and yamux, and over QUIC.

mod actor;
mod behaviour;
mod config;
mod error;
mod gossip;
mod judged;
mod keeper;
mod neighbours;
mod network;
mod peer;
mod pending;
mod permits;
mod settings;
mod streams;
mod swarm;
mod target;
mod transport;

pub use config::{PeerConfig, PeerLimits, Timeouts};
pub use error::{OpenError, StartError};
pub use gossip::{ANNOUNCEMENT_BYTES_MAX, Acceptance, GossipError, TransactionGossip};
pub use judged::Judged;
pub use neighbours::Neighbours;
pub use network::{FoundBy, KnownPeer, NetworkCounts, PeerInfo, is_relayed};
pub use peer::{AlreadyServing, Peer};
pub use settings::{NetworkConfig, NetworkIntervals, NetworkLimits};
pub use target::PeerTarget;
