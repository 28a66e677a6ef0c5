//! A link that somebody can make slow, cut, or turn mute: a TCP proxy in front of a provider that knows nothing of it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Bytes that the proxy takes in ahead of what it passes on: small, so that whoever sends notices.
const BUFFER_BYTES: u32 = 16 * 1024;
/// What a slow link carries at a time is what it carries in the time of this many pieces of a second.
const CHUNKS_IN_SECOND: u32 = 20;

/// What the link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Everything passes.
    Open,
    /// So many bytes a second in each direction.
    Slow(u32),
    /// Nothing passes, and nobody is told.
    Mute,
    /// All connections end, and new ones are refused.
    Cut,
}

/// Listens in the place of a provider.
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub fn start(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER_BYTES).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (link, watched) = watch::channel(Link::Open);
        let task = tokio::spawn(accept(listener, to, watched));
        Self { address, link, task }
    }

    /// `/ip4/127.0.0.1/tcp/PORT`
    pub fn multiaddr(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.address.port())
    }

    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

/// The socket address of `/ip4/127.0.0.1/tcp/PORT`, whatever follows.
pub fn socket_of(multiaddr: &str) -> SocketAddr {
    let port = multiaddr.split("/tcp/").nth(1).unwrap().split('/').next().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
}

async fn accept(listener: TcpListener, to: SocketAddr, mut link: watch::Receiver<Link>) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        if *link.borrow_and_update() == Link::Cut {
            listener = None;
            connections.shutdown().await;
        }
        tokio::select! {
            changed = link.changed() => if changed.is_err() { return },
            Ok((near, _)) = accept_one(listener.as_ref()) => {
                if let Ok(far) = TcpStream::connect(to).await {
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    connections.spawn(carry(near_in, far_out, link.clone()));
                    connections.spawn(carry(far_in, near_out, link.clone()));
                }
            }
        }
    }
}

async fn accept_one(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let now = *link.borrow_and_update();
        if now == Link::Mute {
            if link.changed().await.is_err() {
                return;
            }
            continue;
        }
        let most = match now {
            Link::Slow(rate) => usize::try_from(rate / CHUNKS_IN_SECOND).unwrap().min(buffer.len()),
            _ => buffer.len(),
        };
        let read = tokio::select! {
            read = from.read(&mut buffer[..most]) => read,
            _ = link.changed() => continue,
        };
        let count = match read {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        if let Link::Slow(rate) = now {
            // This is the fault itself: nobody waits for it to pass.
            tokio::time::sleep(Duration::from_secs(1) * u32::try_from(count).unwrap() / rate).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
