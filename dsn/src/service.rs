//! The server side of all protocols, over a store, a cache, or both.

mod counters;
mod sharers;

pub use counters::{Counted, ReadCounters, ServiceCounters};
pub(crate) use counters::{Served, Source};

use crate::admission::Admission;
use crate::cache::PieceCache;
use crate::net::PeerTarget;
use crate::net::Timeouts;
use crate::protocol::wire::{Wire, WireError};
use crate::protocol::{Protocol, get, have, put, share};
use crate::store::PieceStore;
use dsn_messages::{Refusal, RefusalCode};
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use pieces::PieceHash;
use runtime::crypto::PeerKey;
use sharers::Sharers;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::debug;

/// Requests served at once, by protocol. Whoever comes on top is refused as busy, at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Pieces being taken, each with two buffers of [`put::WRITE_BYTES`](crate::protocol::put::WRITE_BYTES).
    pub puts: usize,
    /// Pieces being read, each with two windows of at most 1 MiB.
    pub gets: usize,
    /// Questions for pieces.
    pub haves: usize,
}

impl Default for ServiceLimits {
    fn default() -> Self {
        Self { puts: 256, gets: 256, haves: 64 }
    }
}

/// Serves a [`PieceStore`], a [`PieceCache`], or both to other peers; cloning gives another handle of the same service.
#[derive(Clone)]
pub struct PieceService {
    store: Option<(Arc<PieceStore>, Arc<dyn Admission>)>,
    cache: Option<Cache>,
    sharers: Arc<Mutex<Sharers>>,
    since: Instant,
    /// The peer that serves, once it does.
    peer: Option<PeerId>,
    puts: Arc<Semaphore>,
    gets: Arc<Semaphore>,
    haves: Arc<Semaphore>,
    timeouts: Timeouts,
    counters: Arc<ServiceCounters>,
}

impl fmt::Debug for PieceService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store.as_ref().map(|(store, _)| store);
        f.debug_struct("PieceService").field("store", &store).field("cache", &self.cache()).finish_non_exhaustive()
    }
}

/// What is read is kept here, unless it lies beside it anyway.
#[derive(Clone)]
struct Cache {
    pieces: Arc<PieceCache>,
    beside: Arc<HashSet<PeerKey>>,
}

impl PieceService {
    /// A service with default limits.
    pub fn new(store: Arc<PieceStore>, admission: Arc<dyn Admission>) -> Self {
        Self::with_limits(store, admission, ServiceLimits::default())
    }

    /// A service with these limits.
    pub fn with_limits(store: Arc<PieceStore>, admission: Arc<dyn Admission>, limits: ServiceLimits) -> Self {
        Self::over(Some((store, admission)), limits)
    }

    /// A service that takes no pieces and serves those of a cache, for [`with_cache`](Self::with_cache).
    pub fn without_store(limits: ServiceLimits) -> Self {
        Self::over(None, limits)
    }

    fn over(store: Option<(Arc<PieceStore>, Arc<dyn Admission>)>, limits: ServiceLimits) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let (puts, gets, haves) = (semaphore(limits.puts), semaphore(limits.gets), semaphore(limits.haves));
        let (timeouts, counters, sharers) = (Timeouts::default(), Arc::default(), Arc::default());
        Self { store, cache: None, sharers, since: Instant::now(), peer: None, puts, gets, haves, timeouts, counters }
    }

    /// Keeps what the peer reads in `cache` and serves it too. What it reads of the peers `beside` it, which run on the
    /// same disk, is not kept a second time.
    #[must_use]
    pub fn with_cache(self, pieces: Arc<PieceCache>, beside: impl IntoIterator<Item = PeerKey>) -> Self {
        Self { cache: Some(Cache { pieces, beside: Arc::new(beside.into_iter().collect()) }), ..self }
    }

    /// The store that is served.
    pub fn store(&self) -> Option<&Arc<PieceStore>> {
        self.store.as_ref().map(|(store, _)| store)
    }

    /// The cache that is served.
    pub fn cache(&self) -> Option<&Arc<PieceCache>> {
        self.cache.as_ref().map(|cache| &cache.pieces)
    }

    /// Where to keep what is read of a peer.
    pub(crate) fn cache_of(&self, holder: &PeerKey) -> Option<&Arc<PieceCache>> {
        let cache = self.cache.as_ref().filter(|cache| !cache.beside.contains(holder))?;
        Some(&cache.pieces)
    }

    /// A peer asks for a piece of the store and will pass it on: whom to name to it, if anybody.
    pub(crate) fn named_to(&self, who: PeerKey, piece: PieceHash, addresses: Vec<Multiaddr>) -> Vec<PeerTarget> {
        let named = self.sharers.lock().ask(piece, who, addresses, self.since.elapsed());
        if !named.is_empty() {
            self.counters.referred();
        }
        named
    }

    /// What was served so far.
    pub fn counters(&self) -> &ServiceCounters {
        &self.counters
    }

    /// The same, served by this peer.
    pub(crate) fn of_peer(self, peer: PeerId, timeouts: Timeouts) -> Self {
        Self { timeouts, peer: Some(peer), ..self }
    }

    /// Whose bytes those are that `peer` is given from `source`.
    pub(crate) fn source_for(&self, peer: PeerId, source: Source) -> Source {
        if source == Source::Cached && self.peer == Some(peer) { Source::Own } else { source }
    }

    pub(crate) fn idle(&self) -> Duration {
        self.timeouts.idle
    }

    /// Serves one stream. `of_peer` counts it among the peer's own; without one the peer has too many.
    pub(crate) async fn serve(
        &self,
        peer: PeerId,
        protocol: Protocol,
        mut wire: Wire,
        of_peer: Option<OwnedSemaphorePermit>,
    ) {
        let served = timeout(self.timeouts.whole, self.answer(peer, protocol, &mut wire, of_peer.is_some())).await;
        self.counters.count(protocol, served.as_ref().ok().and_then(|result| result.as_ref().ok()));
        match served {
            Ok(Ok(_)) => drop(wire.close().await),
            Ok(Err(error)) => debug!(%peer, ?protocol, error = chain(&error), "stream ended early"),
            Err(_) => debug!(%peer, ?protocol, "stream took too long"),
        }
    }

    async fn answer(
        &self,
        peer: PeerId,
        protocol: Protocol,
        wire: &mut Wire,
        peer_has_room: bool,
    ) -> Result<Served, WireError> {
        let semaphore = match protocol {
            Protocol::Put => &self.puts,
            Protocol::Get | Protocol::Share => &self.gets,
            Protocol::Have => &self.haves,
        };
        let busy = |message| Refusal::new(RefusalCode::Busy, message);
        let refusal = match semaphore.try_acquire() {
            Ok(_permit) if peer_has_room => {
                return match protocol {
                    Protocol::Put => match &self.store {
                        Some((store, admission)) => put::serve(wire, store, admission).await,
                        None => refuse(wire, protocol, keeps_none()).await,
                    },
                    Protocol::Get => get::serve(wire, self, peer).await,
                    Protocol::Share => share::serve(wire, self, peer).await,
                    Protocol::Have => have::serve(wire, self).await,
                };
            }
            Ok(_permit) => busy("this peer has too many streams open"),
            Err(_) => busy("too many requests at once"),
        };
        refuse(wire, protocol, refusal).await
    }
}

async fn refuse(wire: &mut Wire, protocol: Protocol, refusal: Refusal) -> Result<Served, WireError> {
    match protocol {
        Protocol::Put => wire.send(&put::PutReply::Refused(refusal)).await?,
        Protocol::Get => wire.send(&get::GetReply::Refused(refusal)).await?,
        Protocol::Share => wire.send(&share::ShareReply::Refused(refusal)).await?,
        Protocol::Have => wire.send(&have::HaveReply::Refused(refusal)).await?,
    }
    Ok(Served::Refused)
}

fn keeps_none() -> Refusal {
    Refusal::new(RefusalCode::NotPermitted, "this peer keeps no pieces for others")
}

/// Logs what went wrong here; the peer is told no more than that.
pub(crate) fn internal(what: &'static str, error: &(dyn Error + 'static)) -> Refusal {
    tracing::error!(what, error = chain(error), "cannot serve a request");
    Refusal::new(RefusalCode::Internal, "something went wrong here")
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
