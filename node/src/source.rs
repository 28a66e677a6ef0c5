//! A segment of a spooled body as stripes, as often as they are wanted.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use dsn::{StripeItem, StripeSource, StripeStream};
use futures::StreamExt;
use futures::future::BoxFuture;
use pieces::{ErasureCode, SegmentEncoder, SegmentManifest, Spares};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::spool::Body;

/// Stripes coded ahead of those who send them.
const STRIPES_AHEAD: usize = 2;

/// One segment of a body.
#[derive(Clone, Debug)]
pub struct SpooledSegment {
    /// The body.
    pub body: Arc<Body>,
    /// How it is coded.
    pub code: ErasureCode,
    /// Where the segment begins in the body.
    pub start: u64,
    /// Bytes of the segment.
    pub len: u64,
    /// The hasher of the bytes that come before the segment.
    pub before: blake3::Hasher,
    /// The same after the segment, once it has been read to its end.
    pub behind: Arc<OnceLock<blake3::Hasher>>,
}

impl StripeSource for SpooledSegment {
    fn open(&self) -> BoxFuture<'_, io::Result<StripeStream>> {
        let segment = self.clone();
        Box::pin(async move {
            let (sender, items) = mpsc::channel(STRIPES_AHEAD);
            // Reading and coding block; the channel's end tells the task when nobody wants more.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = segment.send_all(&sender) {
                    sender.blocking_send(Err(error)).ok();
                }
            });
            Ok(ReceiverStream::new(items).boxed())
        })
    }
}

impl SpooledSegment {
    /// A segment whose bytes need not be checked again.
    pub fn new(body: Arc<Body>, code: ErasureCode, start: u64, len: u64) -> Self {
        Self { body, code, start, len, before: blake3::Hasher::new(), behind: Arc::default() }
    }

    /// Length and hashes of the segment, computed and not sent.
    pub async fn manifest(&self) -> io::Result<SegmentManifest> {
        let mut items = self.open().await?;
        while let Some(item) = items.next().await {
            if let StripeItem::End(manifest) = item? {
                return Ok(manifest);
            }
        }
        Err(io::Error::other("the coding of a segment broke off"))
    }

    fn send_all(&self, items: &mpsc::Sender<io::Result<StripeItem>>) -> io::Result<()> {
        let mut hasher = self.before.clone();
        let mut encoder = SegmentEncoder::new(self.code).map_err(io::Error::other)?;
        let stripe_bytes = self.code.stripe_bytes();
        let mut offset = 0u64;
        let mut spares = Spares::default();
        while self.len - offset >= stripe_bytes {
            let stripe = self.read(offset, stripe_bytes, &mut spares)?;
            hasher.update(&stripe);
            let units = encoder.push_bytes(stripe).map_err(io::Error::other)?;
            if items.blocking_send(Ok(StripeItem::Stripe(units))).is_err() {
                return Ok(());
            }
            offset += stripe_bytes;
        }
        let rest = self.read(offset, self.len - offset, &mut spares)?;
        hasher.update(&rest);
        // Every pass reads the same.
        self.behind.set(hasher).ok();
        let (units, manifest) = encoder.finish(&rest).map_err(io::Error::other)?;
        let last = units.map(StripeItem::Stripe);
        for item in last.into_iter().chain([StripeItem::End(manifest)]) {
            if items.blocking_send(Ok(item)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, bytes: u64, spares: &mut Spares) -> io::Result<Bytes> {
        let mut stripe = spares.take(usize::try_from(bytes).map_err(io::Error::other)?);
        self.body.read_exact_at(&mut stripe, self.start + offset)?;
        Ok(spares.freeze(stripe))
    }
}
