//! Scores over a restart. Pure: the caller brings both clocks, its own and the one on the wall.

use super::{BAN_FIRST, BAN_MAX, Record, SCORE_MAX, SCORED_PEERS_MAX, Scores};
use parity_scale_codec::{Decode, Encode};
use runtime::crypto::PeerKey;
use std::time::Duration;

/// What is written down of a peer that did not always do well. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SavedScore {
    pub(crate) peer: PeerKey,
    /// Thousandths of what the score had lost
    pub(crate) loss_milli: u32,
    /// at this time.
    pub(crate) seen_unix_ms: u64,
    pub(crate) lies: u32,
    /// 0 for one that is not banned.
    pub(crate) banned_until_unix_ms: u64,
}

/// How long a peer is banned that had lied so many times before.
pub(super) fn ban(lies_before: u32) -> Duration {
    BAN_FIRST.saturating_mul(2_u32.saturating_pow(lies_before)).min(BAN_MAX)
}

impl Scores {
    /// Whether something that is worth writing down has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What is worth writing down at `now`, when the clock on the wall says `unix`.
    pub(crate) fn saved(&self, now: Duration, unix: Duration) -> Vec<SavedScore> {
        let blamed = self.records.iter().filter(|(_, record)| record.is_blamed(now));
        blamed.map(|(peer, record)| record.saved(*peer, now, unix)).collect()
    }

    /// Takes up what an earlier run wrote down, `now`, when the clock on the wall says `unix`. Nobody is banned for longer
    /// than its last lie deserved, whatever the file and the clock say; what is known already stays.
    pub(crate) fn restore(&mut self, saved: &[SavedScore], now: Duration, unix: Duration) {
        for saved in saved {
            if self.records.len() >= SCORED_PEERS_MAX {
                return;
            }
            self.records.entry(saved.peer).or_insert_with(|| Record::restored(saved, now, unix));
        }
    }
}

impl Record {
    /// Whether there is something to be held against the peer.
    pub(super) fn is_blamed(&self, now: Duration) -> bool {
        self.lies > 0 || self.score(now) < SCORE_MAX
    }

    fn saved(&self, peer: PeerKey, now: Duration, unix: Duration) -> SavedScore {
        let left = self.banned_until.map(|until| until.saturating_sub(now)).filter(|left| !left.is_zero());
        // A thousandth of a point is as a millisecond of a second.
        let loss = Duration::from_secs_f64(self.loss.clamp(0.0, SCORE_MAX.into()));
        SavedScore {
            peer,
            loss_milli: u32::try_from(loss.as_millis()).unwrap_or(u32::MAX),
            seen_unix_ms: millis(unix.saturating_sub(now.saturating_sub(self.seen))),
            lies: self.lies,
            banned_until_unix_ms: left.map_or(0, |left| millis(unix.saturating_add(left))),
        }
    }

    fn restored(saved: &SavedScore, now: Duration, unix: Duration) -> Self {
        let age = unix.saturating_sub(Duration::from_millis(saved.seen_unix_ms));
        let left = Duration::from_millis(saved.banned_until_unix_ms).saturating_sub(unix);
        let left = left.min(saved.lies.checked_sub(1).map_or(Duration::ZERO, ban));
        Self {
            loss: (f64::from(saved.loss_milli) / 1000.0).min(SCORE_MAX.into()),
            seen: now.saturating_sub(age),
            banned_until: (!left.is_zero()).then(|| now.saturating_add(left)),
            lies: saved.lies,
            speed: None,
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
