//! How many transactions a peer may send. Pure: the caller brings the time.

use libp2p::PeerId;
use std::collections::HashMap;
use std::time::Duration;

/// A bucket for each connected peer.
#[derive(Debug)]
pub(crate) struct Quotas {
    per_second: u32,
    burst: u32,
    buckets: HashMap<PeerId, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Thousandths of a transaction.
    left: u64,
    at: Duration,
}

impl Quotas {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst, buckets: HashMap::new() }
    }

    /// Whether a peer may send one more at `now`; it counts if so.
    pub(crate) fn take(&mut self, peer: PeerId, now: Duration) -> bool {
        let full = u64::from(self.burst) * 1000;
        let bucket = self.buckets.entry(peer).or_insert(Bucket { left: full, at: now });
        let passed = u64::try_from(now.saturating_sub(bucket.at).as_millis()).unwrap_or(u64::MAX);
        bucket.left = bucket.left.saturating_add(passed.saturating_mul(u64::from(self.per_second))).min(full);
        bucket.at = now;
        match bucket.left.checked_sub(1000) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }

    /// The peer is gone.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        self.buckets.remove(peer);
    }
}

#[cfg(test)]
mod tests;
