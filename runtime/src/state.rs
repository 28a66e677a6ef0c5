//! The state as the rules see it: bytes by key, read through a view, changed in an overlay.
//!
//! Every stored value has one byte of version in front of its SCALE; [`encode_value`] and [`decode_value`] put it there
//! and take it away, nobody else does.

use std::collections::BTreeMap;

use parity_scale_codec::{DecodeAll, Encode};
use thiserror::Error;

use crate::tables::Table;

mod overlay;

pub use overlay::Overlay;

/// Version of every value written so far.
const VALUE_VERSION: u8 = 1;

/// A read failed, or gave what no rule can have written: fatal for whoever executes, and not a rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the state cannot be read: {0}")]
pub struct StateError(pub String);

/// What a block changes: the new value of a key, or none if it is deleted.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A state that can be read.
pub trait StateView {
    /// The value of `key`, version byte included.
    ///
    /// # Errors
    /// [`StateError`] if the read failed.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// The least key that has a value in `from..until`.
    ///
    /// # Errors
    /// [`StateError`] if the read failed.
    fn next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
}

impl<V: StateView + ?Sized> StateView for &V {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        (**self).get(key)
    }

    fn next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        (**self).next_key(from, until)
    }
}

/// Typed reads of a view.
pub trait ReadTables: StateView {
    /// The value that `T` has at `key`.
    ///
    /// # Errors
    /// [`StateError`] if the read failed or the value is not one of this table.
    fn read<T: Table>(&self, key: &T::Key) -> Result<Option<T::Value>, StateError> {
        self.get(&T::key(key))?.map(|bytes| decode_value::<T>(&bytes)).transpose()
    }

    /// The value that `T` must have at `key`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and if there is none.
    fn require<T: Table>(&self, key: &T::Key) -> Result<T::Value, StateError> {
        self.read::<T>(key)?.ok_or_else(|| StateError(format!("table {} lacks a value it must have", T::NAME)))
    }
}

impl<V: StateView + ?Sized> ReadTables for V {}

/// The version byte, then the SCALE of `value`.
#[must_use]
pub fn encode_value<V: Encode>(value: &V) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + value.size_hint());
    bytes.push(VALUE_VERSION);
    value.encode_to(&mut bytes);
    bytes
}

/// Reads what [`encode_value`] wrote for table `T`.
///
/// # Errors
/// [`StateError`] if the version is unknown, the bytes are not this value, or bytes are left over.
pub fn decode_value<T: Table>(bytes: &[u8]) -> Result<T::Value, StateError> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, mut scale)) => T::Value::decode_all(&mut scale)
            .map_err(|error| StateError(format!("a value of table {} is malformed: {error}", T::NAME))),
        Some((version, _)) => Err(StateError(format!("table {} has a value of version {version}", T::NAME))),
        None => Err(StateError(format!("table {} has an empty value", T::NAME))),
    }
}

/// The first key behind all keys that begin with `prefix`: where to stop when reading them.
///
/// A prefix of nothing but `0xff` has no such key; as table tags are small, none of ours is that.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

/// A state in memory: for tests, for genesis, and where nothing needs to last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState(BTreeMap<Vec<u8>, Vec<u8>>);

impl MemoryState {
    /// Makes the changes of a block.
    pub fn apply(&mut self, changes: &Changes) {
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }

    /// All entries in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl From<Changes> for MemoryState {
    fn from(changes: Changes) -> Self {
        Self(changes.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect())
    }
}

impl StateView for MemoryState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn next_key(&self, from: &[u8], until: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        // A BTreeMap panics on a range that ends before it starts.
        if from >= until {
            return Ok(None);
        }
        Ok(self
            .0
            .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(until)))
            .next()
            .map(|(key, _)| key.clone()))
    }
}
