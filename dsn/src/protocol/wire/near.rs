//! A stream between two peers of one process: bytes go over as they lie in memory, without a copy.

use bytes::{Buf as _, Bytes};
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes in flight, in each direction; those that are handed over together count for half of them at most.
const LOOPBACK_BYTES: u32 = 256 * 1024;

/// One end of such a stream.
#[derive(Debug)]
pub(crate) struct Near {
    /// None once this end has said that nothing more will come.
    sender: Option<mpsc::UnboundedSender<Chunk>>,
    room: Arc<Semaphore>,
    receiver: mpsc::UnboundedReceiver<Chunk>,
    /// What is left of the chunk that came last.
    front: Bytes,
}

/// Bytes, with their part of the room. Bounded by it, though the queues are not.
#[derive(Debug)]
struct Chunk {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Near {
    /// Both ends of a new stream.
    #[expect(clippy::disallowed_methods, reason = "what waits is bounded by the room that each chunk takes")]
    pub(crate) fn pair() -> (Self, Self) {
        let ((to_far, at_far), (to_near, at_near)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let end = |sender, receiver| Self {
            sender: Some(sender),
            room: Arc::new(Semaphore::new(usize::try_from(LOOPBACK_BYTES).unwrap_or(Semaphore::MAX_PERMITS))),
            receiver,
            front: Bytes::new(),
        };
        (end(to_far, at_near), end(to_near, at_far))
    }

    /// Hands over all of `bytes`, once there is room.
    pub(super) async fn give(&self, bytes: Bytes) -> io::Result<()> {
        let counted = u32::try_from(bytes.len()).unwrap_or(u32::MAX).clamp(1, LOOPBACK_BYTES / 2);
        // An end that goes away drops what it has not taken: nobody waits for room that never comes.
        let room = Arc::clone(&self.room).acquire_many_owned(counted).await.map_err(io::Error::other)?;
        let sender = self.sender.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        sender.send(Chunk { bytes, _room: room }).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// What has come and was not taken yet; waits until there is something. Empty once nothing more will come.
    pub(super) async fn front(&mut self) -> &mut Bytes {
        while self.front.is_empty() {
            match self.receiver.recv().await {
                Some(chunk) => self.front = chunk.bytes,
                None => break,
            }
        }
        &mut self.front
    }

    /// Reads at least one byte into `buffer`, which is not empty; none at the end.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> usize {
        let front = self.front().await;
        let count = front.len().min(buffer.len());
        front.split_to(count).copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        count
    }

    /// Says that nothing more will come.
    pub(super) fn close(&mut self) {
        self.sender = None;
    }
}
