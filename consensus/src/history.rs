//! Blocks for peers that catch up: read beside the engine, a few at a time, for each peer in turn.
//!
//! Who connects may ask, so that what is read for others has bounds of its own, and none of it is waited for by whoever
//! votes. A peer that asks for more than its share is answered with nothing, and asks another; the more peers wait, the
//! fewer blocks each is given at once.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use malachite::app::engine::network::{NetworkMsg, NetworkRef};
use malachite::app::types::PeerId;
use malachite::app::types::core::{ExtendedCommitCertificate, ExtendedCommitSignature, Round};
use malachite::app::types::sync::{RawDecidedValue, Request, Response};
use malachite_sync::{InboundRequestId, ValueResponse};
use runtime::types::CommitCertificate;
use tokio::sync::{Notify, mpsc};

use crate::application::{Application, ApplicationError};
use crate::codec::limits;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::{EndReason, chain};
use crate::types::Address;

/// Requests that are read for at the same time.
const READERS: u32 = 2;
/// Bytes of blocks that are read for peers in a second, on average: more than one fast peer takes.
const READ_BYTES_PER_S: u32 = 128 * 1024 * 1024;
/// Requests of one peer that wait; an honest one has so many under way.
const WAITING_OF_PEER_MAX: usize = 5;
/// Requests of all peers that wait.
const WAITING_MAX: usize = 512;
/// Room in a response for everything but the blocks: certificates of a full batch, and lengths.
const RESPONSE_MARGIN: usize = limits::SYNC_BATCH * (limits::CERTIFICATE_BYTES + 64);

/// The decided blocks, for peers. Cheap to clone.
#[derive(Clone)]
pub struct History {
    application: Arc<dyn Application>,
    alarm: mpsc::Sender<EndReason>,
    turns: Arc<Mutex<Turns>>,
    asked: Arc<Notify>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("turns", &self.turns()).finish_non_exhaustive()
    }
}

impl History {
    /// Of this application's blocks; `alarm` hears why they cannot be read.
    pub fn new(application: Arc<dyn Application>, alarm: mpsc::Sender<EndReason>) -> Self {
        Self { application, alarm, turns: Arc::default(), asked: Arc::default() }
    }

    /// Answers over this network, until it has stopped.
    pub fn serve(&self, network: &NetworkRef<ChainContext>) {
        for _ in 0..READERS {
            tokio::spawn(read(self.clone(), network.clone()));
        }
    }

    /// A peer asks.
    pub fn ask(&self, id: InboundRequestId, peer: PeerId, request: Request<ChainContext>) {
        let Request::ValueRequest(request) = request;
        self.turns().add(peer, Asked { id, range: request.range });
        self.asked.notify_one();
    }

    /// Nobody waits for the answer any more.
    pub fn cancel(&self, id: &InboundRequestId) {
        self.turns().cancel(id);
    }

    /// A peer is gone.
    pub fn forget(&self, peer: &PeerId) {
        self.turns().forget(peer);
    }

    async fn next(&self) -> Turn {
        loop {
            let turn = self.turns().next();
            match turn {
                Some(turn) => {
                    // Whoever else waits has one notice less.
                    self.asked.notify_one();
                    return turn;
                }
                None => self.asked.notified().await,
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        // Each change leaves it whole.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader.
async fn read(history: History, network: NetworkRef<ChainContext>) {
    // Begun once: what stops while it is not waited for is heard of all the same.
    let stopped = network.wait(None);
    tokio::pin!(stopped);
    loop {
        let turn = tokio::select! {
            biased;
            // The wait has no time to be over.
            _ = &mut stopped => return,
            turn = history.next() => turn,
        };
        let (id, start) = (turn.asked.id.clone(), *turn.asked.range.start());
        let application = Arc::clone(&history.application);
        let values = tokio::task::spawn_blocking(move || turn.read(application.as_ref())).await;
        let why = match values {
            Ok(Ok(values)) => {
                let bytes = values.iter().map(|value| value.value_bytes.len()).sum();
                let response = Response::ValueResponse(ValueResponse::new(start, values));
                if network.cast(NetworkMsg::OutgoingResponse(id, response)).is_err() {
                    return;
                }
                tokio::time::sleep(pause(bytes)).await;
                continue;
            }
            Ok(Err(error)) => chain(&error),
            Err(error) => error.to_string(),
        };
        // If it is full, there is a reason to end already.
        history.alarm.try_send(EndReason::Application { during: "decided", why }).ok();
        return;
    }
}

/// So long a reader rests after so many bytes.
fn pause(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(bytes.saturating_mul(READERS)) / READ_BYTES_PER_S
}

#[derive(Clone, Debug)]
struct Asked {
    id: InboundRequestId,
    range: RangeInclusive<ConsensusHeight>,
}

/// Whose turn it is.
#[derive(Debug)]
struct Turn {
    asked: Asked,
    /// How many heights and bytes it is given at most.
    values: usize,
    bytes: usize,
}

impl Turn {
    /// Consecutive blocks, as many as are kept and it is given: one, whatever its size, if there is one.
    fn read(&self, application: &dyn Application) -> Result<Vec<RawDecidedValue<ChainContext>>, ApplicationError> {
        let (from, to) = (self.asked.range.start().0, self.asked.range.end().0);
        let mut values = Vec::new();
        let mut room = self.bytes;
        for height in (from..=to).take(self.values) {
            let Some((bytes, certificate)) = application.decided(height)? else { break };
            let left = room.checked_sub(bytes.len());
            if left.is_none() && !values.is_empty() {
                break;
            }
            room = left.unwrap_or(0);
            values.push(RawDecidedValue::new(bytes, to_engine(&certificate)));
        }
        Ok(values)
    }
}

/// Requests that wait, and whose turn is next.
#[derive(Debug, Default)]
struct Turns {
    by_peer: BTreeMap<PeerId, VecDeque<Asked>>,
    /// Each peer with requests once.
    order: VecDeque<PeerId>,
    /// Requests that are too many, and are answered with nothing.
    refused: VecDeque<Asked>,
    count: usize,
}

impl Turns {
    fn add(&mut self, peer: PeerId, asked: Asked) {
        let waiting = self.by_peer.get(&peer).map_or(0, VecDeque::len);
        if waiting >= WAITING_OF_PEER_MAX || self.count >= WAITING_MAX {
            // Beyond this, its own time-out answers it.
            if self.refused.len() < WAITING_MAX {
                self.refused.push_back(asked);
            }
            return;
        }
        if waiting == 0 {
            self.order.push_back(peer);
        }
        self.by_peer.entry(peer).or_default().push_back(asked);
        self.count += 1;
    }

    fn next(&mut self) -> Option<Turn> {
        if let Some(asked) = self.refused.pop_front() {
            return Some(Turn { asked, values: 0, bytes: 0 });
        }
        let peers = self.order.len();
        let peer = self.order.pop_front()?;
        let waiting = self.by_peer.get_mut(&peer)?;
        let asked = waiting.pop_front()?;
        self.count -= 1;
        if waiting.is_empty() {
            self.by_peer.remove(&peer);
        } else {
            self.order.push_back(peer);
        }
        let bytes = (limits::RESPONSE_BYTES - RESPONSE_MARGIN) / peers;
        Some(Turn { asked, values: limits::SYNC_BATCH, bytes })
    }

    fn cancel(&mut self, id: &InboundRequestId) {
        self.refused.retain(|asked| asked.id != *id);
        self.by_peer.values_mut().for_each(|waiting| waiting.retain(|asked| asked.id != *id));
        self.tidy();
    }

    fn forget(&mut self, peer: &PeerId) {
        self.by_peer.remove(peer);
        self.tidy();
    }

    fn tidy(&mut self) {
        self.by_peer.retain(|_, waiting| !waiting.is_empty());
        self.order.retain(|peer| self.by_peer.contains_key(peer));
        self.count = self.by_peer.values().map(VecDeque::len).sum();
    }
}

fn to_engine(certificate: &CommitCertificate) -> ExtendedCommitCertificate<ChainContext> {
    let signatures = certificate.signatures.iter();
    ExtendedCommitCertificate {
        height: ConsensusHeight(certificate.height),
        round: Round::new(certificate.round),
        value_id: certificate.block_hash,
        commit_signatures: signatures
            .map(|one| ExtendedCommitSignature::new(Address(one.validator), one.signature, None))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
