//! What runs on every connection.

use super::config::PeerConfig;
use super::streams::StreamsBehaviour;
use crate::protocol::ProtocolNames;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{connection_limits, identify, ping};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What identify calls this family of protocols.
const FAMILY: &str = "/piecewise/1";
/// Pings on a connection come this often,
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// and have failed after this long.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything that runs on a connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) streams: StreamsBehaviour,
}

impl Behaviour {
    pub(super) fn new(key: &Keypair, config: &PeerConfig, names: Arc<ProtocolNames>, serving: Arc<AtomicBool>) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(config.limits.connections_pending))
            .with_max_pending_outgoing(Some(config.limits.connections_pending))
            .with_max_established_incoming(Some(config.limits.connections_in))
            .with_max_established_outgoing(Some(config.limits.connections_out))
            .with_max_established_per_peer(Some(config.limits.connections_per_peer));
        // Addresses come from the ledger: what peers claim about themselves is not cached.
        let identify = identify::Config::new(FAMILY.into(), key.public())
            .with_agent_version(concat!("piecewise/", env!("CARGO_PKG_VERSION")).into())
            .with_cache_size(0);
        let ping = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
        Self {
            limits: connection_limits::Behaviour::new(limits),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping),
            streams: StreamsBehaviour::new(names, serving, config.timeouts.connect),
        }
    }
}
