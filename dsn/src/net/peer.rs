//! The handle of a peer.

use super::actor::{Actor, Command};
use super::behaviour::Behaviour;
use super::config::{PeerConfig, Timeouts};
use super::judged::Judged;
use super::permits::Permits;
use super::streams::WantedStream;
use super::target::{ADDRESSES_MAX, PeerTarget};
use crate::protocol::wire::Wire;
use crate::protocol::{Protocol, ProtocolNames};
use crate::scores::Deed;
use crate::service::{PieceService, ReadCounters};
use crate::upload::Passes;
use libp2p::identity::{self, Keypair};
use libp2p::multiaddr::Protocol as MultiaddrPart;
use libp2p::{Multiaddr, PeerId, SwarmBuilder, noise, tcp, yamux};
use parking_lot::Mutex;
use runtime::crypto::PeerKey;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, TcpListener};
use std::num::NonZeroU8;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

/// Requests to the actor that wait for it.
const COMMANDS_MAX: usize = 256;
/// Bytes in flight, in each direction, on a stream of a peer to itself.
const LOOPBACK_BYTES: usize = 256 * 1024;
/// Times a stream is asked for: a connection may end, being idle, at the very moment it is wanted again.
const OPEN_ATTEMPTS: usize = 2;

/// Why a peer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The secret is not one.
    #[error("the peer's secret is not an ed25519 secret")]
    Secret,
    /// Encryption cannot be set up.
    #[error("cannot set up the transport")]
    Transport(#[source] noise::Error),
    /// It cannot listen there.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why not.
        reason: String,
    },
}

/// Why there is no stream to a peer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No peer can have this key.
    #[error("{peer} is not an ed25519 key")]
    Key {
        /// The key.
        peer: String,
    },
    /// The peer cannot be reached.
    #[error("cannot connect: {reason}")]
    Dial {
        /// Each address and why not.
        reason: String,
    },
    /// The peer is of another chain, or does not serve pieces.
    #[error("the peer does not speak {protocol}: it is of another chain, or no provider")]
    NotSpoken {
        /// The protocol's name.
        protocol: String,
    },
    /// The connection ended while the stream was being opened.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// What happened.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("timed out trying to {what}")]
    Timeout {
        /// What was tried.
        what: &'static str,
    },
    /// So many streams with this peer, or connections, are open that none ended in time.
    #[error("too many streams or connections are open here")]
    Busy,
    /// This peer was stopped.
    #[error("this peer was stopped")]
    Stopped,
}

/// A peer serves one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this peer already serves a store")]
pub struct AlreadyServing;

/// What the actor tells its handles.
#[derive(Debug)]
pub(super) struct Status {
    listening: watch::Sender<Vec<Multiaddr>>,
    peers: Mutex<Vec<PeerId>>,
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

    pub(super) fn set_peers(&self, connected: Vec<PeerId>) {
        *self.peers.lock() = connected;
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
    serving: Arc<AtomicBool>,
    service: Arc<OnceLock<PieceService>>,
    permits: Permits,
    timeouts: Timeouts,
    judged: Judged,
    passes: Passes,
    reads: ReadCounters,
    /// Closed once the actor has ended.
    ended: watch::Receiver<()>,
}

impl OpenError {
    /// What it says about the peer, if anything.
    pub fn deed(&self) -> Option<Deed> {
        match self {
            Self::Key { .. } | Self::Busy | Self::Stopped => None,
            Self::Dial { .. } | Self::NotSpoken { .. } | Self::Lost { .. } | Self::Timeout { .. } => Some(Deed::Failed),
        }
    }
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
        let status = Arc::new(Status { listening: watch::Sender::new(Vec::new()), peers: Mutex::default() });
        let mut swarm = swarm(&pair, &config, Arc::clone(&names), Arc::clone(&serving))?;
        let id = *swarm.local_peer_id();
        for address in &config.listen {
            let refused = |error: libp2p::TransportError<_>| {
                let (address, reason) = (address.clone(), error.to_string());
                StartError::Listen { address, reason }
            };
            check_free(address)?;
            swarm.listen_on(address.clone()).map_err(refused)?;
        }
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (running, ended) = watch::channel(());
        let actor = Actor {
            swarm,
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
        let (permits, timeouts) = (Permits::new(config.limits.streams_per_peer), config.timeouts);
        let key = PeerKey::from_bytes(key);
        let (judged, passes, reads) = (Judged::new(), Passes::new(), ReadCounters::default());
        let inner = Inner {
            key,
            id,
            names,
            commands,
            status,
            serving,
            service,
            permits,
            timeouts,
            judged,
            passes,
            reads,
            ended,
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
        self.inner.status.peers.lock().len()
    }

    /// Their peer ids as libp2p prints them.
    pub fn connected_peers(&self) -> Vec<String> {
        self.inner.status.peers.lock().iter().map(ToString::to_string).collect()
    }

    /// How long this peer waits for others.
    pub fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// What it has seen of other peers.
    pub fn judged(&self) -> &Judged {
        &self.inner.judged
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

    /// Opens a stream to `target`, over the connection that is there or a new one. To itself without a connection.
    pub(crate) async fn open(&self, target: &PeerTarget, protocol: Protocol) -> Result<Wire, OpenError> {
        let peer = target.peer_id()?;
        let limit = self.inner.timeouts.connect;
        let waiting = self.inner.permits.of(peer).acquire_owned();
        let permit = timeout(limit, waiting).await.map_err(|_| OpenError::Busy)?.map_err(|_| OpenError::Stopped)?;
        if peer == self.inner.id {
            return self.open_loopback(protocol, permit).await;
        }
        let mut outcome = Err(OpenError::Timeout { what: "connect" });
        for _ in 0..OPEN_ATTEMPTS {
            outcome = match timeout(limit, self.open_once(peer, target, protocol)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(OpenError::Timeout { what: "connect" }),
            };
            if !matches!(outcome, Err(OpenError::Lost { .. })) {
                break;
            }
        }
        let stream = outcome?;
        Ok(Wire::new(Box::new(stream.compat()), self.inner.timeouts.idle).with_permit(permit))
    }

    async fn open_once(
        &self,
        peer: PeerId,
        target: &PeerTarget,
        protocol: Protocol,
    ) -> Result<libp2p::Stream, OpenError> {
        let (reply, answer) = oneshot::channel();
        let wanted = WantedStream { protocol: self.inner.names.name(protocol), reply };
        let addresses = target.addresses.iter().take(ADDRESSES_MAX).cloned().collect();
        let command = Command::Open { peer, addresses, wanted };
        self.inner.commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        match answer.await {
            Ok(opened) => opened,
            Err(_) if self.inner.commands.is_closed() => Err(OpenError::Stopped),
            Err(_) => Err(OpenError::Lost { reason: "it ended before the stream was open".into() }),
        }
    }

    async fn open_loopback(&self, protocol: Protocol, permit: OwnedSemaphorePermit) -> Result<Wire, OpenError> {
        if self.inner.service.get().is_none() {
            return Err(OpenError::NotSpoken { protocol: self.inner.names.name(protocol).to_string() });
        }
        let (near, far) = tokio::io::duplex(LOOPBACK_BYTES);
        let command = Command::Loopback { protocol, stream: far };
        self.inner.commands.send(command).await.map_err(|_| OpenError::Stopped)?;
        Ok(Wire::new(Box::new(near), self.inner.timeouts.idle).with_permit(permit))
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

fn swarm(
    pair: &Keypair,
    config: &PeerConfig,
    names: Arc<ProtocolNames>,
    serving: Arc<AtomicBool>,
) -> Result<libp2p::Swarm<Behaviour>, StartError> {
    let behaviour = Behaviour::new(pair, config, names, serving);
    let (limits, timeouts) = (config.limits, config.timeouts);
    let built = SwarmBuilder::with_existing_identity(pair.clone())
        .with_tokio()
        // yamux as it is by default: any setter switches to an older yamux that peers can crash.
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(StartError::Transport)?
        .with_quic_config(|quic| limits.quic(&timeouts, quic))
        .with_behaviour(|_: &identity::Keypair| behaviour);
    let built = match built {
        Ok(built) => built,
        Err(never) => match never {},
    };
    // Addresses are tried one after the other, in the order of the record. All at once, a peer would get several
    // connections, and might refuse the one that is used as too many.
    let configured = built.with_swarm_config(|swarm| {
        swarm.with_idle_connection_timeout(timeouts.connection_idle).with_dial_concurrency_factor(NonZeroU8::MIN)
    });
    Ok(configured.with_connection_timeout(timeouts.dial()).build())
}
