//! No host has more than its share of the connections that are being made to this peer: whoever opens them and says nothing
//! keeps others out only as long as all of them together are few.

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

use super::network::addresses::ip;

/// A connection that is one too many of its host's.
#[derive(Debug, thiserror::Error)]
#[error("{host} is making {limit} connections already")]
pub(super) struct TooManyPending {
    host: IpAddr,
    limit: u32,
}

/// Counts the connections that are being made to this peer; no more than the swarm has room for.
#[derive(Debug)]
pub(super) struct PendingBehaviour {
    per_host: u32,
    pending: HashMap<ConnectionId, IpAddr>,
    counts: HashMap<IpAddr, u32>,
}

impl PendingBehaviour {
    pub(super) fn new(per_host: u32) -> Self {
        Self { per_host, pending: HashMap::new(), counts: HashMap::new() }
    }

    fn ended(&mut self, connection: ConnectionId) {
        let Some(host) = self.pending.remove(&connection) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&host);
            }
        }
    }
}

/// Who has one address of IPv6 has the 64 bits behind it.
fn host_of(address: &Multiaddr) -> Option<IpAddr> {
    Some(match ip(address)? {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    })
}

impl NetworkBehaviour for PendingBehaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        // What comes through a relay is counted there.
        let Some(host) = host_of(remote) else { return Ok(()) };
        let count = self.counts.entry(host).or_default();
        if *count >= self.per_host {
            return Err(ConnectionDenied::new(TooManyPending { host, limit: self.per_host }));
        }
        *count += 1;
        self.pending.insert(connection, host);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.ended(connection);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.ended(connection_id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]

    use super::*;

    #[test]
    fn a_host_has_its_share_and_others_have_theirs() {
        let own: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        let mut pending = PendingBehaviour::new(2);
        let mut comes = |address: &str, id| {
            let id = ConnectionId::new_unchecked(id);
            (pending.handle_pending_inbound_connection(id, &own, &address.parse().unwrap()).is_ok(), id)
        };
        assert!(comes("/ip4/192.0.2.1/tcp/1", 1).0 && comes("/ip4/192.0.2.1/tcp/2", 2).0);
        assert!(!comes("/ip4/192.0.2.1/udp/3/quic-v1", 3).0, "over whatever it comes");
        assert!(comes("/ip4/192.0.2.2/tcp/1", 4).0);
        assert!(comes("/ip6/2001:db8::1/tcp/1", 5).0 && comes("/ip6/2001:db8::2/tcp/1", 6).0);
        assert!(!comes("/ip6/2001:db8::3/tcp/1", 7).0, "the same 64 bits");
        let (_, first) = comes("/p2p-circuit", 8);
        pending.ended(first);
        pending.ended(ConnectionId::new_unchecked(3));
        pending.ended(ConnectionId::new_unchecked(1));
        let again = |pending: &mut PendingBehaviour, id| {
            let address = "/ip4/192.0.2.1/tcp/9".parse().unwrap();
            pending.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &own, &address).is_ok()
        };
        assert!(again(&mut pending, 9) && !again(&mut pending, 10), "one has ended");
        for id in 0..20 {
            pending.ended(ConnectionId::new_unchecked(id));
        }
        assert!(pending.counts.is_empty() && pending.pending.is_empty(), "{pending:?}");
    }
}
