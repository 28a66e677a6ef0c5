//! The handle of a peer.

mod network;

use super::actor::{Actor, Command};
use super::config::{PeerConfig, Timeouts};
use super::error::{OpenError, StartError};
use super::judged::Judged;
use super::neighbours::{Neighbour, Neighbours};
use super::network::{Network, Shared, check};
use super::permits::Permits;
use super::streams::WantedStream;
use super::swarm;
use super::target::{ADDRESSES_MAX, PeerTarget};
use super::transport::LocalIps;
use crate::protocol::wire::{Near, Way, Wire};
use crate::protocol::{Protocol, ProtocolNames};
use crate::service::{PieceService, ReadCounters};
use crate::upload::Passes;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use runtime::crypto::PeerKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

/// Requests to the actor that wait for it.
const COMMANDS_MAX: usize = 256;
/// Times a stream is asked for: a connection may end, being idle, at the very moment it is wanted again, and one that is
/// being made may have to give way to others.
const OPEN_ATTEMPTS: usize = 2;

/// A peer serves one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this peer already serves a store")]
pub struct AlreadyServing;

/// What the actor tells its handles.
#[derive(Debug)]
pub(super) struct Status {
    listening: watch::Sender<Vec<Multiaddr>>,
}

impl Status {
    pub(super) fn listening(&self, address: Multiaddr) {
        self.listening.send_modify(|addresses| {
            addresses.push(address);
            // In the same order after each start, however the listeners came up: IPv4 before IPv6, TCP before QUIC.
            addresses.sort_by_cached_key(ToString::to_string);
        });
    }

    pub(super) fn not_listening(&self, address: &Multiaddr) {
        self.listening.send_modify(|addresses| addresses.retain(|known| known != address));
    }

    pub(super) fn listens_on_any(&self, addresses: &[Multiaddr]) -> bool {
        let listening = self.listening.borrow();
        addresses.iter().any(|address| listening.contains(address))
    }
}

/// A peer of the storage network: a swarm in a task of its own. Cloning gives another handle of the same peer; the
/// peer ends with [`stop`](Self::stop) or with its last handle.
#[derive(Clone)]
pub struct Peer {
    inner: Arc<Inner>,
}

struct Inner {
    key: PeerKey,
    id: PeerId,
    names: Arc<ProtocolNames>,
    commands: mpsc::Sender<Command>,
    status: Arc<Status>,
    shared: Arc<Shared>,
    serving: Arc<AtomicBool>,
    service: Arc<OnceLock<PieceService>>,
    permits: Permits,
    timeouts: Timeouts,
    passes: Passes,
    neighbours: Option<Neighbours>,
    reads: ReadCounters,
    /// Closed once the actor has ended.
    ended: watch::Receiver<()>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.inner.id).finish()
    }
}

impl Peer {
    /// Starts a peer: once this returns, it listens, and [`listen_addresses`](Self::listen_addresses) are known.
    ///
    /// # Errors
    /// The secret is none, or an address cannot be listened on.
    pub async fn start(config: PeerConfig) -> Result<Self, StartError> {
        let mut secret = config.secret;
        let pair = Keypair::ed25519_from_bytes(&mut secret).map_err(|_| StartError::Secret)?;
        let key = pair.clone().try_into_ed25519().map_err(|_| StartError::Secret)?.public().to_bytes();
        let names = Arc::new(ProtocolNames::new(&config.genesis));
        let serving = Arc::new(AtomicBool::new(false));
        let service = Arc::new(OnceLock::new());
        let status = Arc::new(Status { listening: watch::Sender::new(Vec::new()) });
        check(&config.network, !config.listen.is_empty())?;
        let local = LocalIps::default();
        let mut swarm = swarm::build(&pair, &config, &local, Arc::clone(&names), Arc::clone(&serving))?;
        swarm::listen(&mut swarm, &config.listen)?;
        let id = *swarm.local_peer_id();
        let shared = Arc::new(Shared::new(id, &config.network));
        let mut network = Network::new(config.network.clone(), config.genesis, Arc::clone(&shared), local);
        network.begin(&mut swarm);
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (running, ended) = watch::channel(());
        let actor = Actor {
            swarm,
            network,
            commands: received,
            status: Arc::clone(&status),
            service: Arc::clone(&service),
            names: Arc::clone(&names),
            dialing: HashMap::new(),
            unanswered: HashMap::new(),
            permits: Permits::new(config.limits.streams_per_peer),
            streams_served: usize::try_from(config.limits.streams_served).unwrap_or(usize::MAX),
            tasks: JoinSet::new(),
        };
        tokio::spawn(async move {
            actor.run().await;
            drop(running);
        });
        let neighbours = config.neighbours;
        if let Some(neighbours) = &neighbours {
            let (status, names, service) = (Arc::clone(&status), Arc::clone(&names), Arc::clone(&service));
            neighbours.add(id, Neighbour { commands: commands.downgrade(), status, names, service });
        }
        let (permits, timeouts) = (Permits::new(config.limits.streams_per_peer), config.timeouts);
        let key = PeerKey::from_bytes(key);
        let (passes, reads) = (Passes::new(), ReadCounters::default());
        #[rustfmt::skip]
        let inner = Inner {
            key, id, names, commands, status, shared, serving, service, permits, timeouts, passes, neighbours, reads, ended,
        };
        let peer = Self { inner: Arc::new(inner) };
        peer.wait_until_listening(&config.listen).await?;
        Ok(peer)
    }

    /// This peer's public key.
    pub fn peer_key(&self) -> PeerKey {
        self.inner.key
    }

    /// This peer's id as libp2p prints it.
    pub fn peer_id(&self) -> String {
        self.inner.id.to_string()
    }

    /// Where it listens, ports filled in, without the `/p2p/` part: IPv4 before IPv6, TCP before QUIC.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.inner.status.listening.borrow().clone()
    }

    /// How others reach this peer, as far as it knows itself.
    pub fn target(&self) -> PeerTarget {
        PeerTarget { peer_key: self.peer_key(), addresses: self.listen_addresses() }
    }

    /// Peers it is connected with.
    pub fn peer_count(&self) -> usize {
        self.inner.shared.connected_ids().len()
    }

    /// Their peer ids as libp2p prints them.
    pub fn connected_peers(&self) -> Vec<String> {
        self.inner.shared.connected_ids().iter().map(ToString::to_string).collect()
    }

    /// How long this peer waits for others.
    pub fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// What it has seen of other peers, over restarts if it has a file of known peers.
    pub fn judged(&self) -> &Judged {
        &self.inner.shared.judged
    }

    /// What it has read, by where it came from.
    pub fn reads(&self) -> &ReadCounters {
        &self.inner.reads
    }

    /// What it serves, if anything.
    pub(crate) fn service(&self) -> Option<&PieceService> {
        self.inner.service.get()
    }

    pub(crate) fn passes(&self) -> &Passes {
        &self.inner.passes
    }

    /// Serves a store to other peers from now on, and to this peer itself.
    ///
    /// # Errors
    /// [`AlreadyServing`]: there is one store a peer.
    pub fn serve(&self, service: PieceService) -> Result<(), AlreadyServing> {
        let service = service.of_peer(self.inner.id, self.inner.timeouts);
        self.inner.service.set(service).map_err(|_| AlreadyServing)?;
        self.inner.serving.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends the peer: what it serves is broken off, its ports are free afterwards.
    pub async fn stop(&self) {
        drop(self.inner.commands.send(Command::Stop).await);
        let mut ended = self.inner.ended.clone();
        // Nothing is ever sent: this waits until the sender is gone.
        while ended.changed().await.is_ok() {}
    }

    /// Opens a stream to `target`, over the connection that is there or a new one; to itself and to its neighbours
    /// without a connection.
    pub(crate) async fn open(&self, target: &PeerTarget, protocol: Protocol) -> Result<Wire, OpenError> {
        let peer = target.peer_id()?;
        let limit = self.inner.timeouts.connect;
        let waiting = self.inner.permits.of(peer).acquire_owned();
        let permit = timeout(limit, waiting).await.map_err(|_| OpenError::Busy)?.map_err(|_| OpenError::Stopped)?;
        if peer == self.inner.id {
            if self.inner.service.get().is_none() {
                return Err(OpenError::NotSpoken { protocol: self.inner.names.name(protocol).to_string() });
            }
            return self.meet(&self.inner.commands, protocol, permit).await;
        }
        let neighbours = self.inner.neighbours.as_ref();
        let tried = target.addresses.get(..ADDRESSES_MAX).unwrap_or(&target.addresses);
        if let Some(commands) = neighbours.and_then(|all| all.find(&peer, tried, &self.inner.names)) {
            return self.meet(&commands, protocol, permit).await;
        }
        let mut outcome = Err(OpenError::Timeout { what: "connect" });
        for attempt in 0..OPEN_ATTEMPTS {
            outcome = match timeout(limit, self.open_once(peer, target, protocol, attempt > 0)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(OpenError::Timeout { what: "connect" }),
            };
            if !matches!(outcome, Err(OpenError::Lost { .. } | OpenError::Dial { try_again: true, .. })) {
                break;
            }
        }
        let stream = outcome?;
        Ok(Wire::new(Way::Far(Box::new(stream.compat())), self.inner.timeouts.idle).with_permit(permit))
    }

    async fn open_once(
        &self,
        peer: PeerId,
        target: &PeerTarget,
        protocol: Protocol,
        again: bool,
    ) -> Result<libp2p::Stream, OpenError> {
        let (reply, answer) = oneshot::channel();
        let wanted = WantedStream { protocol: self.inner.names.name(protocol), reply };
        let addresses = target.addresses.iter().take(ADDRESSES_MAX).cloned().collect();
        let command = Command::Open { peer, addresses, wanted, again };
        self.inner.commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        match answer.await {
            Ok(opened) => opened,
            Err(_) if self.inner.commands.is_closed() => Err(OpenError::Stopped),
            Err(_) => Err(OpenError::Lost { reason: "it ended before the stream was open".into() }),
        }
    }

    /// A stream to the peer of this process that takes `commands`.
    async fn meet(
        &self,
        commands: &mpsc::Sender<Command>,
        protocol: Protocol,
        permit: OwnedSemaphorePermit,
    ) -> Result<Wire, OpenError> {
        let (here, there) = Near::pair();
        let command = Command::Meet { from: self.inner.id, protocol, stream: there };
        commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        Ok(Wire::new(Way::Near(here), self.inner.timeouts.idle).with_permit(permit))
    }

    async fn wait_until_listening(&self, wanted: &[Multiaddr]) -> Result<(), StartError> {
        let Some(first) = wanted.first() else {
            return Ok(());
        };
        let mut listening = self.inner.status.listening.subscribe();
        // Each address gives one listener or, if it stands for all interfaces, several.
        let all = listening.wait_for(|addresses| addresses.len() >= wanted.len());
        match timeout(self.inner.timeouts.connect, all).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                Err(StartError::Listen { address: first.clone(), reason: "no listener came up in time".into() })
            }
        }
    }
}
