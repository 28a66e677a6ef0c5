//! A segment from any `k` of its `n` holders.
//!
//! ```text
//! holder of column 0 --windows--+
//! holder of column 1 --windows--+--> k windows of the same stripes --decode--> stripes, in order
//! ..                            |
//! a parity column takes over where a holder fails, lies, or is slow
//! ```
//!
//! Every window was verified before it is here. At most [`PREFETCH_WINDOWS`] windows wait for each of the `k` columns;
//! whoever does not read on stops the holders. Dropping a [`Stripes`] ends everything at once.
//!
//! A peer with a [cache](crate::cache) keeps what it reads, and reads there first what it has. To the holders it says
//! that it will pass on what they give; a holder of a piece that many want names others who have it, and where those do
//! not give it at once, the holder is asked again.

mod column;
mod plan;
mod read;
mod window;

use crate::net::{Peer, PeerTarget};
use crate::pace::Pace;
use bytes::Bytes;
use column::{Columns, Waited};
use futures::stream::{self, BoxStream, StreamExt as _};
use pieces::{DecodeError, ErasureCode, FileId, SegmentDecoder, SegmentManifest, SliceError};
use plan::{DownloadPlan, Short};
use runtime::crypto::AccountId;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use window::{Windows, decode, stripes_per_window};

/// Verified windows that wait for each column, beside the one that is being received.
pub const PREFETCH_WINDOWS: usize = 1;
/// Bytes of a window in all `k` columns together, if each gets at least [`READ_WINDOW_BYTES_MIN`]. Small, because every
/// reader keeps a few of them; the transport keeps the holders sending meanwhile.
pub const READ_WINDOWS_BYTES: u32 = 256 * 1024;
/// Bytes of a window in each piece at least, or one unit if that is more.
pub const READ_WINDOW_BYTES_MIN: u32 = 64 * 1024;
/// What the transport takes in of each column before anybody reads it: yamux lets a sender go so far ahead at first.
const RECEIVED_AHEAD_BYTES: u64 = 256 * 1024;
/// Columns that are read beyond those that are needed, because some of these say nothing.
pub const HEDGES_MAX: usize = 2;
/// How long nothing has to come before others are asked too.
pub const HEDGE_AFTER: Duration = Duration::from_secs(2);

/// Bytes that reading a file of this code keeps in memory at most, however slowly it is read.
pub fn read_bytes_max(code: &ErasureCode) -> u64 {
    /// The encoded window, the one that waits for the queue, and the one that is decoded and handed out.
    const IN_HAND: u64 = 3;
    let window = u64::from(stripes_per_window(code)) * u64::from(code.unit_bytes);
    let queued = u64::try_from(PREFETCH_WINDOWS).unwrap_or(u64::MAX);
    let column = RECEIVED_AHEAD_BYTES.saturating_add(window.saturating_mul(queued.saturating_add(IN_HAND)));
    // A column that is read because another is slow replaces it; until then one of the two has not sent a window.
    let hedges = u64::try_from(HEDGES_MAX).unwrap_or(u64::MAX).saturating_mul(window);
    column.saturating_mul(code.k.into()).saturating_add(hedges)
}

/// Who holds a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its account, for logs.
    pub provider: AccountId,
    /// Where it is.
    pub target: PeerTarget,
}

/// Where a segment is.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The file, for logs.
    pub file: FileId,
    /// Segment of the file, from 0: for errors and logs.
    pub segment: u16,
    /// How it is coded.
    pub code: ErasureCode,
    /// Its length and the hashes of its pieces.
    pub manifest: SegmentManifest,
    /// Who holds each piece, in the order of columns; none where it is lost. Shorter counts as lost.
    pub holders: Vec<Option<Holder>>,
}

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// Too few pieces can be had.
    #[error("segment {segment}: {live} pieces can be had, {needed} are needed")]
    NotEnough {
        /// The segment.
        segment: u16,
        /// Pieces that may still be had.
        live: usize,
        /// Pieces needed.
        needed: usize,
    },
    /// There are enough pieces, but their holders or this peer have no room for one more reader now.
    #[error("segment {segment}: its holders have no room for one more reader now")]
    Busy {
        /// The segment.
        segment: u16,
    },
    /// No such stripes, or not a segment coded so.
    #[error("segment {segment}: stripes {start}..{end} of {count} cannot be read")]
    Stripes {
        /// The segment.
        segment: u16,
        /// First stripe.
        start: u64,
        /// Behind the last stripe.
        end: u64,
        /// Stripes there are.
        count: u64,
    },
    /// The windows do not hold the units: the manifest is not of these pieces.
    #[error("segment {segment}: the pieces are not of its size")]
    Units {
        /// The segment.
        segment: u16,
        /// What does not fit.
        #[source]
        source: SliceError,
    },
    /// The units are right, but were encoded wrong.
    #[error("segment {segment}: cannot decode it")]
    Decode {
        /// The segment.
        segment: u16,
        /// Why not.
        #[source]
        source: DecodeError,
    },
    /// Decoding panicked.
    #[error("segment {segment}: decoding broke off")]
    Broken {
        /// The segment.
        segment: u16,
    },
}

/// The file bytes of the stripes that were asked for, in order, in parts of at most a unit. Ends after an error.
pub type Stripes = BoxStream<'static, Result<Bytes, DownloadError>>;

/// Reads one segment; what it learns about holders serves the next range too.
#[derive(Debug)]
pub struct SegmentReader {
    peer: Peer,
    segment: Arc<Segment>,
    decoder: Arc<SegmentDecoder>,
}

impl SegmentReader {
    /// A reader of `segment`. Asks nobody yet.
    ///
    /// # Errors
    /// The code is not possible.
    pub fn new(peer: Peer, segment: Segment) -> Result<Self, DownloadError> {
        let decoder = SegmentDecoder::for_segment(segment.code, &segment.manifest)
            .map_err(|source| DownloadError::Decode { segment: segment.segment, source })?;
        Ok(Self { peer, segment: Arc::new(segment), decoder: Arc::new(decoder) })
    }

    /// Reads the stripes `stripes`. Starts when it is polled for the first time.
    ///
    /// # Errors
    /// There are no such stripes.
    pub fn stripes(&self, stripes: Range<u64>) -> Result<Stripes, DownloadError> {
        let windows = Windows::new(&self.segment, stripes)?;
        let known = (0..self.segment.code.n).map(|column| {
            let column = usize::from(column);
            self.segment.manifest.piece_hashes.get(column).is_some()
                && self.segment.holders.get(column).is_some_and(Option::is_some)
        });
        let reading = Reading {
            plan: DownloadPlan::new(self.segment.code.k, known).in_order(&self.order()),
            pace: Pace::new(Instant::now()),
            columns: Columns::new(self.peer.clone(), Arc::clone(&self.segment), windows.clone()),
            decoder: Arc::clone(&self.decoder),
            segment: Arc::clone(&self.segment),
            windows,
            next_window: 0,
            ready: VecDeque::new(),
            ended: false,
        };
        let next = |mut reading: Reading| async move { Some((reading.next().await?, reading)) };
        Ok(stream::unfold(reading, next).boxed())
    }

    /// The columns, those with the best holders first.
    fn order(&self) -> Vec<usize> {
        let holder = |column| self.segment.holders.get(usize::from(column)).and_then(Option::as_ref);
        let holders = (0..self.segment.code.n).map(holder);
        self.peer.judged().order(holders.map(|holder| holder.map(|holder| &holder.target.peer_key)))
    }
}

/// A range that is being read.
struct Reading {
    plan: DownloadPlan,
    pace: Pace,
    columns: Columns,
    decoder: Arc<SegmentDecoder>,
    segment: Arc<Segment>,
    windows: Windows,
    next_window: u64,
    /// Decoded stripes of the last window.
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Bytes, DownloadError>> {
        if self.ready.is_empty() && !self.ended {
            match self.read_window().await {
                Ok(Some(stripes)) => self.ready = stripes.into(),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    self.columns.stop_all();
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }

    /// The stripes of the next window, or none behind the last.
    async fn read_window(&mut self) -> Result<Option<Vec<Bytes>>, DownloadError> {
        let window = self.next_window;
        let Some(stripes) = self.windows.stripes(window) else {
            self.columns.stop_all();
            return Ok(None);
        };
        self.plan.next_window();
        self.gather(window).await?;
        let slices = self.columns.take();
        self.next_window += 1;
        let (segment, decoder) = (Arc::clone(&self.segment), Arc::clone(&self.decoder));
        let number = segment.segment;
        if slices.iter().all(|(column, _)| *column < segment.code.k) {
            // Nothing has to be computed.
            return decode(&segment, &decoder, stripes, slices).map(Some);
        }
        let decoded = tokio::task::spawn_blocking(move || decode(&segment, &decoder, stripes, slices)).await;
        decoded.map_err(|_| DownloadError::Broken { segment: number })?.map(Some)
    }

    /// Waits until `k` columns have given the window, and sees to it that as many are being read.
    async fn gather(&mut self, window: u64) -> Result<(), DownloadError> {
        let needed = usize::from(self.segment.code.k);
        self.pace.step(needed);
        loop {
            let segment = self.segment.segment;
            let started = self.plan.start().map_err(|short| match short {
                Short::Lost => DownloadError::NotEnough { segment, live: self.plan.live(), needed },
                Short::Busy => DownloadError::Busy { segment },
            })?;
            started.into_iter().for_each(|column| self.columns.start(column, window));
            if self.columns.gathered() >= needed {
                // Only a window that was hedged has columns left over.
                self.columns.stop_late().into_iter().for_each(|column| self.plan.slow(column));
                return Ok(());
            }
            let hedge_at = Instant::now() + HEDGE_AFTER;
            let limit = self.plan.has_ready().then(|| hedge_at.min(self.pace.judges_at()));
            match self.columns.wait(limit).await {
                Waited::Gathered { column } => self.pace.ready(column, Instant::now()),
                Waited::Broke { column, had_sent } => self.plan.broke(column, had_sent),
                Waited::Busy { column } => self.plan.busy(column),
                Waited::Dead { column } => self.plan.dead(column),
                Waited::Late if Instant::now() < hedge_at => self.replace_slow(window),
                Waited::Late => self.hedge(window, needed),
            }
        }
    }

    /// Has others read what those lack that the rest has waited for too long.
    fn replace_slow(&mut self, window: u64) {
        let late = self.columns.late();
        for column in self.pace.judge(late.iter().copied(), Instant::now()) {
            if late.contains(&column)
                && let Some(other) = self.plan.hedge()
            {
                self.columns.stop_slow(column);
                self.plan.slow(column);
                self.columns.start(other, window);
            }
        }
    }

    /// Nothing came for long: one more is asked, in the place of the one that says nothing for longest if there are
    /// many already.
    fn hedge(&mut self, window: u64, needed: usize) {
        let Some(other) = self.plan.hedge() else { return };
        if self.columns.count() >= needed + HEDGES_MAX
            && let Some(silent) = self.columns.longest_late()
        {
            self.columns.stop_slow(silent);
            self.plan.slow(silent);
        }
        self.columns.start(other, window);
    }
}
