//! Keeps connections open although nothing goes on there, and keeps peers out. Says nothing on connections.

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::DeniedUpgrade;
use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll};

/// How far a peer is kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    /// There is no use in a connection with it.
    Both,
    /// It may not come, but may hold what is needed.
    Inbound,
}

/// A connection with a peer that is kept out.
#[derive(Debug, thiserror::Error)]
#[error("the peer is kept out for a while")]
pub(super) struct KeptOut;

/// Keeps connections, and keeps out. Both sets are small: whoever adds to them counts.
#[derive(Debug, Default)]
pub(super) struct KeeperBehaviour {
    kept: HashSet<PeerId>,
    barred: HashMap<PeerId, Bar>,
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    events: VecDeque<ToSwarm<Infallible, bool>>,
}

impl KeeperBehaviour {
    /// Keeps the connections with a peer, or lets them end when nothing goes on there.
    pub(super) fn keep(&mut self, peer: PeerId, keep: bool) {
        let changed = if keep { self.kept.insert(peer) } else { self.kept.remove(&peer) };
        if !changed {
            return;
        }
        for connection in self.connections.get(&peer).into_iter().flatten() {
            let handler = NotifyHandler::One(*connection);
            self.events.push_back(ToSwarm::NotifyHandler { peer_id: peer, handler, event: keep });
        }
    }

    /// Whether a peer is one of those.
    pub(super) fn keeps(&self, peer: &PeerId) -> bool {
        self.kept.contains(peer)
    }

    /// Keeps a peer out from the next connection on.
    pub(super) fn bar(&mut self, peer: PeerId, bar: Bar) {
        self.barred.insert(peer, bar);
    }

    /// Lets a peer in again.
    pub(super) fn unbar(&mut self, peer: &PeerId) {
        self.barred.remove(peer);
    }

    fn handler(&self, peer: &PeerId) -> KeeperHandler {
        KeeperHandler { keep: self.kept.contains(peer) }
    }
}

impl NetworkBehaviour for KeeperBehaviour {
    type ConnectionHandler = KeeperHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        match self.barred.get(&peer) {
            Some(_) => Err(ConnectionDenied::new(KeptOut)),
            None => Ok(self.handler(&peer)),
        }
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        match peer.and_then(|peer| self.barred.get(&peer)) {
            Some(Bar::Both) => Err(ConnectionDenied::new(KeptOut)),
            Some(Bar::Inbound) | None => Ok(Vec::new()),
        }
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(&peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                self.connections.entry(established.peer_id).or_default().push(established.connection_id);
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(connections) = self.connections.get_mut(&closed.peer_id) {
                    connections.retain(|connection| *connection != closed.connection_id);
                }
                if closed.remaining_established == 0 {
                    self.connections.remove(&closed.peer_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Events are added by the actor that polls the swarm: no waker is needed.
        match self.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }
}

/// One connection's part of [`KeeperBehaviour`].
#[derive(Debug)]
pub(super) struct KeeperHandler {
    keep: bool,
}

impl ConnectionHandler for KeeperHandler {
    type FromBehaviour = bool;
    type ToBehaviour = Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = DeniedUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        self.keep
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<DeniedUpgrade, (), Infallible>> {
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, keep: bool) {
        self.keep = keep;
    }

    fn on_connection_event(&mut self, _: ConnectionEvent<'_, DeniedUpgrade, DeniedUpgrade>) {}
}
