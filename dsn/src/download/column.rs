//! The columns that are being read.

use super::window::Windows;
use super::{PREFETCH_WINDOWS, Segment};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::protocol::get::GetError;
use crate::service::chain;
use dsn_messages::RefusalCode;
use pieces::{PieceHash, VerifiedSlice};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

type Received = Result<VerifiedSlice, GetError>;

/// A column that is being read.
struct Running {
    windows: mpsc::Receiver<Received>,
    /// Its share of the window that is being gathered.
    slice: Option<VerifiedSlice>,
    had_sent: bool,
    _task: AbortOnDropHandle<()>,
}

/// What happened while the window was being gathered.
pub(super) enum Waited {
    /// A column has given its share.
    Gathered,
    /// A column's stream broke.
    Broke { column: u8, had_sent: bool },
    /// A column's holder, or this peer, has no room for one more reader now.
    Busy { column: u8 },
    /// A column's holder is of no use.
    Dead { column: u8 },
    /// Nothing came for long.
    Late,
}

/// Reads columns, each in a task that ends when it is dropped here.
pub(super) struct Columns {
    peer: Peer,
    segment: Arc<Segment>,
    windows: Windows,
    running: BTreeMap<u8, Running>,
    /// Cleared when there is nobody left to ask as well.
    may_hedge: bool,
}

impl Columns {
    pub(super) fn new(peer: Peer, segment: Arc<Segment>, windows: Windows) -> Self {
        Self { peer, segment, windows, running: BTreeMap::new(), may_hedge: true }
    }

    /// Starts to read a column from a window on.
    pub(super) fn start(&mut self, column: u8, window: u64) {
        let holder = self.segment.holders.get(usize::from(column)).cloned().flatten();
        let piece = self.segment.manifest.piece_hashes.get(usize::from(column)).copied();
        let (sender, windows) = mpsc::channel(PREFETCH_WINDOWS);
        let (range, piece_bytes) = (self.windows.piece_range_from(window), self.windows.piece_bytes());
        let (peer, window_bytes) = (self.peer.clone(), self.windows.window_bytes());
        let task = tokio::spawn(async move {
            if let (Some(target), Some(piece)) = (holder, piece) {
                let read = Read { target, piece, piece_bytes, range, window_bytes };
                read.run(&peer, &sender).await;
            }
        });
        let running = Running { windows, slice: None, had_sent: false, _task: AbortOnDropHandle::new(task) };
        self.running.insert(column, running);
    }

    /// Columns that have given their share of the window.
    pub(super) fn gathered(&self) -> usize {
        self.running.values().filter(|running| running.slice.is_some()).count()
    }

    /// Columns that have not.
    pub(super) fn late(&self) -> usize {
        self.running.len() - self.gathered()
    }

    /// Waits until something happens, or nothing does for `hedge_after`.
    pub(super) async fn wait(&mut self, hedge_after: Option<Duration>) -> Waited {
        let may_hedge = self.may_hedge;
        let next = poll_fn(|cx| self.poll_next(cx));
        let received = match hedge_after {
            Some(limit) if may_hedge => timeout(limit, next).await.ok(),
            _ => Some(next.await),
        };
        match received {
            None => Waited::Late,
            Some((column, Some(Ok(slice)))) => {
                if let Some(running) = self.running.get_mut(&column) {
                    running.slice = Some(slice);
                    running.had_sent = true;
                }
                Waited::Gathered
            }
            Some((column, Some(Err(error)))) => self.fail(column, Some(&error)),
            Some((column, None)) => self.fail(column, None),
        }
    }

    /// There is nobody else to ask.
    pub(super) fn no_more_hedges(&mut self) {
        self.may_hedge = false;
    }

    /// The shares of the window, and on to the next.
    pub(super) fn take(&mut self) -> Vec<(u8, VerifiedSlice)> {
        let shares = self.running.iter_mut().filter_map(|(column, running)| Some((*column, running.slice.take()?)));
        shares.collect()
    }

    /// Ends the columns that have not given their share.
    pub(super) fn stop_late(&mut self) -> Vec<u8> {
        let late = self.running.iter().filter(|(_, running)| running.slice.is_none());
        let late: Vec<u8> = late.map(|(column, _)| *column).collect();
        late.iter().for_each(|column| drop(self.running.remove(column)));
        late
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

    fn fail(&mut self, column: u8, error: Option<&GetError>) -> Waited {
        let had_sent = self.running.remove(&column).is_some_and(|running| running.had_sent);
        let holder = self.segment.holders.get(usize::from(column)).and_then(Option::as_ref);
        let holder = holder.map(ToString::to_string).unwrap_or_default();
        let why = error.map_or_else(|| "it ended too early".to_owned(), |error| chain(error));
        warn!(segment = self.segment.segment, column, holder, why, "cannot read a piece from its holder");
        match error {
            Some(GetError::Wire { .. } | GetError::Timeout { .. }) => Waited::Broke { column, had_sent },
            Some(GetError::Open { source: OpenError::Busy | OpenError::Stopped, .. }) => Waited::Busy { column },
            Some(GetError::Refused { refusal, .. }) if refusal.code == RefusalCode::Busy => Waited::Busy { column },
            _ => Waited::Dead { column },
        }
    }
}

/// What is asked of one holder.
struct Read {
    target: PeerTarget,
    piece: PieceHash,
    piece_bytes: u32,
    range: Range<u64>,
    window_bytes: u32,
}

impl Read {
    async fn run(self, peer: &Peer, sender: &mpsc::Sender<Received>) {
        let Self { target, piece, piece_bytes, range, window_bytes } = self;
        let mut slices = match peer.get_in_windows(&target, piece, piece_bytes, range, window_bytes).await {
            Ok(slices) => slices,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        loop {
            let received = match slices.next().await {
                Ok(Some(slice)) => Ok(slice),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            let is_last = received.is_err();
            if sender.send(received).await.is_err() || is_last {
                return;
            }
        }
    }
}
