//! The columns that are being read.

use super::read::{Asked, Broken, Read, Received};
use super::window::Windows;
use super::{Holder, PREFETCH_WINDOWS, Segment};
use crate::net::{OpenError, Peer};
use crate::protocol::get::GetError;
use crate::scores::Deed;
use crate::service::chain;
use dsn_messages::RefusalCode;
use pieces::VerifiedSlice;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// A holder that another one was faster than is called slow if it was waited for this long: it may have been asked last.
const SLOW_AFTER: Duration = Duration::from_millis(1_500);

/// A column that is being read.
struct Running {
    windows: mpsc::Receiver<Received>,
    /// Its share of the window that is being gathered.
    slice: Option<VerifiedSlice>,
    had_sent: bool,
    /// Since when it is waited for.
    since: Instant,
    asked: Asked,
    _task: AbortOnDropHandle<()>,
}

/// What happened while the window was being gathered.
pub(super) enum Waited {
    /// A column has given its share.
    Gathered { column: u8 },
    /// A column's stream broke.
    Broke { column: u8, had_sent: bool },
    /// A column's holder, or this peer, has no room for one more reader now.
    Busy { column: u8 },
    /// A column's holder is of no use.
    Dead { column: u8 },
    /// Nothing came until the time that was given.
    Late,
}

/// Reads columns, each in a task that ends when it is dropped here.
pub(super) struct Columns {
    peer: Peer,
    segment: Arc<Segment>,
    windows: Windows,
    running: BTreeMap<u8, Running>,
}

impl Columns {
    pub(super) fn new(peer: Peer, segment: Arc<Segment>, windows: Windows) -> Self {
        Self { peer, segment, windows, running: BTreeMap::new() }
    }

    /// Starts to read a column from a window on.
    pub(super) fn start(&mut self, column: u8, window: u64) {
        let holder = self.holder(column).cloned();
        let piece = self.segment.manifest.piece_hashes.get(usize::from(column)).copied();
        let (sender, windows) = mpsc::channel(PREFETCH_WINDOWS);
        let (range, piece_bytes) = (self.windows.piece_range_from(window), self.windows.piece_bytes());
        let (peer, window_bytes) = (self.peer.clone(), self.windows.window_bytes());
        let asked = Asked::default();
        let of_task = asked.clone();
        let task = tokio::spawn(async move {
            if let (Some(Holder { target, .. }), Some(piece)) = (holder, piece) {
                let read = Read { holder: target, piece, piece_bytes, range, window_bytes, asked: of_task };
                read.run(&peer, &sender).await;
            }
        });
        let (since, task) = (Instant::now(), AbortOnDropHandle::new(task));
        let running = Running { windows, slice: None, had_sent: false, since, asked, _task: task };
        self.running.insert(column, running);
    }

    /// Columns that have given their share of the window.
    pub(super) fn gathered(&self) -> usize {
        self.running.values().filter(|running| running.slice.is_some()).count()
    }

    /// Columns that are being read.
    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Columns that have not given their share.
    pub(super) fn late(&self) -> Vec<u8> {
        self.running.iter().filter(|(_, running)| running.slice.is_none()).map(|(column, _)| *column).collect()
    }

    /// The one of them that is waited for longest.
    pub(super) fn longest_late(&self) -> Option<u8> {
        let late = self.running.iter().filter(|(_, running)| running.slice.is_none());
        late.min_by_key(|(_, running)| running.since).map(|(column, _)| *column)
    }

    /// Waits until something happens, or nothing does until `limit`.
    pub(super) async fn wait(&mut self, limit: Option<Instant>) -> Waited {
        let next = poll_fn(|cx| self.poll_next(cx));
        let received = match limit {
            Some(limit) => timeout_at(limit.into(), next).await.ok(),
            None => Some(next.await),
        };
        match received {
            None => Waited::Late,
            Some((column, Some(Ok(slice)))) => {
                if let Some(running) = self.running.get_mut(&column) {
                    running.slice = Some(slice);
                    running.had_sent = true;
                }
                Waited::Gathered { column }
            }
            Some((column, Some(Err(broken)))) => self.fail(column, Some(&broken)),
            Some((column, None)) => self.fail(column, None),
        }
    }

    /// The shares of the window, and on to the next.
    pub(super) fn take(&mut self) -> Vec<(u8, VerifiedSlice)> {
        let now = Instant::now();
        let shares = self.running.iter_mut().filter_map(|(column, running)| {
            running.since = now;
            Some((*column, running.slice.take()?))
        });
        shares.collect()
    }

    /// Ends the columns that have not given their share.
    pub(super) fn stop_late(&mut self) -> Vec<u8> {
        let late = self.late();
        for column in &late {
            let waited = self.running.get(column).and_then(|running| running.asked.waited(running.since));
            if waited.is_none_or(|waited| waited < SLOW_AFTER) {
                self.running.remove(column);
            } else {
                self.stop_slow(*column);
            }
        }
        late
    }

    /// Ends a column whose holder is slow.
    pub(super) fn stop_slow(&mut self, column: u8) {
        let Some(running) = self.running.remove(&column) else { return };
        // Whoever else was to bring the piece, the holder is not to blame for.
        let (Some(waited), Some(holder)) = (running.asked.waited(running.since), self.holder(column)) else { return };
        let (Segment { file, segment, .. }, Holder { provider, target }) = (&*self.segment, holder);
        let reason = format!("the others waited {:.1} s for it", waited.as_secs_f64());
        warn!(%file, segment, column, %provider, peer = %target, reason, "a holder is slow, reading from another");
        self.peer.judged().note(target.peer_key, Deed::Slow);
    }

    /// Ends all columns.
    pub(super) fn stop_all(&mut self) {
        self.running.clear();
    }

    /// The next thing from any column that has not given its share.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(u8, Option<Received>)> {
        for (column, running) in &mut self.running {
            if running.slice.is_none()
                && let Poll::Ready(received) = running.windows.poll_recv(cx)
            {
                return Poll::Ready((*column, received));
            }
        }
        Poll::Pending
    }

    fn holder(&self, column: u8) -> Option<&Holder> {
        self.segment.holders.get(usize::from(column)).and_then(Option::as_ref)
    }

    fn fail(&mut self, column: u8, broken: Option<&Broken>) -> Waited {
        let had_sent = self.running.remove(&column).is_some_and(|running| running.had_sent);
        let error = broken.map(|broken| &broken.error);
        if let Some(Holder { provider, target }) = self.holder(column) {
            let Segment { file, segment, .. } = &*self.segment;
            let reason = error.map_or_else(|| "it ended too early".to_owned(), |error| chain(error));
            warn!(%file, segment, column, %provider, peer = %target, reason, "cannot read a piece from its holder");
            let deed = broken.filter(|broken| !broken.after_pause || broken.error.is_lie());
            if let Some(deed) = deed.and_then(|broken| broken.error.deed()) {
                self.peer.judged().note(target.peer_key, deed);
            }
        }
        match error {
            Some(GetError::Wire { source, .. }) if source.deed() == Deed::Lied => Waited::Dead { column },
            Some(GetError::Wire { .. } | GetError::Timeout { .. }) => Waited::Broke { column, had_sent },
            Some(GetError::Open { source: OpenError::Busy | OpenError::Stopped, .. }) => Waited::Busy { column },
            Some(GetError::Refused { refusal, .. }) if refusal.code == RefusalCode::Busy => Waited::Busy { column },
            _ => Waited::Dead { column },
        }
    }
}
