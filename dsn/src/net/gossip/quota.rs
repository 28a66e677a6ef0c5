//! How many messages a peer may send, or a host with all its peers. Pure: the caller brings the time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Peers or hosts whose quota is known.
const QUOTAS_MAX: usize = 4096;
/// Where none comes back in a second, one does after more than a century.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// A bucket for each peer, or each host.
#[derive(Debug)]
pub(crate) struct Quotas<K> {
    /// The time after which one more may be sent.
    each: Duration,
    /// The times of all that may be sent at once.
    full: Duration,
    buckets: HashMap<K, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: Duration,
    at: Duration,
}

impl<K: Clone + Eq + Hash> Quotas<K> {
    /// So many a second, after so many at once.
    pub(crate) fn per_second(count: u32, burst: u32) -> Self {
        Self::new(Duration::from_secs(1).checked_div(count).unwrap_or(NEVER), burst)
    }

    /// So many at once, and as many each hour.
    pub(crate) fn per_hour(count: u32) -> Self {
        Self::new(Duration::from_secs(60 * 60).checked_div(count).unwrap_or(NEVER), count)
    }

    fn new(each: Duration, burst: u32) -> Self {
        Self { each, full: each.saturating_mul(burst), buckets: HashMap::new() }
    }

    /// Whether one more may be sent at `now`; it counts if so.
    pub(crate) fn take(&mut self, key: K, now: Duration) -> bool {
        let Some(left) = self.left(&key, now).checked_sub(self.each) else {
            return false;
        };
        self.make_room(&key, now);
        self.buckets.insert(key, Bucket { left, at: now });
        true
    }

    /// Whether one more might be sent at `now`.
    pub(crate) fn has(&self, key: &K, now: Duration) -> bool {
        self.left(key, now) >= self.each
    }

    /// The peer is gone.
    pub(crate) fn forget(&mut self, key: &K) {
        self.buckets.remove(key);
    }

    fn left(&self, key: &K, now: Duration) -> Duration {
        self.buckets.get(key).map_or(self.full, |bucket| self.left_in(bucket, now))
    }

    fn left_in(&self, bucket: &Bucket, now: Duration) -> Duration {
        bucket.left.saturating_add(now.saturating_sub(bucket.at)).min(self.full)
    }

    /// Forgets those that sent nothing for long, or whoever has the most left, before another is remembered.
    fn make_room(&mut self, key: &K, now: Duration) {
        if self.buckets.len() < QUOTAS_MAX || self.buckets.contains_key(key) {
            return;
        }
        let (full, mut buckets) = (self.full, std::mem::take(&mut self.buckets));
        buckets.retain(|_, bucket| self.left_in(bucket, now) < full);
        if buckets.len() >= QUOTAS_MAX {
            let most = buckets.iter().max_by_key(|(_, bucket)| self.left_in(bucket, now));
            if let Some(most) = most.map(|(key, _)| key.clone()) {
                buckets.remove(&most);
            }
        }
        self.buckets = buckets;
    }
}

#[cfg(test)]
mod tests;
