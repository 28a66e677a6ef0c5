//! How far peers say that they are.
//!
//! The engine keeps this to itself, so the codec of its network notes it: each status that a peer sends passes through
//! it. Nothing that is decided depends on it; what does is what a node says of itself, and when one that does not vote
//! looks for the next block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use malachite::app::consensus::LivenessMsg;
use malachite::app::streaming::StreamMessage;
use malachite::app::types::codec::{Codec, HasEncodedLen};
use malachite::app::types::core::ValidatorProof;
use malachite::app::types::sync::{Request, Response, Status};
use malachite::app::types::{PeerId, SignedConsensusMsg};
use runtime::types::Height;
use tokio::sync::watch;

use crate::codec::{CodecError, WireCodec};
use crate::context::ChainContext;
use crate::types::ProposalPart;

/// Peers whose heights are kept; the engine has fewer connections.
const PEERS_MAX: usize = 256;
/// What a peer that the configuration does not name has said is believed for so long.
const BELIEVED: Duration = Duration::from_secs(60);

/// How far peers say that they are. Cheap to clone.
///
/// If peers are named, by the configuration or by validators' announcements, only those count: whoever connects by itself
/// can say any height.
#[derive(Clone, Debug)]
pub struct PeerHeights {
    peers: Arc<Mutex<Peers>>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Peers {
    named: BTreeSet<PeerId>,
    said: BTreeMap<PeerId, (Height, Instant)>,
}

impl Peers {
    /// What counts, the highest first, and how many could have said something.
    fn counted(&self) -> (Vec<Height>, usize) {
        let now = Instant::now();
        let mut heights: Vec<Height> = self
            .said
            .iter()
            .filter(|(peer, (_, at))| match self.named.is_empty() {
                true => now.duration_since(*at) < BELIEVED,
                false => self.named.contains(peer),
            })
            .map(|(_, (height, _))| *height)
            .collect();
        heights.sort_unstable_by(|one, other| other.cmp(one));
        let count = if self.named.is_empty() { heights.len() } else { self.named.len() };
        (heights, count)
    }
}

impl PeerHeights {
    /// Nothing has been said yet.
    pub(crate) fn new(named: BTreeSet<PeerId>) -> Self {
        let peers = Peers { named, said: BTreeMap::new() };
        Self { peers: Arc::new(Mutex::new(peers)), changed: watch::Sender::new(()) }
    }

    /// A peer counts from now on; none but these, and those named before.
    pub(crate) fn name(&self, peer: PeerId) {
        let mut peers = self.peers();
        if peers.named.len() < PEERS_MAX {
            peers.named.insert(peer);
        }
    }

    /// How far the chain is by what peers say; none if none has said anything. Fewer than a third of them may be lying,
    /// and cannot make it more than it is: as many of the highest heights are not counted.
    #[must_use]
    pub fn best(&self) -> Option<Height> {
        let (heights, count) = self.peers().counted();
        heights.get(count / 3).or(heights.last()).copied()
    }

    /// Changes whenever a peer says how far it is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Resolves once any peer says that it is above `height`: a reason to look, nothing more.
    pub async fn above(&self, height: Height) {
        let mut changes = self.changed.subscribe();
        let is_above = || self.peers().counted().0.first().is_some_and(|best| *best > height);
        // The sender lives as long as `self`.
        while !is_above() && changes.changed().await.is_ok() {}
    }

    fn note(&self, status: &Status<ChainContext>) {
        let mut peers = self.peers();
        if !peers.named.is_empty() && !peers.named.contains(&status.peer_id) {
            return;
        }
        let said = &mut peers.said;
        if said.len() >= PEERS_MAX && !said.contains_key(&status.peer_id) {
            let oldest = said.iter().min_by_key(|(_, (_, at))| *at).map(|(peer, _)| *peer);
            oldest.and_then(|peer| said.remove(&peer));
        }
        said.insert(status.peer_id, (status.tip_height.0, Instant::now()));
        drop(peers);
        self.changed.send_replace(());
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        // Each change is one insertion or removal.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// [`WireCodec`] with an ear for statuses.
#[derive(Clone, Debug)]
pub struct ListeningCodec {
    heights: PeerHeights,
}

impl ListeningCodec {
    /// Notes statuses in `heights`.
    pub const fn new(heights: PeerHeights) -> Self {
        Self { heights }
    }
}

impl Codec<Status<ChainContext>> for ListeningCodec {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Status<ChainContext>, CodecError> {
        let status = WireCodec.decode(bytes)?;
        self.heights.note(&status);
        Ok(status)
    }

    fn encode(&self, status: &Status<ChainContext>) -> Result<Bytes, CodecError> {
        WireCodec.encode(status)
    }
}

/// All others are as [`WireCodec`] has them.
macro_rules! as_wire {
    ($($message:ty),* $(,)?) => {$(
        impl Codec<$message> for ListeningCodec {
            type Error = CodecError;

            fn decode(&self, bytes: Bytes) -> Result<$message, CodecError> {
                WireCodec.decode(bytes)
            }

            fn encode(&self, message: &$message) -> Result<Bytes, CodecError> {
                WireCodec.encode(message)
            }
        }
    )*};
}

as_wire!(
    ProposalPart,
    StreamMessage<ProposalPart>,
    SignedConsensusMsg<ChainContext>,
    LivenessMsg<ChainContext>,
    ValidatorProof<ChainContext>,
    Request<ChainContext>,
    Response<ChainContext>,
);

impl HasEncodedLen<Response<ChainContext>> for ListeningCodec {
    fn encoded_len(&self, message: &Response<ChainContext>) -> Result<usize, CodecError> {
        WireCodec.encoded_len(message)
    }
}

#[cfg(test)]
mod tests;
