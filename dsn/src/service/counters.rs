//! What a service has done since it started: plain numbers, for whoever shows them.

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
            Protocol::Get => &self.gets,
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
