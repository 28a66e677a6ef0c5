//! The consensus port as others see it: it takes so many connections, and keeps places for the hosts of named peers.
//!
//! The engine's own limits count a connection whoever made it, so strangers who hold all places, or only make connections, would
//! keep out a validator that was restarted; where it names itself to others does not help, since their places are taken too.
//! So the engine listens on loopback alone. What comes to the port is closed before a byte of it is read, or passed on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use malachite::app::net::Multiaddr;
use tokio::io::copy;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::config::{ConsensusConfig, ConsensusLimits};
use crate::engine::peer;
use crate::error::StartError;

/// A pause after the system had no connection to give, most likely for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Hosts of the peers that the engine stays connected to. Cheap to clone.
///
/// An address with a name for its host, or a peer that comes from another host than it is at, has no place kept.
#[derive(Clone, Debug, Default)]
pub struct NamedHosts(Arc<Mutex<HashMap<Multiaddr, IpAddr>>>);

impl NamedHosts {
    /// Keeps places for the host of this address.
    pub fn add(&self, address: &Multiaddr) {
        // Written out, an address begins /ip4/HOST/ or /ip6/HOST/.
        let host = address.to_string().split('/').nth(2).and_then(|host| host.parse().ok());
        if let Some(address_of_host) = host.map(network) {
            lock(&self.0).insert(address.clone(), address_of_host);
        }
    }

    /// Keeps them no more, unless another address is of this host.
    pub fn remove(&self, address: &Multiaddr) {
        lock(&self.0).remove(address);
    }

    fn has(&self, host: IpAddr) -> bool {
        lock(&self.0).values().any(|named| *named == host)
    }
}

/// What one party has an address out of: all of IPv4's, 64 bits of IPv6's.
fn network(host: IpAddr) -> IpAddr {
    match host.to_canonical() {
        IpAddr::V4(host) => host.into(),
        IpAddr::V6(host) => Ipv6Addr::from_bits(host.to_bits() >> 64 << 64).into(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is right after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Places that are taken.
#[derive(Debug, Default)]
struct Taken {
    of_host: HashMap<IpAddr, usize>,
    named: usize,
    strangers: usize,
}

/// One of them, free again when dropped.
#[derive(Debug)]
struct Place {
    taken: Arc<Mutex<Taken>>,
    host: IpAddr,
    is_named: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        let count = if self.is_named { &mut taken.named } else { &mut taken.strangers };
        *count = count.saturating_sub(1);
        if let Some(count) = taken.of_host.get_mut(&self.host) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.of_host.remove(&self.host);
            }
        }
    }
}

/// The port, open but not served yet.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    limits: ConsensusLimits,
    named: NamedHosts,
    taken: Arc<Mutex<Taken>>,
    engine: SocketAddr,
    /// Keeps the system from giving the engine's port to anybody else.
    _reserved: TcpSocket,
}

impl Port {
    /// Takes the port, and one on loopback for the engine.
    ///
    /// # Errors
    /// [`StartError`] if the address is taken or not ours, or a peer's address is none.
    pub async fn open(config: &ConsensusConfig) -> Result<Self, StartError> {
        let refuse = |address| move |source| StartError::Listen { address, source };
        let named = NamedHosts::default();
        for address in &config.peers {
            named.add(&peer(address)?);
        }
        let listener = TcpListener::bind(config.listen).await.map_err(refuse(config.listen))?;
        let inside = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reserved = TcpSocket::new_v4().map_err(refuse(inside))?;
        // The engine asks for the same, and so may listen on a port that is only reserved.
        reserved.set_reuseaddr(true).and_then(|()| reserved.bind(inside)).map_err(refuse(inside))?;
        let engine = reserved.local_addr().map_err(refuse(inside))?;
        Ok(Self { listener, limits: config.limits, named, taken: Arc::default(), engine, _reserved: reserved })
    }

    /// Where the engine is to listen.
    pub const fn engine(&self) -> SocketAddr {
        self.engine
    }

    /// Whose hosts have places kept.
    pub fn named(&self) -> NamedHosts {
        self.named.clone()
    }

    /// Serves the port until it is dropped, and all connections with it.
    pub async fn serve(self) -> Infallible {
        let mut passed = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = passed.join_next() => continue,
            };
            match accepted {
                Ok((outside, from)) => {
                    if let Some(place) = self.place(network(from.ip())) {
                        passed.spawn(pass(outside, self.engine, place));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection to the consensus port");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for a connection of this host, if there is one: strangers have one half, named peers' hosts the other.
    fn place(&self, host: IpAddr) -> Option<Place> {
        let is_named = self.named.has(host);
        let half = self.limits.connections() / 2;
        let mut taken = lock(&self.taken);
        let kind = if is_named { taken.named } else { taken.strangers };
        let of_host = taken.of_host.get(&host).copied().unwrap_or_default();
        if kind >= half || of_host >= self.limits.consensus_connections_per_host {
            return None;
        }
        taken.of_host.insert(host, of_host.saturating_add(1));
        let count = if is_named { &mut taken.named } else { &mut taken.strangers };
        *count = count.saturating_add(1);
        drop(taken);
        Some(Place { taken: Arc::clone(&self.taken), host, is_named })
    }
}

/// Until either side ends it, however that is: whoever the engine has sent away must not keep the place.
async fn pass(mut outside: TcpStream, engine: SocketAddr, place: Place) {
    if let Ok(mut inside) = TcpStream::connect(engine).await
        && outside.set_nodelay(true).and_then(|()| inside.set_nodelay(true)).is_ok()
    {
        let ((mut from_outside, mut to_outside), (mut from_engine, mut to_engine)) = (outside.split(), inside.split());
        tokio::select! {
            _ = copy(&mut from_outside, &mut to_engine) => {}
            _ = copy(&mut from_engine, &mut to_outside) => {}
        }
    }
    drop(place);
}

#[cfg(test)]
mod tests;
