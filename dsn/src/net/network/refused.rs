//! Peers that are left alone for a while, and why. Pure: the caller brings the time.

use super::family::Mismatch;
use crate::net::keeper::Bar;
use libp2p::PeerId;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// A connection with a peer of another chain stays this long, so that the other side learns why it ends.
const GRACE: Duration = Duration::from_secs(1);

/// Why a peer is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Mismatch(Mismatch),
    /// It passed on transactions that are invalid whatever the state.
    Spam,
}

impl Reason {
    pub(crate) fn bar(&self) -> Bar {
        match self {
            Self::Mismatch(_) => Bar::Both,
            // It may still be the one that holds a piece.
            Self::Spam => Bar::Inbound,
        }
    }
}

/// Continues "the peer ...".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Spam => f.write_str("sent invalid transactions"),
        }
    }
}

#[derive(Debug)]
struct Refused {
    reason: Reason,
    until: Duration,
    /// When its connections are to end, if they did not yet.
    ends: Option<Duration>,
}

/// Refused peers, at most so many.
#[derive(Debug)]
pub(crate) struct RefusedPeers {
    peers: HashMap<PeerId, Refused>,
    peers_max: usize,
    lasts: Duration,
}

/// What is to be done about refused peers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// Whose connections are to end.
    pub(crate) end: Vec<PeerId>,
    /// Who is let in again.
    pub(crate) forgiven: Vec<PeerId>,
}

impl RefusedPeers {
    pub(crate) fn new(peers_max: usize, lasts: Duration) -> Self {
        Self { peers: HashMap::new(), peers_max, lasts }
    }

    /// Refuses a peer from now on, until the time that is returned; `None` if it is refused already. Whoever had to
    /// give way is forgiven.
    pub(crate) fn refuse(&mut self, peer: PeerId, reason: Reason, now: Duration) -> Option<(Duration, Option<PeerId>)> {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.ends.get_or_insert(now + GRACE);
            return None;
        }
        let full = self.peers.len() >= self.peers_max;
        let oldest = self.peers.iter().min_by_key(|(_, refused)| refused.until).map(|(peer, _)| *peer);
        let forgiven = oldest.filter(|_| full);
        if let Some(forgiven) = &forgiven {
            self.peers.remove(forgiven);
        }
        let ends = match reason {
            Reason::Mismatch(_) => now + GRACE,
            Reason::Spam => now,
        };
        let until = now + self.lasts;
        self.peers.insert(peer, Refused { reason, until, ends: Some(ends) });
        Some((until, forgiven))
    }

    pub(crate) fn reason(&self, peer: &PeerId) -> Option<&Reason> {
        self.peers.get(peer).map(|refused| &refused.reason)
    }

    /// A peer of another chain: nothing is to be had from it.
    pub(crate) fn is_useless(&self, peer: &PeerId) -> bool {
        self.reason(peer).is_some_and(|reason| reason.bar() == Bar::Both)
    }

    /// Who sent spam, and for how long it is still refused.
    pub(crate) fn spammers(&self, now: Duration) -> impl Iterator<Item = (PeerId, Duration)> {
        let spammers = self.peers.iter().filter(|(_, refused)| refused.reason == Reason::Spam);
        spammers.map(move |(peer, refused)| (*peer, refused.until.saturating_sub(now)))
    }

    /// Refuses a peer that sent spam to an earlier run, for so long, but never for longer than another. Returns until when;
    /// `None` if that is over, or there is no room.
    pub(crate) fn restore(&mut self, peer: PeerId, left: Duration, now: Duration) -> Option<Duration> {
        let left = left.min(self.lasts);
        if left.is_zero() || self.peers.len() >= self.peers_max || self.peers.contains_key(&peer) {
            return None;
        }
        let until = now + left;
        self.peers.insert(peer, Refused { reason: Reason::Spam, until, ends: None });
        Some(until)
    }

    /// What is due at `now`.
    pub(crate) fn overdue(&mut self, now: Duration) -> Overdue {
        let mut overdue = Overdue::default();
        for (peer, refused) in &mut self.peers {
            if refused.ends.is_some_and(|ends| ends <= now) {
                refused.ends = None;
                overdue.end.push(*peer);
            }
            if refused.until <= now {
                overdue.forgiven.push(*peer);
            }
        }
        for peer in &overdue.forgiven {
            self.peers.remove(peer);
        }
        overdue
    }
}

#[cfg(test)]
mod tests;
