//! What a service has done since it started, and what a peer has read: plain numbers, for whoever shows them.

use crate::protocol::Protocol;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a request ended that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// As it was asked for, with so many bytes of a piece.
    Done {
        /// Bytes of the piece that moved.
        bytes: u64,
    },
    /// The peer was told no, or that the piece is not here.
    Refused,
}

/// Counts up from the service's start.
#[derive(Debug, Default)]
pub struct ServiceCounters {
    puts: Outcomes,
    gets: Outcomes,
    haves: Outcomes,
    committed_bytes: AtomicU64,
    cached_bytes: AtomicU64,
    referred: AtomicU64,
}

/// Where bytes of pieces come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A piece that is kept for a promise.
    Committed,
    /// A piece that was read, and is kept for a while.
    Cached,
    /// A piece that this peer has read itself, and keeps for a while.
    Own,
}

/// Bytes of pieces that a peer has read since it started, by where they came from.
#[derive(Debug, Default)]
pub struct ReadCounters {
    committed: AtomicU64,
    cached: AtomicU64,
    own: AtomicU64,
}

impl ReadCounters {
    pub(crate) fn add(&self, source: Source, bytes: u64) {
        let counter = match source {
            Source::Committed => &self.committed,
            Source::Cached => &self.cached,
            Source::Own => &self.own,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// From holders, who keep them for a promise.
    pub fn committed_bytes(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// From the caches of other peers.
    pub fn cached_bytes(&self) -> u64 {
        self.cached.load(Ordering::Relaxed)
    }

    /// From this peer's own cache.
    pub fn own_bytes(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Outcomes {
    done: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    bytes: AtomicU64,
}

/// The requests of one protocol at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Answered as asked.
    pub done: u64,
    /// Answered with a refusal.
    pub refused: u64,
    /// Not answered: the stream broke, took too long, or the piece on disk is damaged.
    pub broken: u64,
    /// Bytes of pieces that moved in those that were done.
    pub bytes: u64,
}

impl ServiceCounters {
    /// A request ended; `None` if it was not answered.
    pub(crate) fn count(&self, protocol: Protocol, served: Option<&Served>) {
        let outcomes = match protocol {
            Protocol::Put => &self.puts,
            Protocol::Get | Protocol::Share => &self.gets,
            Protocol::Have => &self.haves,
        };
        let counter = match served {
            Some(Served::Done { bytes }) => {
                outcomes.bytes.fetch_add(*bytes, Ordering::Relaxed);
                &outcomes.done
            }
            Some(Served::Refused) => &outcomes.refused,
            None => &outcomes.broken,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Pieces that peers put here.
    pub fn puts(&self) -> Counted {
        self.puts.read()
    }

    /// Ranges of pieces that peers got from here.
    pub fn gets(&self) -> Counted {
        self.gets.read()
    }

    /// Bytes of a piece went to another peer, whether or not all that it asked for did. What a peer gives to itself is
    /// not counted.
    pub(crate) fn sent(&self, source: Source, bytes: u64) {
        match source {
            Source::Committed => self.committed_bytes.fetch_add(bytes, Ordering::Relaxed),
            Source::Cached => self.cached_bytes.fetch_add(bytes, Ordering::Relaxed),
            Source::Own => 0,
        };
    }

    /// A reader was named others who have read the piece.
    pub(crate) fn referred(&self) {
        self.referred.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes of the pieces of the store that were sent, without the hashes between them.
    pub fn committed_bytes(&self) -> u64 {
        self.committed_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the pieces of the cache that were sent, without the hashes between them.
    pub fn cached_bytes(&self) -> u64 {
        self.cached_bytes.load(Ordering::Relaxed)
    }

    /// Readers that were named others who have read the piece, instead of being given it here.
    pub fn referrals(&self) -> u64 {
        self.referred.load(Ordering::Relaxed)
    }

    /// Questions which pieces are here.
    pub fn haves(&self) -> Counted {
        self.haves.read()
    }
}

impl Outcomes {
    fn read(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted { done: of(&self.done), refused: of(&self.refused), broken: of(&self.broken), bytes: of(&self.bytes) }
    }
}
