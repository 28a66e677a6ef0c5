//! Puts the swarm together.

use super::behaviour::Behaviour;
use super::config::PeerConfig;
use super::error::StartError;
use super::pending::Entrance;
use super::transport::{LocalIps, Patient, ways, with_circuits};
use crate::protocol::ProtocolNames;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol as MultiaddrPart;
use libp2p::{Multiaddr, Swarm, Transport as _, swarm};
use std::net::{IpAddr, TcpListener};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A swarm that runs everything that is configured, and listens nowhere yet.
pub(super) fn build(
    pair: &Keypair,
    config: &PeerConfig,
    local: &LocalIps,
    names: Arc<ProtocolNames>,
    serving: Arc<AtomicBool>,
) -> Result<Swarm<Behaviour>, StartError> {
    let mut ways = ways(pair, config, local)?;
    let mut circuits = None;
    if config.network.uses_relays() {
        let (all, behaviour) = with_circuits(ways, pair)?;
        (ways, circuits) = (all, Some(behaviour));
    }
    let behaviour = Behaviour::new(pair, config, names, serving, circuits);
    // Addresses are tried one after the other, in the order of the record. All at once, a peer would get several
    // connections, and might refuse the one that is used as too many.
    let tuned = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.timeouts.connection_idle)
        .with_dial_concurrency_factor(NonZeroU8::MIN);
    let inner = TransportTimeout::with_ingoing_timeout(ways, config.timeouts.dial()).boxed();
    let patient = Patient { inner, patience: config.timeouts.dial() }.boxed();
    let ways =
        Entrance::new(patient, config.limits.connections_pending, config.limits.connections_pending_per_host).boxed();
    Ok(Swarm::new(ways, behaviour, pair.public().to_peer_id(), tuned))
}

/// Listens everywhere that is configured.
pub(super) fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[Multiaddr]) -> Result<(), StartError> {
    for address in addresses {
        check_free(address)?;
        swarm.listen_on(address.clone()).map_err(|error| {
            let (address, reason) = (address.clone(), error.to_string());
            StartError::Listen { address, reason }
        })?;
    }
    Ok(())
}

/// libp2p lets several TCP listeners share a port (not QUIC's), and each would get some of the connections: two nodes on one port would
/// seem to work and fail half of the time. Without that option, binding shows whether somebody has the port.
fn check_free(address: &Multiaddr) -> Result<(), StartError> {
    let mut parts = address.iter();
    let (ip, port) = match (parts.next(), parts.next()) {
        (Some(MultiaddrPart::Ip4(ip)), Some(MultiaddrPart::Tcp(port))) => (IpAddr::V4(ip), port),
        (Some(MultiaddrPart::Ip6(ip)), Some(MultiaddrPart::Tcp(port))) => (IpAddr::V6(ip), port),
        _ => return Ok(()),
    };
    if port == 0 {
        return Ok(());
    }
    match TcpListener::bind((ip, port)) {
        Ok(_) => Ok(()),
        Err(error) => Err(StartError::Listen { address: address.clone(), reason: error.to_string() }),
    }
}
