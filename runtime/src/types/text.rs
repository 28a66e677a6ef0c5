//! Short text with a named bound: operators, zones, addresses, profile names.

use std::fmt;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, Error, Input};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Printable ASCII of at most `MAX` bytes; encoded as a SCALE byte vector.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode)]
pub struct Text<const MAX: usize>(String);

/// Text that is too long or not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text must be printable ASCII of at most {limit_bytes} bytes")]
pub struct TextError {
    /// The bound of the type.
    pub limit_bytes: usize,
}

impl<const MAX: usize> Text<MAX> {
    /// Takes `text` if it is within the bound.
    ///
    /// # Errors
    /// [`TextError`] if it is longer than `MAX` bytes or not printable ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if text.len() > MAX || !printable {
            return Err(TextError { limit_bytes: MAX });
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Decode for Text<MAX> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes = Vec::<u8>::decode(input)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::from("text is not ASCII"))?;
        Self::new(text).map_err(|_| Error::from("text is too long or not printable ASCII"))
    }
}

impl<const MAX: usize> DecodeWithMemTracking for Text<MAX> {}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
