//! Bytes and messages on a stream, with a limit on every length and every wait.

mod near;

pub(crate) use near::Near;

use crate::scores::Deed;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use dsn_messages::{FrameError, FrameReader, Message, frame};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// Bytes written to a stream at a time, so that a slow peer that still reads is not taken for a dead one.
const WRITE_BYTES: usize = 64 * 1024;

/// Why a stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The peer neither sent nor took anything for too long.
    #[error("the peer did nothing for {seconds} s")]
    Idle {
        /// How long it was waited.
        seconds: u64,
    },
    /// The peer closed the stream where more was expected.
    #[error("the peer closed the stream")]
    Closed,
    /// Not a message, or too long for one.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] io::Error),
}

impl WireError {
    /// What it says about the peer: that it fell silent, or that it does not keep to the protocol.
    pub fn deed(&self) -> Deed {
        match self {
            Self::Idle { .. } | Self::Closed | Self::Io(_) => Deed::Failed,
            Self::Frame(_) => Deed::Lied,
        }
    }

    fn of_io(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::WriteZero => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Reads and writes.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a stream goes over.
pub(crate) enum Way {
    /// A connection.
    Far(Box<dyn Duplex>),
    /// The memory of this process.
    Near(Near),
}

/// One end of a stream.
pub(crate) struct Wire {
    way: Way,
    idle: Duration,
    /// Counts the stream among those with its peer as long as it lives.
    _permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    pub(crate) fn new(way: Way, idle: Duration) -> Self {
        Self { way, idle, _permit: None }
    }

    pub(crate) fn with_permit(self, permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Some(permit), ..self }
    }

    /// Waits longer, or less long, for the peer from now on.
    pub(crate) fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// Writes a frame and flushes.
    pub(crate) async fn send<M: Message>(&mut self, message: &M) -> Result<(), WireError> {
        self.write_all(&frame(message)).await?;
        self.flush().await
    }

    /// Reads a frame.
    pub(crate) async fn receive<M: Message>(&mut self) -> Result<M, WireError> {
        let mut frame = FrameReader::default();
        loop {
            let read = self.read(frame.wanted()).await?;
            if let Some(message) = frame.advance(read)? {
                return Ok(message);
            }
        }
    }

    /// Writes a request and reads the answer. A peer without room answers before it has read the request, and may have
    /// closed the stream by the time that it is written.
    pub(crate) async fn ask<Q: Message, A: Message>(&mut self, request: &Q) -> Result<A, WireError> {
        match self.send(request).await {
            Ok(()) => self.receive().await,
            Err(error @ WireError::Idle { .. }) => Err(error),
            Err(error) => self.receive().await.map_err(|_| error),
        }
    }

    pub(crate) async fn read_u32(&mut self) -> Result<u32, WireError> {
        let mut bytes = [0; 4];
        self.read_exact(&mut bytes).await?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Reads at least one byte into `buffer`, which is not empty.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, WireError> {
        let reading = async {
            match &mut self.way {
                Way::Far(io) => io.read(buffer).await,
                Way::Near(near) => Ok(near.read(buffer).await),
            }
        };
        moved(timeout(self.idle, reading).await.map_err(|_| self.idled())?)
    }

    /// Fills `buffer`. The peer may be slow, but not idle.
    pub(crate) async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), WireError> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let read = self.read(rest).await?;
            rest = rest.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// The next `count` bytes: as the peer handed them over if it can, else read into the room of `buffer`, which is
    /// used again once nobody holds what was taken before. The peer may be slow, but not idle.
    pub(crate) async fn take(&mut self, buffer: &mut BytesMut, count: usize) -> Result<Bytes, WireError> {
        buffer.clear();
        while buffer.len() < count {
            let missing = count - buffer.len();
            let reading = async {
                match &mut self.way {
                    Way::Near(near) => {
                        let front = near.front().await;
                        if buffer.is_empty() && front.len() >= count {
                            return Ok(Some(front.split_to(count)));
                        }
                        let come = front.len().min(missing);
                        buffer.put(front.take(come));
                        moved(Ok(come))
                    }
                    Way::Far(io) => {
                        buffer.reserve(missing);
                        // Into room that nobody has filled with zeros first.
                        moved(io.read_buf(&mut (&mut *buffer).limit(missing)).await)
                    }
                }
                .map(|_| None)
            };
            if let Some(taken) = timeout(self.idle, reading).await.map_err(|_| self.idled())?? {
                return Ok(taken);
            }
        }
        Ok(buffer.split().freeze())
    }

    /// Hands over all of `bytes`, without flushing: without a copy too if the peer is near.
    pub(crate) async fn give(&mut self, bytes: &Bytes) -> Result<(), WireError> {
        let giving = match &self.way {
            Way::Near(near) => timeout(self.idle, near.give(bytes.clone())).await,
            Way::Far(_) => return self.write_all(bytes).await,
        };
        giving.map_err(|_| self.idled())?.map_err(WireError::of_io)
    }

    /// Writes all of `bytes`, without flushing. The peer may be slow, but not idle.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        for part in bytes.chunks(WRITE_BYTES) {
            let mut rest = part;
            while !rest.is_empty() {
                let writing = async {
                    match &mut self.way {
                        Way::Far(io) => io.write(rest).await,
                        Way::Near(near) => near.give(Bytes::copy_from_slice(rest)).await.map(|()| rest.len()),
                    }
                };
                let written = moved(timeout(self.idle, writing).await.map_err(|_| self.idled())?)?;
                rest = rest.get(written..).unwrap_or_default();
            }
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        let Way::Far(io) = &mut self.way else { return Ok(()) };
        match timeout(self.idle, io.flush()).await {
            Ok(done) => done.map_err(WireError::of_io),
            Err(_) => Err(self.idled()),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn close(&mut self) -> Result<(), WireError> {
        let closing = match &mut self.way {
            Way::Far(io) => timeout(self.idle, io.shutdown()).await,
            Way::Near(near) => {
                near.close();
                return Ok(());
            }
        };
        match closing {
            Ok(done) => done.map_err(WireError::of_io),
            Err(_) => Err(self.idled()),
        }
    }

    fn idled(&self) -> WireError {
        WireError::Idle { seconds: self.idle.as_secs() }
    }
}

fn moved(done: io::Result<usize>) -> Result<usize, WireError> {
    match done {
        Ok(0) => Err(WireError::Closed),
        Ok(count) => Ok(count),
        Err(error) => Err(WireError::of_io(error)),
    }
}

/// Lengths have 32 bits, which every platform that runs this can address.
pub(crate) fn usize_of(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
