//! The thread that judges transactions, and what waits for it.

use super::{Acceptance, TransactionGossip};
use bytes::Bytes;
use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A transaction that waits.
struct Waiting {
    id: MessageId,
    from: PeerId,
    transaction: Bytes,
    room: OwnedSemaphorePermit,
}

/// A transaction that was judged.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) id: MessageId,
    pub(crate) from: PeerId,
    pub(crate) acceptance: Acceptance,
}

/// Too many transactions wait, or too many bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// The way to the thread. It ends when this is dropped.
pub(crate) struct Judges {
    waiting: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

impl Judges {
    /// Starts the thread. At most `count` transactions and `bytes` of them wait; outcomes come by the receiver.
    pub(crate) fn start(
        judge: Arc<dyn TransactionGossip>,
        count: usize,
        bytes: usize,
    ) -> (Self, mpsc::Receiver<Verdict>) {
        let (waiting, mut received) = mpsc::channel::<Waiting>(count.max(1));
        let (outcomes, judged) = mpsc::channel(count.max(1));
        tokio::task::spawn_blocking(move || {
            while let Some(Waiting { id, from, transaction, room }) = received.blocking_recv() {
                let acceptance = judge_one(&*judge, &transaction);
                drop((transaction, room));
                if outcomes.blocking_send(Verdict { id, from, acceptance }).is_err() {
                    break;
                }
            }
        });
        (Self { waiting, room: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))) }, judged)
    }

    /// Has a transaction judged.
    pub(crate) fn judge(&self, id: MessageId, from: PeerId, transaction: Bytes) -> Result<(), NoRoom> {
        let bytes = u32::try_from(transaction.len()).map_err(|_| NoRoom)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| NoRoom)?;
        self.waiting.try_send(Waiting { id, from, transaction, room }).map_err(|_| NoRoom)
    }
}

fn judge_one(judge: &dyn TransactionGossip, transaction: &[u8]) -> Acceptance {
    catch_unwind(AssertUnwindSafe(|| judge.admit(transaction))).unwrap_or_else(|_| {
        tracing::error!(bytes = transaction.len(), "judging a transaction panicked, it is ignored");
        Acceptance::Ignore
    })
}

#[cfg(test)]
mod tests;
