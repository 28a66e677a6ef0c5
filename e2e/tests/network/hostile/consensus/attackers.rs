//! Whoever comes to consensus ports, from which address he likes.

use std::future::{Pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::{Endpoint, upgrade};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Transport, noise, yamux};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// How soon whoever was sent away comes again.
const AGAIN: Duration = Duration::from_millis(50);

async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// Connects to loopback from one address, and does not listen.
struct From(Ipv4Addr);

impl Transport for From {
    type Output = Compat<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
        let to = (Ipv4Addr::LOCALHOST, port.ok_or(TransportError::MultiaddrNotSupported(address))?);
        let from = self.0;
        Ok(Box::pin(async move { connect(from, to.into()).await.map(TcpStream::compat) }))
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Poll::Pending
    }
}

fn transport(from: Ipv4Addr, pair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    let noise = noise::Config::new(pair).unwrap();
    From(from).upgrade(upgrade::Version::V1).authenticate(noise).multiplex(yamux::Config::default()).boxed()
}

/// What each of a flood does once it is connected, until it is sent away.
#[derive(Clone, Copy)]
pub enum Way {
    /// Says nothing.
    Silent,
    /// Shows a key of its own, and lets the node open streams on which it says nothing.
    Keyed,
}

impl Way {
    async fn stays(self, from: Ipv4Addr, address: Multiaddr) -> io::Result<()> {
        let pair = Keypair::generate_ed25519();
        let mut transport = match self {
            Self::Keyed => transport(from, &pair),
            Self::Silent => {
                let Ok(dial) = From(from).dial(address, OPTS) else { return Err(io::ErrorKind::InvalidInput.into()) };
                let mut buffer = [0; 1024];
                let mut stream = dial.await?.into_inner();
                while stream.read(&mut buffer).await? > 0 {}
                return Ok(());
            }
        };
        let dial = transport.dial(address, OPTS).map_err(io::Error::other)?;
        let (_, mut connection) = dial.await?;
        let mut streams = Vec::new();
        poll_fn(|context| {
            while let Poll::Ready(stream) = connection.poll_inbound_unpin(context)? {
                streams.push(stream);
            }
            while connection.poll_unpin(context)?.is_ready() {}
            Poll::Pending
        })
        .await
    }
}

const OPTS: DialOpts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };

/// Connections from several addresses to each of some ports, begun again whenever they end.
pub struct Flood {
    _attackers: JoinSet<()>,
    /// How often a connection to each port came to its end.
    ended: Vec<watch::Receiver<usize>>,
}

impl Flood {
    /// Begins one with so many connections from each of these to each port.
    pub fn begin(way: Way, from: &[Ipv4Addr], each: usize, ports: &[Multiaddr]) -> Self {
        let (mut attackers, mut all) = (JoinSet::new(), Vec::new());
        for port in ports {
            let (ends, ended) = watch::channel(0);
            all.push(ended);
            for from in from.iter().flat_map(|from| std::iter::repeat_n(*from, each)) {
                let (port, ends) = (port.clone(), ends.clone());
                attackers.spawn(async move {
                    let mut again = interval(AGAIN);
                    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    loop {
                        again.tick().await;
                        // However it ends.
                        drop(way.stays(from, port.clone()).await);
                        ends.send_modify(|count| *count += 1);
                    }
                });
            }
        }
        Self { _attackers: attackers, ended: all }
    }

    /// Waits until each port has sent so many away.
    pub async fn was_sent_away(&mut self, count: usize) {
        for ended in &mut self.ended {
            ended.wait_for(|ended| *ended >= count).await.unwrap();
        }
    }
}
