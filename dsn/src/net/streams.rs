//! Streams on connections: opened on demand, handed over when they come in. Says nothing on them itself.
//!
//! `libp2p-stream` does nearly the same, but drops an inbound stream when two come in before its receiver is polled;
//! here they wait, because libp2p's own queue from connections to behaviours is bounded and loses nothing.

use super::error::OpenError;
use crate::protocol::ProtocolNames;
use futures::future::{Ready, ready};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// Where an opened stream goes. Dropped without an answer if the connection ends first.
pub(super) type StreamReply = oneshot::Sender<Result<Stream, OpenError>>;

/// A stream that somebody wants. Each holds a permit of its peer, so there are few.
#[derive(Debug)]
pub(super) struct WantedStream {
    pub(super) protocol: StreamProtocol,
    pub(super) reply: StreamReply,
}

/// A stream that a peer opened.
#[derive(Debug)]
pub(super) struct InboundStream {
    pub(super) peer: PeerId,
    pub(super) protocol: StreamProtocol,
    pub(super) stream: Stream,
}

/// What all connections of a peer share.
#[derive(Debug, Clone)]
struct Shared {
    names: Arc<ProtocolNames>,
    serving: Arc<AtomicBool>,
    negotiate: Duration,
}

/// Opens streams and hands over those that come in.
#[derive(Debug)]
pub(super) struct StreamsBehaviour {
    shared: Shared,
    /// The connections with each peer, and whether they lead through a relay.
    connections: HashMap<PeerId, Vec<(ConnectionId, bool)>>,
    events: VecDeque<ToSwarm<InboundStream, WantedStream>>,
}

impl StreamsBehaviour {
    /// Speaks the protocols `names`; accepts them only while `serving`.
    pub(super) fn new(names: Arc<ProtocolNames>, serving: Arc<AtomicBool>, negotiate: Duration) -> Self {
        let shared = Shared { names, serving, negotiate };
        Self { shared, connections: HashMap::new(), events: VecDeque::new() }
    }

    /// Opens a stream on a connection that is there; through a relay only if there is no other.
    pub(super) fn open(&mut self, peer_id: PeerId, wanted: WantedStream) {
        let connections = self.connections.get(&peer_id).map(Vec::as_slice).unwrap_or_default();
        let direct = connections.iter().rfind(|(_, relayed)| !relayed);
        let handler = match direct {
            Some((direct, _)) if connections.iter().any(|(_, relayed)| *relayed) => NotifyHandler::One(*direct),
            _ => NotifyHandler::Any,
        };
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: wanted });
    }

    fn handler(&self) -> StreamsHandler {
        StreamsHandler { shared: self.shared.clone(), wanted: VecDeque::new(), arrived: VecDeque::new() }
    }
}

impl NetworkBehaviour for StreamsBehaviour {
    type ConnectionHandler = StreamsHandler;
    type ToSwarm = InboundStream;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                let connections = self.connections.entry(established.peer_id).or_default();
                connections.push((established.connection_id, established.endpoint.is_relayed()));
            }
            FromSwarm::ConnectionClosed(closed) => {
                if closed.remaining_established == 0 {
                    self.connections.remove(&closed.peer_id);
                } else if let Some(connections) = self.connections.get_mut(&closed.peer_id) {
                    connections.retain(|(connection, _)| *connection != closed.connection_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        let Arrived { protocol, stream } = event;
        self.events.push_back(ToSwarm::GenerateEvent(InboundStream { peer, protocol, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // Events are added by the actor that polls the swarm, or while the swarm is being polled: no waker is needed.
        match self.events.pop_front() {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }
}

/// A stream that came in on this connection.
#[derive(Debug)]
pub(super) struct Arrived {
    protocol: StreamProtocol,
    stream: Stream,
}

/// One connection's part of [`StreamsBehaviour`].
#[derive(Debug)]
pub(super) struct StreamsHandler {
    shared: Shared,
    wanted: VecDeque<WantedStream>,
    /// At most as many as libp2p negotiates at a time: each poll hands one on before more are negotiated.
    arrived: VecDeque<Arrived>,
}

impl ConnectionHandler for StreamsHandler {
    type FromBehaviour = WantedStream;
    type ToBehaviour = Arrived;
    type InboundProtocol = Speak;
    type OutboundProtocol = Speak;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = WantedStream;

    fn listen_protocol(&self) -> SubstreamProtocol<Speak> {
        let serving = self.shared.serving.load(Ordering::Acquire);
        let names = if serving { self.shared.names.all() } else { Vec::new() };
        SubstreamProtocol::new(Speak(names), ()).with_timeout(self.shared.negotiate)
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Speak, WantedStream, Arrived>> {
        if let Some(arrived) = self.arrived.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(arrived));
        }
        while let Some(wanted) = self.wanted.pop_front() {
            if wanted.reply.is_closed() {
                continue;
            }
            let speak = Speak(vec![wanted.protocol.clone()]);
            let protocol = SubstreamProtocol::new(speak, wanted).with_timeout(self.shared.negotiate);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, wanted: WantedStream) {
        self.wanted.push_back(wanted);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Speak, Speak, (), WantedStream>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: arrived, .. }) => {
                self.arrived.push_back(arrived);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: arrived, info: wanted }) => {
                // Nobody waits any longer: dropping the stream closes it.
                drop(wanted.reply.send(Ok(arrived.stream)));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info: wanted }) => {
                let protocol = wanted.protocol.to_string();
                let error = match error {
                    StreamUpgradeError::NegotiationFailed => OpenError::NotSpoken { protocol },
                    StreamUpgradeError::Timeout => OpenError::Timeout { what: "open a stream" },
                    StreamUpgradeError::Io(error) => OpenError::Lost { reason: error.to_string() },
                    StreamUpgradeError::Apply(never) => match never {},
                };
                drop(wanted.reply.send(Err(error)));
            }
            _ => {}
        }
    }
}

/// Agrees on one of some protocols and then does nothing.
#[derive(Debug, Clone)]
pub(super) struct Speak(Vec<StreamProtocol>);

impl UpgradeInfo for Speak {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Speak {
    type Output = Arrived;
    type Error = Infallible;
    type Future = Ready<Result<Arrived, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok(Arrived { protocol, stream }))
    }
}

impl OutboundUpgrade<Stream> for Speak {
    type Output = Arrived;
    type Error = Infallible;
    type Future = Ready<Result<Arrived, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok(Arrived { protocol, stream }))
    }
}
