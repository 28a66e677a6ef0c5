//! Connections that are being made to this peer: all of them are few, and whoever comes has a chance. One that is too many
//! is not turned away: the oldest of the host that makes the most gives way to it, so that a host that opens connections and
//! says nothing keeps nobody out but itself, and many such hosts nobody who is faster with a handshake than they come again.
//!
//! A swarm cannot end a connection that is being made, so they are made here, in a transport around all ways, and the swarm
//! is told of those that are made. What gives way is dropped with its socket, whenever its task comes to hear of it.

use super::network::addresses::{ip, is_relayed};
use super::transport::Ways;
use futures::future::{Ready, ready};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p::{Multiaddr, PeerId, Transport};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::task::JoinSet;

/// For each connection that may be made at once, tasks of those that have given way or are made, until that is seen.
const TASKS_PER_PLACE: usize = 4;

/// Who makes a connection; none for what comes through a relay, which counts what its own clients make.
pub(super) type Host = Option<IpAddr>;

/// The host of an address. Who has one address of IPv6 has the 64 bits behind it.
pub(super) fn host_of(address: &Multiaddr) -> Host {
    // It begins with the relay's.
    if is_relayed(address) {
        return None;
    }
    Some(match ip(address)? {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    })
}

/// What is being made, by host and in the order in which it came. Pure.
#[derive(Debug)]
struct Pending<T> {
    all_max: usize,
    per_host: usize,
    count: usize,
    /// The number of the next one.
    next: u64,
    hosts: HashMap<Host, BTreeMap<u64, T>>,
}

impl<T> Pending<T> {
    fn new(all_max: u32, per_host: u32) -> Self {
        let [all_max, per_host] = [all_max, per_host].map(|limit| usize::try_from(limit).unwrap_or(usize::MAX).max(1));
        Self { all_max, per_host, count: 0, next: 0, hosts: HashMap::new() }
    }

    /// One more of a host. Returns its number, and what gives way to it.
    fn enter(&mut self, host: Host, item: T) -> (u64, Option<T>) {
        let own = self.hosts.get(&host).map_or(0, BTreeMap::len);
        let gives_way = match host {
            Some(_) if own >= self.per_host => Some(host),
            _ if self.count >= self.all_max => self.most_with(host),
            _ => None,
        };
        let given = gives_way.and_then(|host| {
            let (number, _) = self.hosts.get(&host)?.first_key_value()?;
            let number = *number;
            self.leave(host, number)
        });
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.hosts.entry(host).or_default().insert(number, item);
        (number, given)
    }

    /// One that is made, or failed; nothing if it gave way before.
    fn leave(&mut self, host: Host, number: u64) -> Option<T> {
        let of_host = self.hosts.get_mut(&host)?;
        let left = of_host.remove(&number)?;
        if of_host.is_empty() {
            self.hosts.remove(&host);
        }
        self.count -= 1;
        Some(left)
    }

    /// The host that makes the most, counting the one that comes now; of those that make as many, the one whose oldest is
    /// older.
    fn most_with(&self, coming: Host) -> Option<Host> {
        let rank = |host: &Host, of_host: &BTreeMap<u64, T>| {
            let oldest = of_host.first_key_value().map(|(number, _)| *number);
            (of_host.len() + usize::from(*host == coming), Reverse(oldest))
        };
        let most = self.hosts.iter().max_by_key(|(host, of_host)| rank(host, of_host));
        most.map(|(host, _)| *host)
    }
}

type Upgrade = <Ways as Transport>::ListenerUpgrade;
type Made = (PeerId, StreamMuxerBox);

/// One connection that is being made: two own it, the task that makes it and the list of all.
#[derive(Default)]
struct Making {
    /// None if it is made, failed, or gave way.
    upgrade: Option<Upgrade>,
    /// Who is to hear that it gave way.
    waker: Option<Waker>,
}

type Shared = Arc<Mutex<Pending<Arc<Mutex<Making>>>>>;

/// Makes one connection, unless it gives way. Leaves the list when it is done, or dropped.
struct Entering {
    making: Arc<Mutex<Making>>,
    pending: Shared,
    host: Host,
    number: u64,
}

impl Future for Entering {
    type Output = Option<Made>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut making = self.making.lock();
        let Some(upgrade) = &mut making.upgrade else {
            return Poll::Ready(None);
        };
        match upgrade.as_mut().poll(context) {
            Poll::Ready(done) => {
                making.upgrade = None;
                Poll::Ready(done.inspect_err(|error| tracing::debug!(%error, "a connection was not made")).ok())
            }
            Poll::Pending => {
                making.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.pending.lock().leave(self.host, self.number);
    }
}

/// A connection that is made, and what the swarm is to know of it.
struct Entered {
    listener_id: ListenerId,
    local_addr: Multiaddr,
    send_back_addr: Multiaddr,
    made: Made,
}

/// A transport that makes only so many inbound connections at once.
pub(super) struct Entrance {
    inner: Ways,
    pending: Shared,
    tasks: JoinSet<Option<Entered>>,
    tasks_max: usize,
}

impl Entrance {
    /// At most so many, and so many of one host.
    pub(super) fn new(inner: Ways, all_max: u32, per_host: u32) -> Self {
        let pending = Pending::new(all_max, per_host);
        let tasks_max = pending.all_max.saturating_mul(TASKS_PER_PLACE);
        Self { inner, pending: Arc::new(Mutex::new(pending)), tasks: JoinSet::new(), tasks_max }
    }

    fn enters(&self, upgrade: Upgrade, address: &Multiaddr) -> Entering {
        let making = Arc::new(Mutex::new(Making { upgrade: Some(upgrade), waker: None }));
        let host = host_of(address);
        let (number, given) = self.pending.lock().enter(host, Arc::clone(&making));
        if let Some(given) = given {
            let given = std::mem::take(&mut *given.lock());
            drop(given.upgrade);
            tracing::debug!(%address, "a connection that was being made gives way");
            if let Some(waker) = given.waker {
                waker.wake();
            }
        }
        Entering { making, pending: Arc::clone(&self.pending), host, number }
    }

    /// The next connection that is made, if one is by now.
    fn poll_entered(&mut self, context: &mut Context<'_>) -> Option<Entered> {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(context) {
            match ended {
                Ok(Some(entered)) => return Some(entered),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "making a connection panicked"),
            }
        }
        None
    }
}

impl Transport for Entrance {
    type Output = Made;
    type Error = io::Error;
    type ListenerUpgrade = Ready<Result<Made, io::Error>>;
    type Dial = <Ways as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        loop {
            if let Some(Entered { listener_id, local_addr, send_back_addr, made }) = self.poll_entered(context) {
                let upgrade = ready(Ok(made));
                return Poll::Ready(TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr });
            }
            if self.tasks.len() >= self.tasks_max {
                // One of them wakes this. Who comes meanwhile waits in the system's queue.
                return Poll::Pending;
            }
            match std::task::ready!(Pin::new(&mut self.inner).poll(context)) {
                TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                    let entering = self.enters(upgrade, &send_back_addr);
                    self.tasks.spawn(async move {
                        entering.await.map(|made| Entered { listener_id, local_addr, send_back_addr, made })
                    });
                }
                // There is no other event with an upgrade.
                other => return Poll::Ready(other.map_upgrade(|_| ready(Err(io::ErrorKind::Unsupported.into())))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
