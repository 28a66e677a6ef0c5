//! Where a column's units come from: from the pass that feeds all columns, or from one of its own.

use super::{StripeItem, StripeSource, StripeStream};
use crate::net::Peer;
use bytes::Bytes;
use futures::StreamExt as _;
use pieces::PieceHash;
use std::io;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// Columns that a peer sends to spare slots at once, over all its uploads, each with a pass of its own.
pub const SPARE_PASSES_MAX: usize = 16;
/// Columns that go on by themselves at once because they are slow.
pub const SLOW_PASSES_MAX: usize = 8;

/// Bounds the passes of single columns: each keeps a few stripes in memory.
#[derive(Debug)]
pub(crate) struct Passes {
    spare: Semaphore,
    slow: Semaphore,
}

impl Passes {
    pub(crate) const fn new() -> Self {
        Self { spare: Semaphore::const_new(SPARE_PASSES_MAX), slow: Semaphore::const_new(SLOW_PASSES_MAX) }
    }
}

/// What a column is fed.
#[derive(Debug)]
pub(super) enum Part {
    /// The next unit.
    Unit(Bytes),
    /// All units have come; the piece's hash.
    End(PieceHash),
}

/// Why no more parts come.
#[derive(Debug)]
pub(super) enum Broken {
    /// The segment cannot be read.
    Source(io::Error),
    /// The source gave something that is no segment.
    Stripes(&'static str),
    /// The pass went on without this column, and there is no room for another.
    LeftBehind,
}

/// The parts of one column. Where the queue ends early, because the others do not wait any longer, it reads on by itself.
pub(super) struct Parts<'a> {
    peer: &'a Peer,
    source: &'a dyn StripeSource,
    index: u8,
    queue: Option<mpsc::Receiver<Part>>,
    /// Units handed out.
    taken: u64,
    was_fed: bool,
    own: Option<(StripeStream, SemaphorePermit<'a>)>,
}

impl<'a> Parts<'a> {
    pub(super) fn alone(peer: &'a Peer, source: &'a dyn StripeSource, index: u8) -> Self {
        Self { peer, source, index, queue: None, taken: 0, was_fed: false, own: None }
    }

    pub(super) fn fed(peer: &'a Peer, source: &'a dyn StripeSource, index: u8, queue: mpsc::Receiver<Part>) -> Self {
        Self { queue: Some(queue), was_fed: true, ..Self::alone(peer, source, index) }
    }

    pub(super) async fn next(&mut self) -> Result<Part, Broken> {
        if let Some(queue) = &mut self.queue {
            match queue.recv().await {
                Some(part) => {
                    self.taken += u64::from(matches!(part, Part::Unit(_)));
                    return Ok(part);
                }
                None => self.queue = None,
            }
        }
        let mut skipped = self.taken;
        if self.own.is_none() {
            self.own = Some(open(self.peer, self.source, self.was_fed).await?);
            skipped = 0;
        }
        let Some((stripes, _)) = &mut self.own else { return Err(Broken::LeftBehind) };
        while let Some(item) = stripes.next().await {
            match item.map_err(Broken::Source)? {
                StripeItem::Stripe(_) if skipped < self.taken => skipped += 1,
                StripeItem::Stripe(units) => {
                    self.taken += 1;
                    let unit = units.into_iter().nth(usize::from(self.index));
                    return unit.map(Part::Unit).ok_or(Broken::Stripes("a stripe of another number of units"));
                }
                StripeItem::End(manifest) => {
                    let hash = manifest.piece_hashes.get(usize::from(self.index));
                    return hash.copied().map(Part::End).ok_or(Broken::Stripes("another number of hashes"));
                }
            }
        }
        Err(Broken::Stripes("no end"))
    }

    /// Ends the column's own pass: somebody else may have its place.
    pub(super) fn close(&mut self) {
        self.own = None;
    }
}

/// A pass of its own from the first stripe. Whoever is slow does not wait for one, so that it is in nobody's way.
async fn open<'a>(
    peer: &'a Peer,
    source: &'a dyn StripeSource,
    is_slow: bool,
) -> Result<(StripeStream, SemaphorePermit<'a>), Broken> {
    let Passes { spare, slow } = peer.passes();
    let permit = if is_slow { slow.try_acquire().ok() } else { spare.acquire().await.ok() };
    let permit = permit.ok_or(Broken::LeftBehind)?;
    Ok((source.open().await.map_err(Broken::Source)?, permit))
}
