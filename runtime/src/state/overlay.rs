//! Changes on top of a view, with a layer for one transaction that can be rolled back.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Changes, StateError, StateView, encode_value};
use crate::tables::Table;

/// A view with changes on top. Writes go to the transaction's layer while one is open, to the block's otherwise.
#[derive(Debug)]
pub struct Overlay<'a, V> {
    base: &'a V,
    block: Changes,
    transaction: Option<Changes>,
}

impl<'a, V: StateView> Overlay<'a, V> {
    /// Nothing changed yet.
    #[must_use]
    pub const fn new(base: &'a V) -> Self {
        Self { base, block: BTreeMap::new(), transaction: None }
    }

    /// Opens the layer of a transaction. One that was open is kept.
    pub fn begin(&mut self) {
        self.keep();
        self.transaction = Some(BTreeMap::new());
    }

    /// Ends the layer of a transaction and keeps what it changed.
    pub fn keep(&mut self) {
        if let Some(changes) = self.transaction.take() {
            self.block.extend(changes);
        }
    }

    /// Ends the layer of a transaction as if it had changed nothing.
    pub fn roll_back(&mut self) {
        self.transaction = None;
    }

    /// Sets a value.
    pub fn write<T: Table>(&mut self, key: &T::Key, value: &T::Value) {
        self.top().insert(T::key(key), Some(encode_value(value)));
    }

    /// Removes a value.
    pub fn remove<T: Table>(&mut self, key: &T::Key) {
        self.remove_key(T::key(key));
    }

    /// Removes the value of a whole key.
    pub fn remove_key(&mut self, key: Vec<u8>) {
        self.top().insert(key, None);
    }

    /// All changes, an open transaction's included. What was made and removed again is not among them.
    ///
    /// # Errors
    /// [`StateError`] if a read failed.
    pub fn finish(mut self) -> Result<Changes, StateError> {
        self.keep();
        let mut gone = Vec::new();
        for (key, _) in self.block.iter().filter(|(_, value)| value.is_none()) {
            if self.base.get(key)?.is_none() {
                gone.push(key.clone());
            }
        }
        for key in gone {
            self.block.remove(&key);
        }
        Ok(self.block)
    }

    fn top(&mut self) -> &mut Changes {
        self.transaction.as_mut().unwrap_or(&mut self.block)
    }

    /// What the layers say about `key`; none if they say nothing.
    fn change(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.transaction.as_ref().and_then(|layer| layer.get(key)).or_else(|| self.block.get(key))
    }

    /// The least key in `from..until` that a layer sets or removes.
    fn next_changed(&self, from: &[u8], until: &[u8]) -> Option<Vec<u8>> {
        let range = (Bound::Included(from), Bound::Excluded(until));
        let first = |layer: &Changes| layer.range::<[u8], _>(range).next().map(|(key, _)| key.clone());
        let block = first(&self.block);
        let transaction = self.transaction.as_ref().and_then(first);
        block.into_iter().chain(transaction).min()
    }
}

impl<V: StateView> StateView for Overlay<'_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.change(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let mut from = from.to_vec();
        while from.as_slice() < until {
            let below = self.base.next_key(&from, until)?;
            let Some(key) = below.into_iter().chain(self.next_changed(&from, until)).min() else {
                return Ok(None);
            };
            if !matches!(self.change(&key), Some(None)) {
                return Ok(Some(key));
            }
            // Removed: go on behind it. The least key above `key` is `key` with a zero byte.
            from = key;
            from.push(0);
        }
        Ok(None)
    }
}
