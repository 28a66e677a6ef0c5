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
/// If the configuration names peers, only those count: whoever connects by itself can say any height.
#[derive(Clone, Debug)]
pub struct PeerHeights {
    named: Arc<BTreeSet<PeerId>>,
    said: Arc<Mutex<BTreeMap<PeerId, (Height, Instant)>>>,
    changed: watch::Sender<()>,
}

impl PeerHeights {
    /// Nothing has been said yet.
    pub(crate) fn new(named: BTreeSet<PeerId>) -> Self {
        Self { named: Arc::new(named), said: Arc::default(), changed: watch::Sender::new(()) }
    }

    /// The height of the best peer; none if none has said any.
    #[must_use]
    pub fn best(&self) -> Option<Height> {
        let now = Instant::now();
        let is_believed = |at: &Instant| !self.named.is_empty() || now.duration_since(*at) < BELIEVED;
        self.said().values().filter(|(_, at)| is_believed(at)).map(|(height, _)| *height).max()
    }

    /// Whether the configuration names peers that could be ahead.
    #[must_use]
    pub fn expects_peers(&self) -> bool {
        !self.named.is_empty()
    }

    /// Changes whenever a peer says how far it is.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Resolves once a peer is above `height`.
    pub async fn above(&self, height: Height) {
        let mut changes = self.changed.subscribe();
        // The sender lives as long as `self`.
        while self.best().is_none_or(|best| best <= height) && changes.changed().await.is_ok() {}
    }

    fn note(&self, status: &Status<ChainContext>) {
        if !self.named.is_empty() && !self.named.contains(&status.peer_id) {
            return;
        }
        let mut said = self.said();
        if said.len() >= PEERS_MAX && !said.contains_key(&status.peer_id) {
            let oldest = said.iter().min_by_key(|(_, (_, at))| *at).map(|(peer, _)| *peer);
            oldest.and_then(|peer| said.remove(&peer));
        }
        said.insert(status.peer_id, (status.tip_height.0, Instant::now()));
        drop(said);
        self.changed.send_replace(());
    }

    fn said(&self) -> MutexGuard<'_, BTreeMap<PeerId, (Height, Instant)>> {
        // Each change is one insertion or removal.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
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
