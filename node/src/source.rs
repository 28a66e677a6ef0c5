//! A segment of a spooled body as stripes, as often as they are wanted.

use std::io;

use bytes::Bytes;
use dsn::{StripeItem, StripeSource, StripeStream};
use futures::StreamExt;
use futures::future::BoxFuture;
use pieces::{ErasureCode, SegmentEncoder};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::spool::Spool;

/// Stripes coded ahead of those who send them.
const STRIPES_AHEAD: usize = 2;

/// One segment of a body.
#[derive(Clone, Debug)]
pub struct SpooledSegment {
    /// The body.
    pub spool: Spool,
    /// How it is coded.
    pub code: ErasureCode,
    /// Where the segment begins in the body.
    pub start: u64,
    /// Bytes of the segment.
    pub len: u64,
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
    fn send_all(&self, items: &mpsc::Sender<io::Result<StripeItem>>) -> io::Result<()> {
        let mut encoder = SegmentEncoder::new(self.code).map_err(io::Error::other)?;
        let stripe_bytes = self.code.stripe_bytes();
        let mut offset = 0u64;
        while self.len - offset >= stripe_bytes {
            let stripe = self.read(offset, stripe_bytes)?;
            let units = encoder.push_bytes(stripe).map_err(io::Error::other)?;
            if items.blocking_send(Ok(StripeItem::Stripe(units))).is_err() {
                return Ok(());
            }
            offset += stripe_bytes;
        }
        let rest = self.read(offset, self.len - offset)?;
        let (units, manifest) = encoder.finish(&rest).map_err(io::Error::other)?;
        let last = units.map(StripeItem::Stripe);
        for item in last.into_iter().chain([StripeItem::End(manifest)]) {
            if items.blocking_send(Ok(item)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, bytes: u64) -> io::Result<Bytes> {
        let mut stripe = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.spool.read_exact_at(&mut stripe, self.start + offset)?;
        Ok(stripe.into())
    }
}
