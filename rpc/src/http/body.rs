//! Bodies in both directions: counted on the way in, held to their length on the way out.

use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderMap;
use axum::http::header::EXPECT;
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::error::{ApiError, TryAgain};
use crate::limits::BodyPermit;
use crate::ports::ByteStream;
use crate::stopping::Stopping;

/// What is read and thrown away of a body that is not wanted, so that the client gets to read why.
const DRAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// The same once the server stops.
const DRAIN_TIME_STOPPING: Duration = Duration::from_millis(500);

/// Limits of one upload.
pub(super) struct Intake {
    /// The largest body in bytes.
    pub limit: u64,
    /// The next bytes arrive within this long.
    pub idle: Duration,
    /// Bytes a second, over each `idle` that was waited for them.
    pub rate: u32,
    /// Held until the body ends.
    pub counted: BodyPermit,
}

/// The body as a stream that ends with an error when it grows beyond the limit, stalls, trickles or breaks off, and a
/// receiver that resolves when the stream has ended or was dropped.
pub(super) fn incoming(source: Source, intake: Intake) -> (ByteStream, oneshot::Receiver<()>) {
    let (ended, until_ended) = oneshot::channel();
    let Intake { limit, idle, rate, counted } = intake;
    let pace = Pace { per: idle, rate, waited: Duration::ZERO, brought: 0 };
    let state = Reading { source, pace, received: 0, _ended: ended, _counted: counted };
    let stream = stream::try_unfold(state, move |mut state| async move {
        let asked = Instant::now();
        let Some(chunk) = state.source.next(idle).await? else { return Ok(None) };
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        state.pace.keep(asked.elapsed(), bytes)?;
        state.received = state.received.saturating_add(bytes);
        if state.received > limit {
            return Err(ApiError::TooLarge { what: "the file", limit });
        }
        Ok(Some((chunk, state)))
    });
    (stream.boxed(), until_ended)
}

struct Reading {
    source: Source,
    pace: Pace,
    received: u64,
    _ended: oneshot::Sender<()>,
    _counted: BodyPermit,
}

/// How fast a body comes while it is waited for.
struct Pace {
    per: Duration,
    rate: u32,
    waited: Duration,
    brought: u64,
}

impl Pace {
    /// `bytes` came after `waited`.
    fn keep(&mut self, waited: Duration, bytes: u64) -> Result<(), ApiError> {
        self.waited = self.waited.saturating_add(waited);
        self.brought = self.brought.saturating_add(bytes);
        if self.waited < self.per {
            return Ok(());
        }
        let least = self.waited.as_millis().saturating_mul(self.rate.into()) / 1000;
        if u128::from(self.brought) < least {
            return Err(ApiError::BadParams(format!("the body came with fewer than {} bytes a second", self.rate)));
        }
        (self.waited, self.brought) = (Duration::ZERO, 0);
        Ok(())
    }
}

/// A body; dropped before its end, some more of it is read in the background. Otherwise the kernel would answer the
/// client's next bytes with a reset, which can overtake the response.
pub(crate) struct Source {
    stream: Option<BodyDataStream>,
    drain: bool,
    stopping: Stopping,
}

impl Source {
    /// The body of a request with these headers.
    pub(crate) fn new(body: Body, headers: &HeaderMap, stopping: Stopping) -> Self {
        // A client that waits for `100 Continue` has sent nothing yet.
        Self { stream: Some(body.into_data_stream()), drain: !headers.contains_key(EXPECT), stopping }
    }

    /// The next bytes, if there are any within `idle`. A server that stops does not wait for them.
    pub(crate) async fn next(&mut self, idle: Duration) -> Result<Option<Bytes>, ApiError> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        // Whoever asks for bytes makes the client send them.
        self.drain = true;
        let next = tokio::select! {
            biased;
            () = self.stopping.wait() => return Err(TryAgain::Stopping.into()),
            next = timeout(idle, stream.next()) => next,
        };
        let Ok(next) = next else {
            self.stream = None;
            return Err(ApiError::BadParams(format!("the body did not go on within {} s", idle.as_secs())));
        };
        match next {
            Some(Ok(chunk)) => Ok(Some(chunk)),
            Some(Err(error)) => {
                self.stream = None;
                Err(ApiError::BadParams(format!("the body broke off: {error}")))
            }
            None => {
                self.stream = None;
                Ok(None)
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let (Some(stream), true) = (self.stream.take(), self.drain)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(drain(stream, self.stopping.clone()));
        }
    }
}

async fn drain(mut stream: BodyDataStream, mut stopping: Stopping) {
    let read = async {
        let mut left = DRAIN_BYTES_MAX;
        while let Some(Ok(chunk)) = stream.next().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    let stopped = async {
        stopping.wait().await;
        sleep(DRAIN_TIME_STOPPING).await;
    };
    tokio::select! { () = read => {}, () = sleep(DRAIN_TIME) => {}, () = stopped => {} }
}

/// A body of exactly `length` bytes from a stream: any error, too few bytes or too many end the connection, so that the
/// client cannot take a part for the whole.
pub(super) fn outgoing(stream: ByteStream, length: u64) -> Body {
    Body::from_stream(exactly(stream, length))
}

/// The last bytes are held back until the stream has ended well: once a client has as many bytes as were announced, an
/// error behind them (the file's hash is known only then) would reach nobody.
fn exactly(stream: ByteStream, length: u64) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    stream::try_unfold((stream, length), |(mut stream, left)| async move {
        let Some(chunk) = next(&mut stream).await? else {
            return if left == 0 { Ok(None) } else { Err(wrong_length(left)) };
        };
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let left = left.checked_sub(bytes).ok_or_else(|| wrong_length(left))?;
        if left == 0 && next(&mut stream).await?.is_some() {
            return Err(wrong_length(left));
        }
        Ok(Some((chunk, (stream, left))))
    })
}

/// The next bytes that are not none.
async fn next(stream: &mut ByteStream) -> Result<Option<Bytes>, BrokenOff> {
    loop {
        match stream.try_next().await {
            Ok(Some(chunk)) if chunk.is_empty() => {}
            Ok(chunk) => return Ok(chunk),
            Err(error) => {
                // An internal error is logged with its causes here.
                let error = error.into_object();
                tracing::warn!(code = error.code(), message = error.message(), "a download broke off");
                return Err(BrokenOff);
            }
        }
    }
}

fn wrong_length(left_bytes: u64) -> BrokenOff {
    tracing::error!(left_bytes, "a download had another length than its file");
    BrokenOff
}

/// Ends a body early; the client sees the connection close.
#[derive(Debug, thiserror::Error)]
#[error("the download broke off")]
struct BrokenOff;
