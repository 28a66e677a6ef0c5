//! The task that owns the swarm: it dials, opens streams, and starts a task for each stream that comes in.

use super::behaviour::{Behaviour, BehaviourEvent};
use super::error::OpenError;
use super::gossip::{GossipError, Kind};
use super::network::Network;
use super::network::addresses::of_peer;
use super::peer::Status;
use super::permits::Permits;
use super::streams::{InboundStream, WantedStream};
use crate::protocol::wire::{Near, Way, Wire};
use crate::protocol::{Protocol, ProtocolNames};
use crate::service::PieceService;
use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, noise, ping};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use tracing::debug;

/// Pings of a connection that may fail one after another before it is closed: one alone may be a busy link.
const PING_FAILURES_MAX: u32 = 3;

/// What handles ask of the actor.
#[derive(Debug)]
pub(super) enum Command {
    /// A stream to a peer, on a connection that is there or is made now; `again` if the last one broke off.
    Open { peer: PeerId, addresses: Vec<Multiaddr>, wanted: WantedStream, again: bool },
    /// A stream from a peer of this process, perhaps from this one itself.
    Meet { from: PeerId, protocol: Protocol, stream: Near },
    /// A message of this node for all that listen.
    Gossip { kind: Kind, message: Bytes, reply: oneshot::Sender<Result<(), GossipError>> },
    /// End.
    Stop,
}

/// Owns the swarm and the tasks of the streams that are served.
pub(super) struct Actor {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) network: Network,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) status: Arc<Status>,
    pub(super) service: Arc<OnceLock<PieceService>>,
    pub(super) names: Arc<ProtocolNames>,
    /// Streams wanted from peers that are being dialed for them. Each holds a permit of its peer.
    pub(super) dialing: HashMap<PeerId, (ConnectionId, Vec<WantedStream>)>,
    /// Connections whose last pings failed, and how many did.
    pub(super) unanswered: HashMap<ConnectionId, u32>,
    pub(super) permits: Permits,
    pub(super) streams_served: usize,
    pub(super) tasks: JoinSet<()>,
}

impl Actor {
    /// Runs until it is told to stop or nobody holds a handle any more. Ends what it serves.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                wake = self.network.wake() => self.network.on_wake(&mut self.swarm, wake),
                command = self.commands.recv() => match command {
                    Some(Command::Open { peer, addresses, wanted, again }) => self.open(peer, addresses, wanted, again),
                    Some(Command::Meet { from, protocol, stream }) => self.serve(from, protocol, Way::Near(stream)),
                    Some(Command::Gossip { kind, message, reply }) => {
                        drop(reply.send(self.network.send(&mut self.swarm, kind, message)));
                    }
                    Some(Command::Stop) | None => break,
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "serving a stream panicked");
                    }
                }
            }
        }
        self.tasks.shutdown().await;
        self.network.end().await;
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.network.on_addresses(&mut self.swarm, &event);
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Streams(inbound)) => self.on_inbound(inbound),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::Behaviour(event) => self.network.on_event(&mut self.swarm, event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let wanted = self.dialing.remove(&peer_id).map(|(_, wanted)| wanted);
                self.network.on_opened(&mut self.swarm, peer_id, connection_id, endpoint, wanted.is_some());
                for wanted in wanted.unwrap_or_default() {
                    self.swarm.behaviour_mut().streams.open(peer_id, wanted);
                }
            }
            SwarmEvent::ConnectionClosed { connection_id, peer_id, cause, .. } => {
                debug!(peer = %peer_id, ?cause, "connection closed");
                self.unanswered.remove(&connection_id);
                self.network.on_closed(&mut self.swarm, &peer_id, connection_id);
            }
            SwarmEvent::Dialing { .. } => self.network.on_dialing(),
            SwarmEvent::OutgoingConnectionError { peer_id, connection_id, error } => {
                self.network.on_dial_failed(peer_id, connection_id, &error);
                if let Some(peer) = peer_id {
                    self.on_dial_error(peer, connection_id, &error);
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => self.status.listening(self.own(address)),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.status.not_listening(&self.own(address)),
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed for a moment"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::warn!(?addresses, ?reason, "a listener closed");
                for address in addresses {
                    self.status.not_listening(&self.own(address));
                }
            }
            _ => {}
        }
    }

    /// An address that this peer listens on without its own id, which is at the end of those through relays.
    fn own(&self, address: Multiaddr) -> Multiaddr {
        of_peer(&address, self.swarm.local_peer_id()).unwrap_or(address)
    }

    fn open(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, wanted: WantedStream, again: bool) {
        if let Some(reason) = self.network.refusal(&peer) {
            return drop(wanted.reply.send(Err(OpenError::Refused { reason })));
        }
        if self.swarm.is_connected(&peer) {
            return self.swarm.behaviour_mut().streams.open(peer, wanted);
        }
        match self.dialing.entry(peer) {
            // One dial at a time: whoever wants the same peer waits for it.
            Entry::Occupied(mut waiting) => {
                let (_, waiting) = waiting.get_mut();
                waiting.retain(|wanted| !wanted.reply.is_closed());
                waiting.push(wanted);
            }
            Entry::Vacant(vacant) => {
                self.network.asked(peer, &addresses);
                let addresses = self.network.ways_to(&peer, addresses);
                // Always: whether it is connected or being dialed for a stream was just seen here.
                let dial = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(addresses);
                // From the port that it listens on, it would be the same connection, which may not have ended yet.
                let dial = if again { dial.allocate_new_port().build() } else { dial.build() };
                let connection = dial.connection_id();
                vacant.insert((connection, vec![wanted]));
                // The swarm tells of what protocols dial by themselves, and not of this.
                self.network.on_dialing();
                if let Err(error) = self.swarm.dial(dial) {
                    self.on_dial_error(peer, connection, &error);
                }
            }
        }
    }

    fn on_dial_error(&mut self, peer: PeerId, connection: ConnectionId, error: &DialError) {
        // The network dials the same peers by its own wish, and with other addresses.
        if self.dialing.get(&peer).is_none_or(|(dialed, _)| *dialed != connection) {
            return;
        }
        let Some((_, waiting)) = self.dialing.remove(&peer) else {
            return;
        };
        debug!(%peer, %error, waiting = waiting.len(), "cannot connect");
        for wanted in waiting {
            if self.swarm.is_connected(&peer) {
                // The peer came to us in the meantime.
                self.swarm.behaviour_mut().streams.open(peer, wanted);
            } else {
                let error = match error {
                    // Our own limit of connections says nothing about the peer.
                    DialError::Denied { .. } => OpenError::Busy,
                    error => OpenError::Dial { reason: short(error), try_again: is_passing(error) },
                };
                drop(wanted.reply.send(Err(error)));
            }
        }
    }

    fn on_ping(&mut self, ping::Event { peer, connection, result }: ping::Event) {
        match result {
            Ok(_) | Err(ping::Failure::Unsupported) => {
                self.unanswered.remove(&connection);
            }
            Err(error) => {
                let failures = self.unanswered.entry(connection).or_default();
                *failures += 1;
                if *failures >= PING_FAILURES_MAX {
                    debug!(%peer, %error, "connection does not answer");
                    self.swarm.close_connection(connection);
                }
            }
        }
    }

    fn on_inbound(&mut self, InboundStream { peer, protocol, stream }: InboundStream) {
        if let Some(protocol) = self.names.protocol(&protocol) {
            self.serve(peer, protocol, Way::Far(Box::new(stream.compat())));
        }
    }

    fn serve(&mut self, peer: PeerId, protocol: Protocol, way: Way) {
        let Some(service) = self.service.get() else {
            return;
        };
        if self.tasks.len() >= self.streams_served {
            debug!(%peer, ?protocol, limit = self.streams_served, "too many streams, closing one");
            return;
        }
        let permit = self.permits.try_take(peer);
        let wire = Wire::new(way, service.idle());
        let service = service.clone();
        self.tasks.spawn(async move { service.serve(peer, protocol, wire, permit).await });
    }
}

/// libp2p's messages repeat every address of a peer; one sentence is enough.
fn short(error: &DialError) -> String {
    match error {
        DialError::NoAddresses => "no address of it is known".into(),
        DialError::WrongPeerId { obtained, address } => format!("{address} is another peer, {obtained}"),
        DialError::Transport(failed) => {
            let each = failed.iter().map(|(address, error)| format!("{address}: {}", root_cause(error)));
            each.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Whether an address was reached, and the connection ended while it was being made; or it could not even be dialed from
/// the port that this side listens on, because somebody else of this machine has it at another address.
fn is_passing(error: &DialError) -> bool {
    let DialError::Transport(failed) = error else {
        return false;
    };
    failed.iter().any(|(_, error)| may_pass(error))
}

fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{AddrInUse, BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // What is inside of one is not its source.
        return matches!(error.kind(), AddrInUse | BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            || error.get_ref().is_some_and(|inner| may_pass(inner));
    }
    // Shows what is inside of it as itself.
    if let Some(noise::Error::Io(error)) = error.downcast_ref() {
        return may_pass(error);
    }
    error.source().is_some_and(may_pass)
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
