//! One column, from its holder or from whoever else has it.
//!
//! ```text
//! own cache --what it lacks--> holder: gives it, or names sharers --what they do not give--> holder: gives it
//! ```

use crate::cache::{CacheWriter, PieceCache};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::protocol::get::{GetError, SliceStream, request_of};
use crate::protocol::share::Shared;
use crate::scores::{Deed, Standing};
use crate::service::{Source, chain};
use parking_lot::Mutex;
use pieces::{PieceHash, VerifiedSlice};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

/// A reader that pauses for longer may lose its streams, and that is no fault of the holders.
const PAUSE: Duration = Duration::from_secs(5);
/// The speed of a holder is noted after so many bytes,
const MEASURED_BYTES: u64 = 1024 * 1024;
/// or after it was waited for so long.
const MEASURED_WAIT: Duration = Duration::from_millis(200);
/// How long a sharer is waited for, to answer and for each window. Shorter than anybody who waits for a holder calls that
/// slow, so that a sharer costs no holder its standing.
const SHARER_PATIENCE: Duration = Duration::from_secs(1);
/// A part of a piece that is shorter is not worth looking for elsewhere; a whole piece is, however short.
const SHARED_FROM_BYTES: u64 = 1024 * 1024;

pub(super) type Received = Result<VerifiedSlice, Broken>;

/// Why no more comes.
pub(super) struct Broken {
    pub(super) error: GetError,
    /// The reader had not taken anything for long.
    pub(super) after_pause: bool,
}

/// Since when the holder itself is waited for; none while somebody else is.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<Mutex<Option<Instant>>>);

impl Asked {
    /// How long the holder was waited for of the time since `since`.
    pub(super) fn waited(&self, since: Instant) -> Option<Duration> {
        self.0.lock().map(|asked| asked.max(since).elapsed())
    }

    fn set(&self, is_asked: bool) {
        *self.0.lock() = is_asked.then(Instant::now);
    }
}

/// What is to be read.
pub(super) struct Read {
    pub(super) holder: PeerTarget,
    pub(super) piece: PieceHash,
    pub(super) piece_bytes: u32,
    /// What has not come yet.
    pub(super) range: Range<u64>,
    pub(super) window_bytes: u32,
    pub(super) asked: Asked,
}

/// Whom a stream is from.
struct Giver<'a> {
    target: &'a PeerTarget,
    source: Source,
    /// How long to wait for each window; none leaves that to whoever waits for the column.
    patience: Option<Duration>,
}

/// How a stream ended.
enum Ended {
    /// Nothing is left to do: all came, or nobody wants it.
    Done,
    /// It broke off.
    Broke(Broken),
    /// It was waited for too long.
    Slow,
}

impl Read {
    /// Reads everything, and hands it over window by window.
    pub(super) async fn run(mut self, peer: &Peer, sender: &mpsc::Sender<Received>) {
        let cache = peer.service().and_then(|service| service.cache_of(&self.holder.peer_key)).cloned();
        if let Some(cache) = &cache
            && cache.has_some(&self.piece)
            && self.read_cached(peer, &peer.target(), Source::Own, &mut None, sender).await
        {
            return;
        }
        let mut writer = match cache {
            Some(cache) => self.writer(cache).await,
            None => None,
        };
        let slices = match self.ask(peer, writer.is_some()).await {
            Ok(Shared::Here(slices)) => Ok(slices),
            Ok(Shared::Elsewhere(sharers)) => {
                for sharer in &sharers {
                    if self.can_be_asked(peer, sharer)
                        && self.read_cached(peer, sharer, Source::Cached, &mut writer, sender).await
                    {
                        return;
                    }
                }
                self.asked.set(true);
                self.get(peer, &self.holder).await
            }
            Err(error) => Err(error),
        };
        let broken = match slices {
            Ok(slices) => {
                let holder = self.holder.clone();
                let from = Giver { target: &holder, source: Source::Committed, patience: None };
                match self.drain(peer, slices, &from, &mut writer, sender).await {
                    Ended::Broke(broken) => broken,
                    Ended::Done | Ended::Slow => return,
                }
            }
            Err(error) => Broken { error, after_pause: false },
        };
        drop(sender.send(Err(broken)).await);
    }

    /// Says to others that what is left will be here.
    async fn writer(&self, cache: Arc<PieceCache>) -> Option<CacheWriter> {
        let (piece, piece_bytes, range) = (self.piece, u64::from(self.piece_bytes), self.range.clone());
        spawn_blocking(move || cache.writer(piece, piece_bytes, range)).await.ok().flatten()
    }

    /// Asks the holder; with the offer to pass it on, if it is kept and worth it.
    async fn ask(&self, peer: &Peer, is_kept: bool) -> Result<Shared, GetError> {
        self.asked.set(true);
        let is_whole = self.range == (0..u64::from(self.piece_bytes));
        let is_long = self.range.end.saturating_sub(self.range.start) >= SHARED_FROM_BYTES;
        let addresses = if is_kept && (is_whole || is_long) { peer.shared_addresses() } else { Vec::new() };
        if !addresses.is_empty() {
            let request = request_of(self.piece, self.piece_bytes, self.range.clone(), self.window_bytes)?;
            match peer.share(&self.holder, request, addresses).await {
                // A holder of an earlier version.
                Err(GetError::Open { source: OpenError::NotSpoken { .. }, .. }) => {}
                Ok(Shared::Elsewhere(sharers)) => {
                    self.asked.set(false);
                    return Ok(Shared::Elsewhere(sharers));
                }
                shared => return shared,
            }
        }
        self.get(peer, &self.holder).await.map(Shared::Here)
    }

    async fn get(&self, peer: &Peer, target: &PeerTarget) -> Result<SliceStream, GetError> {
        peer.get_in_windows(target, self.piece, self.piece_bytes, self.range.clone(), self.window_bytes).await
    }

    fn can_be_asked(&self, peer: &Peer, sharer: &PeerTarget) -> bool {
        let (key, own) = (sharer.peer_key, peer.peer_key());
        key != own && key != self.holder.peer_key && peer.judged().standing(&key) == Standing::Good
    }

    /// Reads as much as there is in a cache. Whether nothing is left to do.
    async fn read_cached(
        &mut self,
        peer: &Peer,
        target: &PeerTarget,
        source: Source,
        writer: &mut Option<CacheWriter>,
        sender: &mpsc::Sender<Received>,
    ) -> bool {
        let asked = timeout(SHARER_PATIENCE, self.get(peer, target)).await;
        let ended = match asked {
            Ok(Ok(slices)) => {
                let from = Giver { target, source, patience: Some(SHARER_PATIENCE) };
                self.drain(peer, slices, &from, writer, sender).await
            }
            Ok(Err(error)) => Ended::Broke(Broken { error, after_pause: false }),
            Err(_) => Ended::Slow,
        };
        let error = match ended {
            Ended::Done => return true,
            Ended::Broke(Broken { error, .. }) => Some(error),
            Ended::Slow => None,
        };
        let reason = error.as_ref().map_or_else(|| "it took too long".to_owned(), |error| chain(error));
        debug!(piece = %self.piece, peer = %target, at = self.range.start, reason, "a cache gives no more");
        if source == Source::Cached
            && let Some(deed) = error.as_ref().and_then(deed_of_sharer)
        {
            peer.judged().note(target.peer_key, deed);
        }
        false
    }

    /// Hands over what comes on a stream, and keeps it.
    async fn drain(
        &mut self,
        peer: &Peer,
        mut slices: SliceStream,
        from: &Giver<'_>,
        writer: &mut Option<CacheWriter>,
        sender: &mpsc::Sender<Received>,
    ) -> Ended {
        let mut speed = Speed::default();
        let mut pause = Duration::ZERO;
        loop {
            let asked = Instant::now();
            let next = match from.patience {
                Some(patience) => timeout(patience, slices.next()).await,
                None => Ok(slices.next().await),
            };
            let slice = match next {
                Ok(Ok(Some(slice))) => slice,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Ended::Broke(Broken { error, after_pause: pause >= PAUSE }),
                Err(_) => return Ended::Slow,
            };
            speed.add(&slice, asked.elapsed());
            if speed.bytes >= MEASURED_BYTES || speed.waited >= MEASURED_WAIT {
                from.note(peer, std::mem::take(&mut speed));
            }
            self.take(peer, &slice, from.source, writer).await;
            let came = Instant::now();
            if sender.send(Ok(slice)).await.is_err() {
                return Ended::Done;
            }
            pause = came.elapsed();
        }
        if speed.bytes > 0 {
            from.note(peer, speed);
        }
        Ended::Done
    }

    /// Counts a slice, and keeps it as long as there is room.
    async fn take(&mut self, peer: &Peer, slice: &VerifiedSlice, source: Source, writer: &mut Option<CacheWriter>) {
        let Range { start, end } = slice.range();
        peer.reads().add(source, end.saturating_sub(start));
        self.range.start = end;
        if let Some(open) = writer
            && !open.keep(slice.clone()).await
        {
            *writer = None;
        }
    }
}

impl Giver<'_> {
    fn note(&self, peer: &Peer, speed: Speed) {
        if self.source != Source::Own {
            peer.judged().note(self.target.peer_key, speed.deed());
        }
    }
}

/// A sharer has promised nothing: it may have little of the piece, or stop at any time. But it may not lie, and who cannot
/// be reached is not asked for other pieces right away.
fn deed_of_sharer(error: &GetError) -> Option<Deed> {
    error.deed().filter(|deed| *deed == Deed::Lied || matches!(error, GetError::Open { .. }))
}

/// What came, and how long it was waited for.
#[derive(Default)]
struct Speed {
    bytes: u64,
    waited: Duration,
}

impl Speed {
    fn add(&mut self, slice: &VerifiedSlice, waited: Duration) {
        let range = slice.range();
        self.bytes += range.end.saturating_sub(range.start);
        self.waited += waited;
    }

    fn deed(self) -> Deed {
        Deed::Gave { bytes: self.bytes, waited: self.waited }
    }
}
