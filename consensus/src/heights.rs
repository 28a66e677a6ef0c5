//! How far peers say that they are.
//!
//! The engine keeps this to itself, so the gate before its network notes it. Nothing that is decided depends on it; what
//! does is what a node says of itself, and when one that does not vote looks for the next block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use malachite::app::types::PeerId;
use runtime::types::Height;
use tokio::sync::watch;

/// Peers whose heights are kept; the engine has fewer connections.
pub const PEERS_MAX: usize = 256;
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

    /// Those that count, if not all do.
    pub(crate) fn named(&self) -> BTreeSet<PeerId> {
        self.peers().named.clone()
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

    /// A peer said itself that it is at `height`.
    pub(crate) fn note(&self, peer: PeerId, height: Height) {
        let mut peers = self.peers();
        if !peers.named.is_empty() && !peers.named.contains(&peer) {
            return;
        }
        let said = &mut peers.said;
        if said.len() >= PEERS_MAX && !said.contains_key(&peer) {
            let oldest = said.iter().min_by_key(|(_, (_, at))| *at).map(|(peer, _)| *peer);
            oldest.and_then(|peer| said.remove(&peer));
        }
        said.insert(peer, (height, Instant::now()));
        drop(peers);
        self.changed.send_replace(());
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        // Each change is one insertion or removal.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
