//! What is known of others over a restart: when it is written down, and what is taken up again.

use super::file::{self, FileError, Remembered};
use super::refused::Reason;
use super::{FoundBy, Network, unix};
use crate::net::behaviour::Behaviour;
use libp2p::{PeerId, Swarm};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// When the file is next written.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    store_at: Duration,
    /// Whether the spammers in the file are out of date.
    changed: bool,
    writing: Option<JoinHandle<()>>,
}

impl Remembering {
    /// Something happened that a process which dies soon should have written down.
    pub(super) fn at_once(&mut self) {
        (self.store_at, self.changed) = (Duration::ZERO, true);
    }
}

impl Network {
    /// Takes up what an earlier run wrote down.
    pub(super) fn restore(&mut self, swarm: &mut Swarm<Behaviour>) {
        let Some(path) = &self.settings.peer_store else {
            return;
        };
        let Remembered { peers, scores, spammers } = match file::load(path, &self.genesis) {
            Ok(remembered) => remembered,
            Err(error) => return log_unread(path, &error),
        };
        for (peer, addresses, last_seen_s) in peers {
            let believed = self.believed(&addresses, FoundBy::Store);
            if self.shared.book.lock().restore(peer, &believed, last_seen_s) {
                self.shared.count_found(FoundBy::Store);
            }
        }
        self.shared.judged.restore(&scores);
        let spammers = self.keep_out(swarm, &spammers);
        let banned = self.shared.judged.marked().banned;
        if banned + spammers > 0 {
            info!(banned, spammers, "what peers did before this start is still held against them");
        }
    }

    /// Keeps those out who sent spam to an earlier run; how many.
    fn keep_out(&mut self, swarm: &mut Swarm<Behaviour>, spammers: &[(PeerId, u64)]) -> usize {
        let (now, unix) = (self.now(), unix());
        let mut count = 0;
        for (peer, until_unix_ms) in spammers {
            let left = Duration::from_millis(*until_unix_ms).saturating_sub(unix);
            if let Some(until) = self.refused.restore(*peer, left, now) {
                swarm.behaviour_mut().keeper.bar(*peer, Reason::Spam.bar());
                self.shared.book.lock().leave_alone(peer, until);
                count += 1;
            }
        }
        count
    }

    /// Writes down what is known, in a thread of its own, if that is due and the last time has ended. A new ban is due.
    pub(super) fn store(&mut self, now: Duration) {
        if self.remembering.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        if self.shared.judged.take_banned() || self.remembering.store_at <= now {
            self.remembering.store_at = now + self.settings.intervals.store;
            self.remembering.writing = self.write();
        }
    }

    fn write(&mut self) -> Option<JoinHandle<()>> {
        let path = self.settings.peer_store.clone()?;
        // All of them are asked: each forgets that something changed.
        let changed = [
            std::mem::take(&mut self.remembering.changed),
            self.shared.book.lock().take_changed(),
            self.shared.judged.take_changed(),
            self.shared.unwritten.swap(false, Ordering::AcqRel),
        ];
        if changed == [false; 4] {
            return None;
        }
        let ends = unix();
        let ends = |left: Duration| u64::try_from(ends.saturating_add(left).as_millis()).unwrap_or(u64::MAX);
        let spammers = self.refused.spammers(self.now()).map(|(peer, left)| (peer, ends(left)));
        let (peers, scores) = (self.shared.book.lock().saved(), self.shared.judged.saved());
        let remembered = Remembered { peers, scores, spammers: spammers.collect() };
        let (genesis, shared) = (self.genesis, Arc::clone(&self.shared));
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = file::save(&path, &genesis, remembered) {
                warn!(path = %path.display(), %error, "cannot write down what is known of other peers");
                shared.unwritten.store(true, Ordering::Release);
            }
        }))
    }

    /// Writes down what was not written yet.
    pub(in crate::net) async fn end(&mut self) {
        if let Some(writing) = self.remembering.writing.take() {
            drop(writing.await);
        }
        if let Some(writing) = self.write() {
            drop(writing.await);
        }
    }
}

fn log_unread(path: &Path, error: &FileError) {
    warn!(path = %path.display(), error = crate::service::chain(error), "the file of known peers is of no use");
}
