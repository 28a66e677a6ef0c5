//! Every limit of the servers, and the bytes that are in flight.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::error::TryAgain;

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// Decoded bytes of `storage_submit` and of one answer of `storage_retrieve`.
pub const CALL_DATA_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Segments in one answer of `storage_locate`.
pub const LOCATE_SEGMENTS_MAX: u32 = 64;
/// Files on one page of `storage_files`.
pub const FILES_PAGE_MAX: u32 = 1000;
/// Files on a page unless the client says otherwise.
pub const FILES_PAGE_DEFAULT: u32 = 100;
/// Bytes of a key of `state_get` and `state_getProof`; the longest that a table has is far below.
pub const STATE_KEY_BYTES_MAX: usize = runtime::light::KEY_BYTES_MAX;
/// Bytes of a cursor; cursors are made by the node and are short.
pub const CURSOR_BYTES_MAX: usize = 512;
/// Bytes of an upload's name; names are made by the node and are short.
pub const UPLOAD_ID_BYTES_MAX: usize = 64;
/// Bytes of a transaction that is decoded at all; the chain's own limit is lower.
pub const TRANSACTION_BYTES_MAX: usize = 1024 * 1024;

/// Limits of a server. The defaults are those of `api.md`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a JSON-RPC body, of a request and of a response.
    pub json_body_bytes: u32,
    /// Calls in a batch.
    pub batch_calls: u32,
    /// Bytes of bodies in memory, all connections together.
    pub bodies_in_flight_bytes: u32,
    /// Of those, at most so many for files that are read. What the others may not use is left for calls.
    pub downloads_in_flight_bytes: u32,
    /// Of those, at most so many for streamed uploads.
    pub uploads_in_flight_bytes: u32,
    /// What a streamed upload counts as among them: what sits in its buffers.
    pub upload_window_bytes: u32,
    /// Files that are read for clients at once. Each holds streams to providers, of which there are few.
    pub downloads: u32,
    /// A client waits so long for its place among them, and for the memory that reading takes.
    pub download_wait: Duration,
    /// A reader that let others go first waits so long for its next turn; longer than a client that stalls is kept.
    pub download_turn_wait: Duration,
    /// Connections, all clients together. Idle ones are cheap; bodies are bounded by themselves.
    pub connections: u32,
    /// WebSocket connections among them.
    pub websockets: u32,
    /// Responses that wait to be written to one WebSocket.
    pub websocket_queue: u32,
    /// Subscriptions of one WebSocket.
    pub subscriptions: u32,
    /// A subscriber takes the next notification within this long, or loses the subscription.
    pub subscriber_stall: Duration,
    /// Bytes of a request's head, and of the buffer a connection reads into.
    pub head_bytes: u32,
    /// A request's head arrives within this long, also on a connection that is kept alive.
    pub head_time: Duration,
    /// A JSON-RPC body arrives within this long.
    pub json_body_time: Duration,
    /// The next bytes of an upload arrive within this long.
    pub upload_idle: Duration,
    /// Bytes a second that an upload brings at least, over each [`upload_idle`](Self::upload_idle) that it was waited for;
    /// the node's own waiting does not count. One that trickles would hold its place for ever.
    pub upload_rate: u32,
    /// A client takes the next bytes of a response within this long.
    pub write_stall: Duration,
    /// `storage_submit` answers within this long.
    pub submit_wait: Duration,
    /// An upload over HTTP is answered within this long after its last byte.
    pub upload_wait: Duration,
    /// Requests may take this long to end when the server stops.
    pub stop_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_body_bytes: 16 * MIB,
            batch_calls: 50,
            bodies_in_flight_bytes: 128 * MIB,
            downloads_in_flight_bytes: 64 * MIB,
            uploads_in_flight_bytes: 32 * MIB,
            // So small that hundreds of connections can hold one.
            upload_window_bytes: 64 * 1024,
            downloads: 64,
            download_wait: Duration::from_secs(5),
            download_turn_wait: Duration::from_secs(90),
            connections: 2048,
            websockets: 64,
            websocket_queue: 16,
            subscriptions: 64,
            subscriber_stall: Duration::from_secs(10),
            head_bytes: 64 * KIB,
            head_time: Duration::from_secs(10),
            json_body_time: Duration::from_secs(30),
            upload_idle: Duration::from_secs(30),
            upload_rate: KIB,
            write_stall: Duration::from_secs(60),
            submit_wait: Duration::from_secs(60),
            upload_wait: Duration::from_secs(600),
            stop_grace: Duration::from_secs(10),
        }
    }
}

/// Counts the bytes of bodies that are in memory.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    left: Arc<Semaphore>,
    /// Told when bytes of this or of the whole are given back.
    freed: Arc<Notify>,
    /// What this is a share of.
    whole: Option<Arc<BodyBudget>>,
}

/// Bytes taken from a [`BodyBudget`], given back when dropped.
#[derive(Debug)]
pub struct BodyPermit {
    budget: BodyBudget,
    held: Option<OwnedSemaphorePermit>,
    /// The same bytes of the whole.
    of_whole: Option<Box<BodyPermit>>,
}

impl BodyBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: u32) -> Self {
        let permits = usize::try_from(bytes).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { left: Arc::new(Semaphore::new(permits)), freed: Arc::default(), whole: None }
    }

    /// A part of this budget: what it gives is taken from both, and it never gives more than `bytes`.
    #[must_use]
    pub fn share(&self, bytes: u32) -> Self {
        Self { whole: Some(Arc::new(self.clone())), freed: self.freed.clone(), ..Self::new(bytes) }
    }

    /// Takes `bytes`, at once or not at all.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] if there is not so much left.
    pub fn reserve(&self, bytes: u64) -> Result<BodyPermit, TryAgain> {
        let of_whole = self.whole.as_ref().map(|whole| whole.reserve(0)).transpose()?.map(Box::new);
        let mut permit = BodyPermit { budget: self.clone(), held: None, of_whole };
        permit.grow(bytes)?;
        Ok(permit)
    }

    /// Takes `bytes` as soon as there are so many, all at once: until then nothing is held back from anybody.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] for more than can be counted.
    pub(crate) async fn reserve_when_free(&self, bytes: u64) -> Result<BodyPermit, TryAgain> {
        if u32::try_from(bytes).is_err() {
            return self.reserve(bytes);
        }
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on nothing that is given back is missed.
            freed.as_mut().enable();
            if let Ok(permit) = self.reserve(bytes) {
                return Ok(permit);
            }
            freed.await;
        }
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        // One that never got anything gives nothing back: whoever waits would wake itself by trying.
        let is_freed = self.held.take().is_some_and(|held| held.num_permits() > 0);
        self.of_whole = None;
        if is_freed {
            self.budget.freed.notify_waiters();
        }
    }
}

impl BodyPermit {
    /// Takes `bytes` more, at once or not at all.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] if there is not so much left; then the permit is to be dropped.
    pub fn grow(&mut self, bytes: u64) -> Result<(), TryAgain> {
        const OVERLOADED: TryAgain = TryAgain::Overloaded("too many bytes of bodies are in flight");
        let count = u32::try_from(bytes).map_err(|_| OVERLOADED)?;
        let more = self.budget.left.clone().try_acquire_many_owned(count).map_err(|_| OVERLOADED)?;
        if let Some(of_whole) = &mut self.of_whole {
            of_whole.grow(bytes)?;
        }
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }
}
