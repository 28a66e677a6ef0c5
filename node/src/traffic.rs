//! Bytes of files that clients sent and fetched, for the status line.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts up from the node's start.
#[derive(Debug, Default)]
pub struct Traffic {
    received: AtomicU64,
    served: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Bytes that clients sent.
    pub received: u64,
    /// Bytes that clients fetched.
    pub served: u64,
}

impl Traffic {
    /// A client sent this many bytes.
    pub fn receive(&self, bytes: usize) {
        self.received.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// A client was given this many bytes.
    pub fn serve(&self, bytes: usize) {
        self.served.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The counters now.
    pub fn read(&self) -> Counted {
        Counted { received: self.received.load(Ordering::Relaxed), served: self.served.load(Ordering::Relaxed) }
    }
}
