//! A state that notes what is read of it: what an answer is made of is what a proof of it must show.

use std::cell::RefCell;
use std::collections::BTreeSet;

use runtime::state::{StateError, StateView};

/// A view of `V` that notes each key that is read.
pub struct Recorded<'a, V> {
    state: &'a V,
    keys: RefCell<BTreeSet<Vec<u8>>>,
}

impl<'a, V: StateView> Recorded<'a, V> {
    /// Nothing is read yet.
    pub const fn new(state: &'a V) -> Self {
        Self { state, keys: RefCell::new(BTreeSet::new()) }
    }

    /// The keys read so far, those without a value too.
    pub fn keys(self) -> BTreeSet<Vec<u8>> {
        self.keys.into_inner()
    }
}

impl<V: StateView> StateView for Recorded<'_, V> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.keys.borrow_mut().insert(key.to_vec());
        self.state.get(key)
    }

    fn next_key(&self, _: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        // No proof shows that there is nothing between two keys.
        Err(StateError("ranges of keys cannot be proven".into()))
    }
}
