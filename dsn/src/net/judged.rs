//! The scores of other peers, with the clock of this one.

use super::network::unix;
use crate::net::PeerTarget;
use crate::scores::{Deed, FaultCounts, Marked, SavedScore, Scores, Standing};
use parking_lot::Mutex;
use runtime::crypto::PeerKey;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What this peer has seen of others, and what it knows of them from earlier runs.
#[derive(Debug)]
pub struct Judged {
    scores: Mutex<Scores>,
    /// Whether somebody was banned since that was last asked.
    banned: AtomicBool,
    since: Instant,
    /// The clock on the wall at `since`, so that what was seen before this run has a time too. It never goes back.
    began: Duration,
}

impl Judged {
    pub(super) fn new() -> Self {
        Self { scores: Mutex::default(), banned: AtomicBool::default(), since: Instant::now(), began: unix() }
    }

    /// Takes note of what happened with a peer.
    pub fn note(&self, peer: PeerKey, deed: Deed) {
        let now = self.now();
        let banned = self.scores.lock().note(peer, deed, now);
        if let Some(until) = banned {
            self.banned.store(true, Ordering::Release);
            let (peer, seconds) =
                (PeerTarget { peer_key: peer, addresses: Vec::new() }, until.saturating_sub(now).as_secs());
            tracing::warn!(%peer, seconds, "a peer that sent what is wrong is asked last for a while");
        }
    }

    /// What a peer can be used for.
    pub fn standing(&self, peer: &PeerKey) -> Standing {
        self.scores.lock().standing(peer, self.now())
    }

    /// As [`Scores::order`].
    pub fn order<'a>(&self, peers: impl IntoIterator<Item = Option<&'a PeerKey>>) -> Vec<usize> {
        self.scores.lock().order(peers, self.now())
    }

    /// Faults since the start.
    pub fn counts(&self) -> FaultCounts {
        self.scores.lock().counts()
    }

    /// How many are poor or banned now.
    pub fn marked(&self) -> Marked {
        self.scores.lock().marked(self.now())
    }

    /// Whether somebody was banned since the last call: that is worth writing down at once.
    pub(super) fn take_banned(&self) -> bool {
        self.banned.swap(false, Ordering::AcqRel)
    }

    /// As [`Scores::take_changed`].
    pub(super) fn take_changed(&self) -> bool {
        self.scores.lock().take_changed()
    }

    /// As [`Scores::saved`].
    pub(super) fn saved(&self) -> Vec<SavedScore> {
        self.scores.lock().saved(self.now(), unix())
    }

    /// As [`Scores::restore`].
    pub(super) fn restore(&self, saved: &[SavedScore]) {
        self.scores.lock().restore(saved, self.now(), unix());
    }

    fn now(&self) -> Duration {
        self.began + self.since.elapsed()
    }
}
