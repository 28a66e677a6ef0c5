//! Peers: connections, and streams on them. libp2p over TCP with noise and yamux, and over QUIC.

mod actor;
mod behaviour;
mod config;
mod judged;
mod neighbours;
mod peer;
mod permits;
mod streams;
mod target;

pub use config::{PeerConfig, PeerLimits, Timeouts};
pub use judged::Judged;
pub use neighbours::Neighbours;
pub use peer::{AlreadyServing, OpenError, Peer, StartError};
pub use target::PeerTarget;
