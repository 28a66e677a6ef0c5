//! Whoever connects, says nothing, and comes again: newcomers are served all the same.

use crate::loads::{read, segment, stored, targets};
use crate::proxy::socket_of;
use crate::support::{GENESIS, Provider, SMALL, bytes_of, client, config, wait_until};
use dsn::{HaveError, OpenError, Peer, PeerConfig, PeerTarget};
use pieces::PieceHash;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio_util::task::AbortOnDropHandle;

/// Each attacker has a port of its own, of those that the system gives to nobody: a peer of another test dials from the port
/// at which it listens, and could not while an attacker had it at another address of this machine.
static NEXT_PORT: AtomicU16 = AtomicU16::new(2_100);

/// Newcomers of each siege, one after the other.
const NEWCOMERS: u8 = 20;

/// Connections from many addresses to one, each made again when it is closed.
struct Siege {
    /// How often one was closed.
    closed: Arc<AtomicUsize>,
    _attackers: JoinSet<()>,
}

impl Siege {
    /// `hosts` hosts with so many connections each; begun once all of them are made.
    async fn lay(to: SocketAddr, hosts: u8, each: usize) -> Self {
        let (closed, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut attackers = JoinSet::new();
        for host in 1..=hosts {
            for _ in 0..each {
                let (closed, made) = (Arc::clone(&closed), Arc::clone(&made));
                let from = (Ipv4Addr::new(127, 0, 3, host), NEXT_PORT.fetch_add(1, Ordering::Relaxed));
                attackers.spawn(async move {
                    loop {
                        // The connection before may not have let go of the port yet.
                        let Ok(mut stream) = connect(from.into(), to).await else {
                            yield_now().await;
                            continue;
                        };
                        made.fetch_add(1, Ordering::Relaxed);
                        while let Ok(1..) = stream.read(&mut [0; 64]).await {}
                        closed.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        wait_until(|| made.load(Ordering::Relaxed) >= usize::from(hosts) * each).await;
        Self { closed, _attackers: attackers }
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }
}

async fn connect(from: SocketAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_zero_linger()?;
    socket.bind(from)?;
    socket.connect(to).await
}

/// A peer that does not listen, and so dials from any port: of the thousands that the attackers have at other addresses of
/// this machine, one may be that at which it would listen.
async fn newcomer() -> Peer {
    Peer::start(PeerConfig { listen: Vec::new(), ..config(GENESIS) }).await.unwrap()
}

/// Newcomers come while the siege lasts, and each gets a piece.
async fn newcomers_are_served(hosts: u8, each: usize) {
    let provider = Provider::start(1).await;
    let piece = bytes_of(9, 100_000);
    provider.put(&client().await, 0, &piece).await.unwrap();
    let siege = Siege::lay(socket_of(&provider.target().addresses[0].to_string()), hosts, each).await;
    let hash = PieceHash::of(&piece);
    let before = siege.closed();
    for number in 0..NEWCOMERS {
        let held = newcomer().await.have(&provider.target(), vec![hash]).await;
        assert!(matches!(held.as_deref(), Ok([true])), "newcomer {number}: {held:?}");
    }
    println!("{hosts} hosts with {each} connections each: {} closed meanwhile", siege.closed() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_are_served_while_a_few_hosts_hold_all_that_they_may() {
    newcomers_are_served(8, 64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_are_served_while_a_hundred_hosts_hold_all_that_they_may() {
    newcomers_are_served(100, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_reader_gets_a_file_while_all_its_holders_are_besieged() {
    let (_, holders, stored) = stored(SMALL, bytes_of(3, 700_001)).await;
    let mut sieges = Vec::new();
    for holder in &holders {
        sieges.push(Siege::lay(socket_of(&holder.target().addresses[0].to_string()), 50, 4).await);
    }
    let all = 0..SMALL.stripe_count(700_001);
    let got = read(&newcomer().await, segment(&stored, targets(&holders)), all).await.unwrap();
    assert!(got == stored.content);
    assert!(sieges.iter().all(|siege| siege.closed() > 0), "each was full");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_are_made_at_once_than_allowed_and_the_newest_are_left() {
    let mut few = config(GENESIS);
    (few.limits.connections_pending, few.limits.connections_pending_per_host) = (4, 2);
    let peer = Peer::start(few).await.unwrap();
    let to = socket_of(&peer.listen_addresses()[0].to_string());
    let mut made = Vec::new();
    for host in [1, 1, 1, 2, 3, 4, 5] {
        made.push(connect((Ipv4Addr::new(127, 0, 4, host), 0).into(), to).await.unwrap());
    }
    // The first gives way to the third of its host, the second to the sixth of all, the third to the last.
    for (number, stream) in made.iter_mut().enumerate().take(3) {
        assert!(!matches!(stream.read(&mut [0; 64]).await, Ok(1..)), "{number}");
    }
    for (number, stream) in made.iter_mut().enumerate().skip(3) {
        stream.write_all(b"\x13/multistream/1.0.0\n").await.unwrap();
        let mut said = [0; 20];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"\x13/multistream/1.0.0\n", "{number}");
    }
}

/// In the place of a provider: breaks off so many connections once something was said, and lets the others through.
struct Breaking {
    at: SocketAddr,
    came: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Breaking {
    async fn start(to: SocketAddr, breaks: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&came);
        let task = async move {
            let mut carried = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                if counted.fetch_add(1, Ordering::Relaxed) < breaks {
                    near.read_exact(&mut [0; 1]).await.unwrap();
                    continue;
                }
                let mut far = TcpStream::connect(to).await.unwrap();
                carried.spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
            }
        };
        Self { at, came, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }

    fn instead_of(&self, provider: &Provider) -> PeerTarget {
        let address = format!("/ip4/127.0.0.1/tcp/{}", self.at.port());
        PeerTarget { addresses: vec![address.parse().unwrap()], ..provider.target() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_broken_off_is_tried_once_more_and_not_twice() {
    let provider = Provider::start(1).await;
    let to = socket_of(&provider.target().addresses[0].to_string());
    let once = Breaking::start(to, 1).await;
    client().await.have(&once.instead_of(&provider), vec![]).await.unwrap();
    assert_eq!(once.came.load(Ordering::Relaxed), 2);
    let always = Breaking::start(to, usize::MAX).await;
    let error = client().await.have(&always.instead_of(&provider), vec![]).await.unwrap_err();
    assert!(matches!(error, HaveError::Open { source: OpenError::Dial { try_again: true, .. }, .. }), "{error:?}");
    assert_eq!(always.came.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quic_peer_that_lets_a_handshake_give_way_is_tried_once_more() {
    // The one place is taken again and again by whoever comes.
    let mut one = PeerConfig { listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()], ..config(GENESIS) };
    (one.limits.connections_pending, one.limits.connections_pending_per_host) = (1, 1);
    let provider = Provider::start_on(1, Peer::start(one).await.unwrap());
    let clients = futures::future::join_all((0..8).map(|_| client())).await;
    let target = provider.target();
    let asked = clients.iter().map(|client| client.have(&target, vec![]));
    let answers = futures::future::join_all(asked).await;
    assert!(answers.iter().any(Result::is_ok), "{answers:?}");
    for answer in answers {
        // It may have been made at the near end before it gave way at the far one.
        let fair = |error: &HaveError| {
            let HaveError::Open { source, .. } = error else { return false };
            matches!(source, OpenError::Dial { try_again: true, .. } | OpenError::Lost { .. })
        };
        assert!(answer.as_ref().err().is_none_or(fair), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_read_although_its_holder_breaks_off_one_handshake() {
    let (_, holders, stored) = stored(SMALL, bytes_of(3, 100_000)).await;
    let mut only = targets(&holders);
    (only[2], only[3]) = (None, None);
    let breaking = Breaking::start(socket_of(&holders[0].target().addresses[0].to_string()), 1).await;
    if let Some(holder) = &mut only[0] {
        holder.target = breaking.instead_of(&holders[0]);
    }
    // Two of the four are left, and both are needed.
    let all = 0..SMALL.stripe_count(100_000);
    assert!(read(&client().await, segment(&stored, only), all).await.unwrap() == stored.content);
    assert_eq!(breaking.came.load(Ordering::Relaxed), 2);
}
