//! JSON that is written once and sent often.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The JSON of a `T`: to serialise it copies the text. Cloning shares it.
pub struct Rendered<T> {
    json: Arc<RawValue>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> Rendered<T> {
    /// Writes the JSON.
    ///
    /// # Errors
    /// `T` cannot be written as JSON.
    pub fn new(value: &T) -> serde_json::Result<Self> {
        Ok(Self { json: serde_json::value::to_raw_value(value)?.into(), of: PhantomData })
    }
}

impl<T> Rendered<T> {
    /// The text.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json.get()
    }
}

impl<T> Clone for Rendered<T> {
    fn clone(&self) -> Self {
        Self { json: Arc::clone(&self.json), of: PhantomData }
    }
}

impl<T> fmt::Debug for Rendered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rendered").field(&self.json()).finish()
    }
}

impl<T> Serialize for Rendered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}
