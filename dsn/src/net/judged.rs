//! The scores of other peers, with the clock of this one.

use crate::net::PeerTarget;
use crate::scores::{Deed, FaultCounts, Marked, Scores, Standing};
use parking_lot::Mutex;
use runtime::crypto::PeerKey;
use std::time::Instant;

/// What this peer has seen of others since it started.
#[derive(Debug)]
pub struct Judged {
    scores: Mutex<Scores>,
    since: Instant,
}

impl Judged {
    pub(super) fn new() -> Self {
        Self { scores: Mutex::default(), since: Instant::now() }
    }

    /// Takes note of what happened with a peer.
    pub fn note(&self, peer: PeerKey, deed: Deed) {
        let now = self.since.elapsed();
        if let Some(until) = self.scores.lock().note(peer, deed, now) {
            let (peer, seconds) =
                (PeerTarget { peer_key: peer, addresses: Vec::new() }, until.as_secs() - now.as_secs());
            tracing::warn!(%peer, seconds, "a peer that sent what is wrong is asked last for a while");
        }
    }

    /// What a peer can be used for.
    pub fn standing(&self, peer: &PeerKey) -> Standing {
        self.scores.lock().standing(peer, self.since.elapsed())
    }

    /// As [`Scores::order`].
    pub fn order<'a>(&self, peers: impl IntoIterator<Item = Option<&'a PeerKey>>) -> Vec<usize> {
        self.scores.lock().order(peers, self.since.elapsed())
    }

    /// Faults since the start.
    pub fn counts(&self) -> FaultCounts {
        self.scores.lock().counts()
    }

    /// How many are poor or banned now.
    pub fn marked(&self) -> Marked {
        self.scores.lock().marked(self.since.elapsed())
    }
}
