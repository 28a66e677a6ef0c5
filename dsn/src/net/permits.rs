//! At most so many streams with one peer.

use libp2p::PeerId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Peers remembered before those without streams are forgotten.
const PEERS_KEPT: usize = 256;

/// Counts streams by peer.
#[derive(Debug)]
pub(super) struct Permits {
    per_peer: usize,
    peers: Mutex<HashMap<PeerId, Weak<Semaphore>>>,
}

impl Permits {
    pub(super) fn new(per_peer: u32) -> Self {
        let per_peer = usize::try_from(per_peer).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { per_peer, peers: Mutex::default() }
    }

    /// The semaphore of one peer. It lives as long as somebody holds a permit of it or waits for one.
    pub(super) fn of(&self, peer: PeerId) -> Arc<Semaphore> {
        let mut peers = self.peers.lock();
        if let Some(semaphore) = peers.get(&peer).and_then(Weak::upgrade) {
            return semaphore;
        }
        if peers.len() >= PEERS_KEPT {
            peers.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(self.per_peer));
        peers.insert(peer, Arc::downgrade(&semaphore));
        semaphore
    }

    /// A permit now, or none.
    pub(super) fn try_take(&self, peer: PeerId) -> Option<OwnedSemaphorePermit> {
        self.of(peer).try_acquire_owned().ok()
    }
}
