//! Files that are read for clients: so many at once, the memory of fewer of them, and everybody's turn.
//!
//! ```text
//! client -> slot, in order -> window, in order -> bytes of a turn -> does anybody wait?  then back behind them
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::TryAgain;
use crate::limits::{BodyBudget, BodyPermit, Limits};

/// Bytes after which a reader lets one that waits go first.
const TURN_BYTES: u64 = 4 * 1024 * 1024;
/// The same in time, for a client that reads slowly.
const TURN_TIME: Duration = Duration::from_secs(1);

/// Counts the files that are being read for clients, and what is in memory of them.
#[derive(Clone, Debug)]
pub struct Downloads {
    slots: Arc<Semaphore>,
    wait: Duration,
    turn_wait: Duration,
    windows: Queue,
    answers: Queue,
}

/// Bytes of a budget in the order in which they were asked for.
#[derive(Clone, Debug)]
struct Queue {
    budget: BodyBudget,
    /// Held by the first in the queue.
    first: Arc<Mutex<()>>,
    waiting: Arc<AtomicUsize>,
}

/// The place of one file that is read: a slot among the downloads, and a window of memory that comes and goes.
#[derive(Debug)]
pub struct Reader {
    downloads: Downloads,
    _slot: OwnedSemaphorePermit,
    window_bytes: u64,
    window: Option<BodyPermit>,
    /// When a place is asked for and not had by then, it is refused.
    deadline: Instant,
    turn_began: Instant,
    turn_bytes: u64,
    /// Whether others may go first between two parts of the file.
    takes_turns: bool,
}

impl Downloads {
    /// Room for as many as `limits` say, with a share of the bodies in flight.
    #[must_use]
    pub fn new(limits: &Limits, bodies: &BodyBudget) -> Self {
        let most = usize::try_from(limits.downloads).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(most)),
            wait: limits.download_wait,
            turn_wait: limits.download_turn_wait,
            windows: Queue::new(bodies.share(limits.downloads_in_flight_bytes)),
            answers: Queue::new(bodies.clone()),
        }
    }

    /// A place for a file of which reading keeps `window_bytes` in memory, behind those who asked before; given back
    /// when dropped.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] if there is none in time.
    pub async fn begin(&self, window_bytes: u64) -> Result<Reader, TryAgain> {
        const OVERLOADED: TryAgain = TryAgain::Overloaded("too many downloads are under way");
        let deadline = Instant::now() + self.wait;
        let slot = timeout_at(deadline, self.slots.clone().acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(OVERLOADED) };
        let window = timeout_at(deadline, self.windows.take(window_bytes)).await.map_err(|_| OVERLOADED)??;
        Ok(Reader {
            downloads: self.clone(),
            _slot: slot,
            window_bytes,
            window: Some(window),
            deadline,
            turn_began: Instant::now(),
            turn_bytes: 0,
            takes_turns: true,
        })
    }
}

impl Queue {
    fn new(budget: BodyBudget) -> Self {
        Self { budget, first: Arc::default(), waiting: Arc::default() }
    }

    /// Only the first looks for room, and takes nothing before it has all: what others find free meanwhile is theirs.
    async fn take(&self, bytes: u64) -> Result<BodyPermit, TryAgain> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _counted = Waiting(&self.waiting);
        let _first = self.first.lock().await;
        self.budget.reserve_when_free(bytes).await
    }
}

/// One that waits; counted until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reader {
    /// Memory for an answer that is made in one piece, within the time that the place itself was waited for. Such a reader
    /// keeps its window to its end: holding the one while waiting for the other could go round in a circle.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] if there is none in time.
    pub async fn answer(&mut self, bytes: u64) -> Result<BodyPermit, TryAgain> {
        self.takes_turns = false;
        let answer = timeout_at(self.deadline, self.downloads.answers.take(bytes)).await;
        answer.map_err(|_| TryAgain::Overloaded("too many bytes of bodies are in flight"))?
    }

    /// Counts bytes that were read.
    pub fn count(&mut self, bytes: usize) {
        self.turn_bytes = self.turn_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Whether this reader has had its turn and another one waits: then it lets go of what it keeps in memory and calls
    /// [`wait`](Self::wait).
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.takes_turns
            && (self.turn_bytes >= TURN_BYTES || self.turn_began.elapsed() >= TURN_TIME)
            && self.downloads.windows.waiting.load(Ordering::Relaxed) > 0
    }

    /// Lets those who wait go first, until it is this reader's turn again.
    ///
    /// # Errors
    /// [`TryAgain::Overloaded`] if it does not come in time.
    pub async fn wait(&mut self) -> Result<(), TryAgain> {
        self.window = None;
        let window = timeout(self.downloads.turn_wait, self.downloads.windows.take(self.window_bytes)).await;
        self.window = Some(window.map_err(|_| TryAgain::Overloaded("too many downloads are under way"))??);
        (self.turn_began, self.turn_bytes) = (Instant::now(), 0);
        Ok(())
    }
}
