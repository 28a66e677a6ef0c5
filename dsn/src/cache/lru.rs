//! What to let go of when there is no room: whatever was used longest ago. Pure; keeps the books, not the bytes.

use pieces::PieceHash;
use std::collections::{BTreeMap, HashMap};

#[derive(Debug)]
struct Slot<V> {
    bytes: u64,
    used_at: u64,
    value: V,
}

/// Values by piece, with the bytes that each takes. Together they never take more than the limit, and there are never
/// more of them than allowed.
#[derive(Debug)]
pub(super) struct Lru<V> {
    limit_bytes: u64,
    count_max: usize,
    used_bytes: u64,
    /// Counts uses.
    now: u64,
    slots: HashMap<PieceHash, Slot<V>>,
    /// By last use, the oldest first.
    order: BTreeMap<u64, PieceHash>,
}

impl<V> Lru<V> {
    pub(super) fn new(limit_bytes: u64, count_max: usize) -> Self {
        Self { limit_bytes, count_max, used_bytes: 0, now: 0, slots: HashMap::new(), order: BTreeMap::new() }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The value, without calling that a use.
    pub(super) fn peek(&self, piece: &PieceHash) -> Option<&V> {
        self.slots.get(piece).map(|slot| &slot.value)
    }

    /// The value, used now.
    pub(super) fn get(&mut self, piece: &PieceHash) -> Option<&V> {
        let slot = self.slots.get_mut(piece)?;
        self.order.remove(&slot.used_at);
        self.now += 1;
        slot.used_at = self.now;
        self.order.insert(self.now, *piece);
        Some(&slot.value)
    }

    /// Takes a value that takes `bytes`, used now, in the place of one of the same piece. Returns what had to go; none if
    /// it does not fit even alone, and then all is as before.
    pub(super) fn insert(&mut self, piece: PieceHash, bytes: u64, value: V) -> Option<Vec<V>> {
        if bytes > self.limit_bytes || self.count_max == 0 {
            return None;
        }
        let mut gone: Vec<V> = self.remove(&piece).into_iter().collect();
        while self.slots.len() >= self.count_max || !self.fits(bytes) {
            gone.push(self.remove_oldest()?);
        }
        self.now += 1;
        self.used_bytes += bytes;
        self.order.insert(self.now, piece);
        self.slots.insert(piece, Slot { bytes, used_at: self.now, value });
        Some(gone)
    }

    /// A value takes `bytes` more, used now. Returns what had to go; none if it is not there or does not fit even alone,
    /// and then nothing has gone.
    pub(super) fn grow(&mut self, piece: &PieceHash, bytes: u64) -> Option<Vec<V>> {
        let grown = self.slots.get(piece)?.bytes.checked_add(bytes)?;
        if grown > self.limit_bytes {
            return None;
        }
        self.get(piece)?;
        let mut gone = Vec::new();
        // Never this one itself: it was used last, and alone it fits.
        while !self.fits(bytes) {
            gone.push(self.remove_oldest()?);
        }
        self.used_bytes += bytes;
        self.slots.get_mut(piece)?.bytes = grown;
        Some(gone)
    }

    pub(super) fn remove(&mut self, piece: &PieceHash) -> Option<V> {
        let slot = self.slots.remove(piece)?;
        self.order.remove(&slot.used_at);
        self.used_bytes -= slot.bytes;
        Some(slot.value)
    }

    fn remove_oldest(&mut self) -> Option<V> {
        let (_, piece) = self.order.first_key_value()?;
        let piece = *piece;
        self.remove(&piece)
    }

    fn fits(&self, bytes: u64) -> bool {
        self.used_bytes.checked_add(bytes).is_some_and(|sum| sum <= self.limit_bytes)
    }
}
