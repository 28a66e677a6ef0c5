//! The thread that judges messages, and what waits for it.

use super::{Acceptance, Kind, TransactionGossip};
use crate::net::pending::Host;
use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Who passed a message on, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) peer: PeerId,
    pub(crate) host: Host,
}

/// A message that waits.
struct Waiting {
    id: MessageId,
    from: Sender,
    kind: Kind,
    message: Bytes,
    room: OwnedSemaphorePermit,
}

/// A message that was judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) id: MessageId,
    pub(crate) from: Sender,
    pub(crate) acceptance: Acceptance,
}

/// Too many messages wait, or too many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// The way to the thread. It ends when this is dropped.
pub(crate) struct Judges {
    waiting: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl Judges {
    /// Starts the thread. At most `count` messages and `bytes` of them wait; outcomes come by the receiver.
    pub(crate) fn start(
        judge: Arc<dyn TransactionGossip>,
        count: usize,
        bytes: usize,
    ) -> (Self, mpsc::Receiver<Verdict>) {
        let (waiting, mut received) = mpsc::channel::<Waiting>(count.max(1));
        let (outcomes, judged) = mpsc::channel(count.max(1));
        tokio::task::spawn_blocking(move || {
            while let Some(Waiting { id, from, kind, message, room }) = received.blocking_recv() {
                let acceptance = judge_one(&*judge, kind, &message);
                drop((message, room));
                if outcomes.blocking_send(Verdict { id, from, acceptance }).is_err() {
                    break;
                }
            }
        });
        (Self { waiting, room: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))) }, judged)
    }

    /// Has a message judged.
    pub(crate) fn judge(&self, id: MessageId, from: Sender, kind: Kind, message: Bytes) -> Result<(), NoRoom> {
        let bytes = u32::try_from(message.len()).map_err(|_| NoRoom)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| NoRoom)?;
        self.waiting.try_send(Waiting { id, from, kind, message, room }).map_err(|_| NoRoom)
    }
}

fn judge_one(judge: &dyn TransactionGossip, kind: Kind, message: &[u8]) -> Acceptance {
    let judged = AssertUnwindSafe(|| match kind {
        Kind::Transaction => judge.admit(message),
        Kind::Announcement => judge.hear(message),
    });
    catch_unwind(judged).unwrap_or_else(|_| {
        tracing::error!(?kind, bytes = message.len(), "judging a message panicked, it is ignored");
        Acceptance::Ignore
    })
}

#[cfg(test)]
mod tests;
