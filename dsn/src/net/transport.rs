//! The ways bytes go: TCP with noise and yamux, QUIC, names, and which addresses are dialed at all.

use super::config::PeerConfig;
use super::error::StartError;
use super::network::addresses::{ip, is_global_ip};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, OrTransport, TransportError, TransportEvent};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport, dns, noise, quic, relay, tcp, yamux};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// IP addresses of the same link that may be dialed although they are not global.
const LOCAL_IPS_MAX: usize = 256;

/// What all ways come to: a peer that has proved its key, and streams with it.
pub(super) type Ways = Boxed<(PeerId, StreamMuxerBox)>;

/// IP addresses that may be dialed although they are not global: those of the configuration, and of the same link.
#[derive(Clone, Debug, Default)]
pub(super) struct LocalIps(Arc<Mutex<HashSet<IpAddr>>>);

impl LocalIps {
    /// Lets an address be dialed. Beyond the limit it is not.
    pub(super) fn allow(&self, address: &Multiaddr) {
        let mut ips = self.0.lock();
        if let Some(ip) = ip(address)
            && ips.len() < LOCAL_IPS_MAX
        {
            ips.insert(ip);
        }
    }

    fn allows(&self, ip: &IpAddr) -> bool {
        self.0.lock().contains(ip)
    }
}

/// What failed over QUIC, by the kinds that failures of TCP have.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct QuicError(#[source] io::Error);

impl From<quic::Error> for QuicError {
    fn from(error: quic::Error) -> Self {
        Self(io::Error::new(
            match &error {
                quic::Error::Connection(_) => io::ErrorKind::ConnectionAborted,
                quic::Error::HandshakeTimedOut => io::ErrorKind::TimedOut,
                quic::Error::Io(error) => error.kind(),
                _ => io::ErrorKind::Other,
            },
            error,
        ))
    }
}

/// All ways but those through relays, as configured. `local` is filled with the configuration's own addresses.
pub(super) fn ways(pair: &Keypair, config: &PeerConfig, local: &LocalIps) -> Result<Ways, StartError> {
    let noise = noise::Config::new(pair).map_err(StartError::Transport)?;
    // yamux as it is by default: any setter switches to an older yamux that peers can crash.
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let quic = quic::tokio::Transport::new(config.limits.quic(&config.timeouts, quic::Config::new(pair)))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .map_err(QuicError::from);
    let direct = OrTransport::new(tcp, quic).map(|either, _| either.into_inner()).boxed();
    let network = &config.network;
    for address in [&network.bootnodes, &network.reserved, &network.rendezvous, &network.relays].into_iter().flatten() {
        local.allow(address);
    }
    let direct = match network.global_only {
        true => {
            let local = local.clone();
            let global = move |address: &Multiaddr| ip(address).is_some_and(|ip| is_global_ip(ip) || local.allows(&ip));
            Only { inner: direct, allowed: Box::new(global) }.boxed()
        }
        false => direct,
    };
    let named = match network.dns {
        true => dns::tokio::Transport::system(direct).map_err(StartError::Names)?.boxed(),
        false => direct,
    };
    Ok(match network.relay_only {
        true => {
            let relays: HashSet<_> = network.relays.iter().map(head).collect();
            Only { inner: named, allowed: Box::new(move |address| relays.contains(&head(address))) }.boxed()
        }
        false => named,
    })
}

/// The same, and the ways through relays.
pub(super) fn with_circuits(ways: Ways, pair: &Keypair) -> Result<(Ways, relay::client::Behaviour), StartError> {
    let (circuits, behaviour) = relay::client::new(pair.public().to_peer_id());
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(pair).map_err(StartError::Transport)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    Ok((OrTransport::new(circuits, ways).map(|either, _| either.into_inner()).boxed(), behaviour))
}

/// An address up to the first peer id: the machine, and how it is reached.
fn head(address: &Multiaddr) -> Multiaddr {
    address.iter().take_while(|part| !matches!(part, Protocol::P2p(_) | Protocol::P2pCircuit)).collect()
}

/// A transport that waits only so long for an address, from the moment that it is that address's turn: a swarm begins to
/// dial all addresses of a peer at once, and goes on with them one after the other.
pub(super) struct Patient {
    pub(super) inner: Ways,
    pub(super) patience: Duration,
}

impl Transport for Patient {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = <Ways as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let (dial, patience) = (self.inner.dial(address, options)?, self.patience);
        // The time begins when this is first polled, not when it is made.
        Ok(async move { timeout(patience, dial).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) }.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}

/// A transport that dials only some addresses.
struct Only<T> {
    inner: T,
    allowed: Box<dyn Fn(&Multiaddr) -> bool + Send>,
}

impl<T: Transport + Unpin> Transport for Only<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<T::Dial, TransportError<T::Error>> {
        match (self.allowed)(&address) {
            true => self.inner.dial(address, options),
            false => Err(TransportError::MultiaddrNotSupported(address)),
        }
    }

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}
