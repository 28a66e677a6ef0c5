//! Bytes and messages on a stream, with a limit on every length and every wait.

use crate::scores::Deed;
use bytes::{BufMut as _, BytesMut};
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

/// One end of a stream.
pub(crate) struct Wire {
    io: Box<dyn Duplex>,
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
    pub(crate) fn new(io: Box<dyn Duplex>, idle: Duration) -> Self {
        Self { io, idle, _permit: None }
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
        let read = timeout(self.idle, self.io.read(buffer)).await.map_err(|_| self.idled())?;
        moved(read)
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

    /// Appends `count` bytes to `buffer`.
    pub(crate) async fn read_into(&mut self, buffer: &mut BytesMut, count: usize) -> Result<(), WireError> {
        buffer.reserve(count);
        let mut rest = (&mut *buffer).limit(count);
        while rest.has_remaining_mut() {
            // Into room that nobody has filled with zeros first.
            let read = timeout(self.idle, self.io.read_buf(&mut rest)).await;
            moved(read.map_err(|_| self.idled())?)?;
        }
        Ok(())
    }

    /// Writes all of `bytes`, without flushing. The peer may be slow, but not idle.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        for part in bytes.chunks(WRITE_BYTES) {
            let mut rest = part;
            while !rest.is_empty() {
                let written = timeout(self.idle, self.io.write(rest)).await.map_err(|_| self.idled())?;
                let written = moved(written)?;
                rest = rest.get(written..).unwrap_or_default();
            }
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> Result<(), WireError> {
        match timeout(self.idle, self.io.flush()).await {
            Ok(done) => done.map_err(WireError::of_io),
            Err(_) => Err(self.idled()),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn close(&mut self) -> Result<(), WireError> {
        match timeout(self.idle, self.io.shutdown()).await {
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
