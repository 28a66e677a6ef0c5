//! What can be read off an address.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Part of the internet that is likely run by one party: the first 16 bits of an IPv4 address, 32 of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Block {
    V4([u8; 2]),
    V6([u8; 4]),
}

/// The block of an address, if it begins with an IP address.
pub(crate) fn block(address: &Multiaddr) -> Option<Block> {
    Some(match ip(address)? {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Block::V4([a, b])
        }
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.octets();
            Block::V6([a, b, c, d])
        }
    })
}

/// The IP address at the beginning.
pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    }
}

/// Splits off the peer id at the end.
pub(crate) fn split_peer(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut rest = address.clone();
    match rest.pop()? {
        Protocol::P2p(peer) => Some((peer, rest)),
        _ => None,
    }
}

/// The address without the peer id of `peer` at its end, and `None` if another peer's stands there.
pub(crate) fn of_peer(address: &Multiaddr, peer: &PeerId) -> Option<Multiaddr> {
    match split_peer(address) {
        Some((named, rest)) => (named == *peer).then_some(rest),
        None => Some(address.clone()),
    }
}

/// Whether an address leads through a relay.
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether it can be dialed at all.
pub(crate) fn is_dialable(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)) => true,
        _ => false,
    }
}

/// Whether it begins with an IP address of the internet. Names count: what they stand for is seen when they are dialed.
pub(crate) fn is_global(address: &Multiaddr) -> bool {
    match ip(address) {
        Some(ip) => is_global_ip(ip),
        None => is_dialable(address),
    }
}

/// Whether packets to it go over the internet.
pub(crate) fn is_global_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_global_v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| is_global_v6(ip), is_global_v4),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = a == 192 && b == 0 && c == 0;
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let special = shared || protocols || benchmarks || a == 0 || a >= 240;
    !(special
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast())
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let documentation = first == 0x2001 && second == 0xdb8;
    // Everything that is routed at present.
    first & 0xe000 == 0x2000 && !documentation
}

#[cfg(test)]
mod tests;
