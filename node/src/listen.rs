//! Where this node's peers listen: TCP and QUIC on the same port of each host address, and whatever whole addresses the
//! operator gives.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use dsn::{Multiaddr, Neighbours, NetworkConfig, Peer, PeerConfig, PeerLimits, StartError, Timeouts};
use runtime::types::BlockHash;

/// Ports tried before none is called free: somebody may take one between the look and the use.
const PORT_ATTEMPTS: usize = 16;

/// Why a peer does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No port to be had.
    #[error("no port is free for TCP and UDP at once")]
    NoPort(#[source] io::Error),
}

/// What the peers of this node have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// Their chain.
    pub genesis: BlockHash,
    /// Each other, to talk in memory; none if they are to use sockets among themselves too.
    pub neighbours: Option<Neighbours>,
    /// Of connections and streams.
    pub limits: PeerLimits,
}

/// Whether the host has IPv6, if only for itself.
pub fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Where a peer listens.
#[derive(Clone, Debug)]
pub struct Places {
    /// Addresses of this host, for both protocols.
    pub hosts: Vec<IpAddr>,
    /// Their port; 0 = any free one.
    pub port: u16,
    /// Whole addresses beside those.
    pub exact: Vec<Multiaddr>,
}

impl Places {
    /// A loopback port of each family that the host has.
    pub fn loopback(port: u16) -> Self {
        Self { hosts: loopback(has_ipv6()), port, exact: Vec::new() }
    }
}

/// A peer that listens at `places`, with this network around it.
pub async fn listen(
    seed: &[u8; 32],
    common: &Common,
    places: &Places,
    network: &NetworkConfig,
) -> Result<Peer, ListenError> {
    if places.port != 0 || places.hosts.is_empty() {
        return Ok(start(seed, common, places, places.port, network).await?);
    }
    let mut attempts = PORT_ATTEMPTS;
    loop {
        attempts -= 1;
        let port = free_port(&places.hosts).map_err(ListenError::NoPort)?;
        match start(seed, common, places, port, network).await {
            Err(StartError::Listen { .. }) if attempts > 0 => {}
            started => return Ok(started?),
        }
    }
}

async fn start(
    seed: &[u8; 32],
    common: &Common,
    places: &Places,
    port: u16,
    network: &NetworkConfig,
) -> Result<Peer, StartError> {
    let config = PeerConfig {
        secret: *seed,
        listen: addresses(&places.hosts, port).into_iter().chain(places.exact.iter().cloned()).collect(),
        genesis: common.genesis,
        limits: common.limits,
        timeouts: Timeouts::default(),
        neighbours: common.neighbours.clone(),
        network: network.clone(),
    };
    Peer::start(config).await
}

/// IPv4 first, as it is what all have.
fn loopback(ipv6: bool) -> Vec<IpAddr> {
    let v6 = ipv6.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST));
    [IpAddr::V4(Ipv4Addr::LOCALHOST)].into_iter().chain(v6).collect()
}

fn addresses(hosts: &[IpAddr], port: u16) -> Vec<Multiaddr> {
    let both = hosts.iter().flat_map(|host| {
        let host = match host {
            IpAddr::V4(host) => format!("/ip4/{host}"),
            IpAddr::V6(host) => format!("/ip6/{host}"),
        };
        [format!("{host}/tcp/{port}"), format!("{host}/udp/{port}/quic-v1")]
    });
    both.map(|address| address.parse().expect("an address of a host is a multiaddress")).collect()
}

/// A port that nobody has, with either protocol, on any of the hosts.
fn free_port(hosts: &[IpAddr]) -> io::Result<u16> {
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    let Some((first, others)) = hosts.split_first() else { return Err(taken) };
    for _ in 0..PORT_ATTEMPTS {
        // Held until all are bound.
        let held = TcpListener::bind((*first, 0))?;
        let port = held.local_addr()?.port();
        let bound = UdpSocket::bind((*first, port)).and_then(|_held| are_free(others, port));
        match bound {
            Ok(()) => return Ok(port),
            Err(error) => taken = error,
        }
    }
    Err(taken)
}

fn are_free(hosts: &[IpAddr], port: u16) -> io::Result<()> {
    // All of IPv6 would take IPv4's too here, unlike where it is used.
    hosts.iter().filter(|host| !host.is_unspecified()).try_for_each(|host| {
        UdpSocket::bind((*host, port))?;
        TcpListener::bind((*host, port)).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::{addresses, free_port, loopback as hosts};

    #[test]
    fn a_host_without_ipv6_listens_on_what_it_has() {
        let listed = |ipv6| addresses(&hosts(ipv6), 30_433).iter().map(ToString::to_string).collect::<Vec<_>>();
        let v4 = ["/ip4/127.0.0.1/tcp/30433", "/ip4/127.0.0.1/udp/30433/quic-v1"];
        assert_eq!(listed(false), v4);
        assert_eq!(listed(true), [&v4[..], &["/ip6/::1/tcp/30433", "/ip6/::1/udp/30433/quic-v1"]].concat());
    }

    #[test]
    fn a_free_port_is_free_for_udp_too() {
        let port = free_port(&hosts(false)).expect("a port");
        std::net::UdpSocket::bind(("127.0.0.1", port)).expect("nobody else has it");
    }
}
