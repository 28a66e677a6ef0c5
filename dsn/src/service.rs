//! The server side of all protocols over one store.

mod counters;

pub(crate) use counters::Served;
pub use counters::{Counted, ServiceCounters};

use crate::admission::Admission;
use crate::net::Timeouts;
use crate::protocol::wire::{Wire, WireError};
use crate::protocol::{Protocol, get, have, put};
use crate::store::PieceStore;
use dsn_messages::{Refusal, RefusalCode};
use libp2p::PeerId;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
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

/// Serves a [`PieceStore`] to other peers; cloning gives another handle of the same service.
#[derive(Clone)]
pub struct PieceService {
    store: Arc<PieceStore>,
    admission: Arc<dyn Admission>,
    puts: Arc<Semaphore>,
    gets: Arc<Semaphore>,
    haves: Arc<Semaphore>,
    timeouts: Timeouts,
    counters: Arc<ServiceCounters>,
}

impl fmt::Debug for PieceService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PieceService").field("store", &self.store).finish_non_exhaustive()
    }
}

impl PieceService {
    /// A service with default limits.
    pub fn new(store: Arc<PieceStore>, admission: Arc<dyn Admission>) -> Self {
        Self::with_limits(store, admission, ServiceLimits::default())
    }

    /// A service with these limits.
    pub fn with_limits(store: Arc<PieceStore>, admission: Arc<dyn Admission>, limits: ServiceLimits) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        let (puts, gets, haves) = (semaphore(limits.puts), semaphore(limits.gets), semaphore(limits.haves));
        let (timeouts, counters) = (Timeouts::default(), Arc::default());
        Self { store, admission, puts, gets, haves, timeouts, counters }
    }

    /// The store that is served.
    pub fn store(&self) -> &Arc<PieceStore> {
        &self.store
    }

    /// What was served so far.
    pub fn counters(&self) -> &ServiceCounters {
        &self.counters
    }

    pub(crate) fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
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
        let served = timeout(self.timeouts.whole, self.answer(protocol, &mut wire, of_peer.is_some())).await;
        self.counters.count(protocol, served.as_ref().ok().and_then(|result| result.as_ref().ok()));
        match served {
            Ok(Ok(_)) => drop(wire.close().await),
            Ok(Err(error)) => debug!(%peer, ?protocol, error = chain(&error), "stream ended early"),
            Err(_) => debug!(%peer, ?protocol, "stream took too long"),
        }
    }

    async fn answer(&self, protocol: Protocol, wire: &mut Wire, peer_has_room: bool) -> Result<Served, WireError> {
        let semaphore = match protocol {
            Protocol::Put => &self.puts,
            Protocol::Get => &self.gets,
            Protocol::Have => &self.haves,
        };
        let busy = |message| Refusal::new(RefusalCode::Busy, message);
        let refusal = match semaphore.try_acquire() {
            Ok(_permit) if peer_has_room => {
                return match protocol {
                    Protocol::Put => put::serve(wire, &self.store, &self.admission).await,
                    Protocol::Get => get::serve(wire, &self.store).await,
                    Protocol::Have => have::serve(wire, &self.store).await,
                };
            }
            Ok(_permit) => busy("this peer has too many streams open"),
            Err(_) => busy("too many requests at once"),
        };
        match protocol {
            Protocol::Put => wire.send(&put::PutReply::Refused(refusal)).await?,
            Protocol::Get => wire.send(&get::GetReply::Refused(refusal)).await?,
            Protocol::Have => wire.send(&have::HaveReply::Refused(refusal)).await?,
        }
        Ok(Served::Refused)
    }
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
