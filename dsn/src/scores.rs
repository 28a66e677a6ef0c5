//! What this peer thinks of others: what happened becomes a score, which decides whom it asks first. Pure: the caller
//! brings the time.
//!
//! A score falls with every fault and comes back by itself, so that nobody is judged for ever by one bad minute. Who
//! lies is banned for a time, which doubles each time. A ban means to be asked last, not never: every byte and every
//! promise is checked anyway, and a file is worth more than a grudge.

mod saved;

pub(crate) use saved::SavedScore;

use runtime::crypto::PeerKey;
use std::collections::HashMap;
use std::time::Duration;

/// Peers remembered: as many as there can be active providers.
pub const SCORED_PEERS_MAX: usize = 4096;
/// The score of a peer about which nothing bad is known.
pub const SCORE_MAX: u32 = 1000;
/// Below this a peer is asked after those that are above.
pub const SCORE_GOOD: u32 = 750;
/// What a broken, refused or slow request costs of the score.
const FAULT_COST: f64 = 500.0;
/// After this time half of what a score has lost is back.
const HALF_LIFE: Duration = Duration::from_secs(60);
/// What remains of a loss after a request that went well.
const AFTER_SUCCESS: f64 = 0.75;
/// How long the first lie bans.
pub const BAN_FIRST: Duration = Duration::from_secs(10 * 60);
/// How long a ban lasts at most.
pub const BAN_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// What the newest measurement counts in the average speed.
const SPEED_WEIGHT: f64 = 0.25;
/// A speed that was not measured again for so long is forgotten, so that a peer that was slow once gets another try.
const SPEED_KEPT: Duration = Duration::from_secs(5 * 60);

/// Something that happened with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It gave bytes of a piece that were right.
    Gave {
        /// How many.
        bytes: u64,
        /// How long it was waited for them.
        waited: Duration,
    },
    /// It keeps a piece and has promised so.
    Kept,
    /// Others were much faster.
    Slow,
    /// It could not be reached, broke off, or did not do what it had begun.
    Failed,
    /// It sent what it knew to be wrong, or what is not of the protocol.
    Lied,
}

/// What a peer can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Asked first.
    Good,
    /// Asked if the good ones do not suffice.
    Poor,
    /// Asked if nobody else is left.
    Banned,
}

/// Faults counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Others were much faster.
    pub slow: u64,
    /// Not reached, or broken off.
    pub failed: u64,
    /// Wrong bytes or promises.
    pub lied: u64,
}

/// How many peers are not what they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Asked after the good ones.
    pub poor: usize,
    /// Asked last.
    pub banned: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// What the score had lost at `seen`.
    loss: f64,
    /// When something happened last.
    seen: Duration,
    banned_until: Option<Duration>,
    lies: u32,
    /// Bytes in a second, and when that was measured.
    speed: Option<(f64, Duration)>,
}

impl Record {
    fn loss(&self, now: Duration) -> f64 {
        let half_lives = now.saturating_sub(self.seen).as_secs_f64() / HALF_LIFE.as_secs_f64();
        self.loss * (-half_lives).exp2()
    }

    fn score(&self, now: Duration) -> u32 {
        let lost = Duration::from_secs_f64(self.loss(now).clamp(0.0, SCORE_MAX.into())).as_secs();
        SCORE_MAX.saturating_sub(u32::try_from(lost).unwrap_or(SCORE_MAX))
    }

    fn is_banned(&self, now: Duration) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    fn measure(&mut self, bytes: u64, waited: Duration, now: Duration) {
        let known = self.speed(now);
        // Whoever had sent ahead seems to take no time at all.
        let waited = waited.max(Duration::from_millis(1)).as_secs_f64();
        let newest = u32::try_from(bytes).map_or(f64::from(u32::MAX), f64::from) / waited;
        let average = known.map_or(newest, |known| known + (newest - known) * SPEED_WEIGHT);
        self.speed = Some((average, now));
    }

    fn speed(&self, now: Duration) -> Option<f64> {
        self.speed.filter(|(_, at)| now.saturating_sub(*at) < SPEED_KEPT).map(|(speed, _)| speed)
    }
}

/// What is known about peers. Times count from any moment, the same for all calls, and long before what is
/// [restored](Self::restore).
#[derive(Debug, Default)]
pub struct Scores {
    records: HashMap<PeerKey, Record>,
    counts: FaultCounts,
    /// Whether what is written down of them is out of date.
    changed: bool,
}

impl Scores {
    /// Takes note of what happened at `now`. Returns until when the peer is banned if this has banned it.
    pub fn note(&mut self, peer: PeerKey, deed: Deed, now: Duration) -> Option<Duration> {
        self.make_room(&peer, now);
        let record = self.records.entry(peer).or_default();
        let was_blamed = record.is_blamed(now);
        record.loss = record.loss(now);
        record.seen = now;
        match deed {
            Deed::Gave { bytes, waited } => {
                record.loss *= AFTER_SUCCESS;
                record.measure(bytes, waited, now);
            }
            Deed::Kept => record.loss *= AFTER_SUCCESS,
            Deed::Slow => self.counts.slow += 1,
            Deed::Failed => self.counts.failed += 1,
            Deed::Lied => self.counts.lied += 1,
        }
        if matches!(deed, Deed::Slow | Deed::Failed | Deed::Lied) {
            record.loss = (record.loss + FAULT_COST).min(SCORE_MAX.into());
        }
        self.changed |= was_blamed || record.is_blamed(now);
        if deed != Deed::Lied {
            return None;
        }
        record.banned_until = Some(now.saturating_add(saved::ban(record.lies)));
        record.lies = record.lies.saturating_add(1);
        record.banned_until
    }

    /// What a peer can be used for. Nothing is held against a peer that is not known.
    pub fn standing(&self, peer: &PeerKey, now: Duration) -> Standing {
        match self.records.get(peer) {
            Some(record) if record.is_banned(now) => Standing::Banned,
            Some(record) if record.score(now) < SCORE_GOOD => Standing::Poor,
            _ => Standing::Good,
        }
    }

    /// The peers' places in the order in which to ask them, the best first; of those that are alike, the first comes
    /// first. None stands for nobody, who comes last. A peer is behind another one of its standing if it is known to be
    /// many times slower.
    pub fn order<'a>(&self, peers: impl IntoIterator<Item = Option<&'a PeerKey>>, now: Duration) -> Vec<usize> {
        let speed = |peer: &PeerKey| self.records.get(peer).and_then(|record| record.speed(now));
        let peers: Vec<_> = peers.into_iter().collect();
        let fastest = peers.iter().flatten().filter_map(|peer| speed(peer)).fold(0.0, f64::max);
        let rank = |place: &usize| {
            let peer = peers.get(*place).copied().flatten()?;
            Some((self.standing(peer, now), speed(peer).map_or(0, |speed| times_slower(fastest, speed))))
        };
        let mut order: Vec<usize> = (0..peers.len()).collect();
        order.sort_by_key(|place| (rank(place).is_none(), rank(place)));
        order
    }

    /// Faults since the start.
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// How many are poor or banned now.
    pub fn marked(&self, now: Duration) -> Marked {
        let standings = self.records.keys().map(|peer| self.standing(peer, now));
        standings.fold(Marked::default(), |marked, standing| match standing {
            Standing::Good => marked,
            Standing::Poor => Marked { poor: marked.poor + 1, ..marked },
            Standing::Banned => Marked { banned: marked.banned + 1, ..marked },
        })
    }

    /// Forgets one of those of whom least is known before another is remembered.
    fn make_room(&mut self, peer: &PeerKey, now: Duration) {
        if self.records.len() < SCORED_PEERS_MAX || self.records.contains_key(peer) {
            return;
        }
        let least = self.records.iter().min_by_key(|(_, record)| (record.is_banned(now), record.seen));
        if let Some(least) = least.map(|(peer, _)| *peer) {
            self.records.remove(&least);
        }
    }
}

/// In powers of four, so that noise changes nothing: 0 up to four times slower than the fastest, 1 up to 16 times, ..
fn times_slower(fastest: f64, speed: f64) -> u32 {
    let (mut times, mut speed) = (0, speed.max(1.0) * 4.0);
    while speed < fastest {
        (times, speed) = (times + 1, speed * 4.0);
    }
    times
}

#[cfg(test)]
mod tests;
