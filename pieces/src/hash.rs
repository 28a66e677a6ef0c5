//! One newtype per 32-byte hash, all from one recipe.
//!
//! A piece is not a file and a file's bytes are not its manifest, so each noun has its own type. The recipe is a macro
//! that is exported, so that other crates make their own nouns (blocks, transactions, deals) in exactly the same way.

use std::fmt;

/// A text is not 32 bytes of hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hex digits, with or without 0x")]
pub struct ParseHashError;

/// Reads 64 hex digits of either case, with or without `0x`.
///
/// # Errors
/// Any other text.
pub fn parse_hex32(text: &str) -> Result<[u8; 32], ParseHashError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| ParseHashError)?;
    Ok(bytes)
}

/// Writes lower-case hex digits, no `0x`. Answers are full of hashes, so this allocates nothing.
///
/// # Errors
/// The formatter's.
pub fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const BYTES_AT_ONCE: usize = 32;
    let mut digits = [0; 2 * BYTES_AT_ONCE];
    for part in bytes.chunks(BYTES_AT_ONCE) {
        let digits = digits.get_mut(..2 * part.len()).ok_or(fmt::Error)?;
        hex::encode_to_slice(part, digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(digits).map_err(|_| fmt::Error)?)?;
    }
    Ok(())
}

/// What the expansion of [`hash_newtype!`](crate::hash_newtype) needs, so that callers need no dependency of their own.
#[doc(hidden)]
pub mod recipe {
    pub use hex;
    pub use parity_scale_codec;
    pub use serde;
}

/// Declares newtypes of 32 bytes: `hash_newtype! { /// What it names. pub struct BlockHash; }`.
///
/// Each has `LENGTH`, `ZERO`, `from_bytes`, `as_bytes`, `Display` (64 lower-case hex digits, no `0x`), `Debug`
/// (`Name(first eight digits)`), `FromStr` (with or without `0x`), serde (a `0x...` string), SCALE (the 32 bytes),
/// `Ord`, `Hash`, `Copy` and `AsRef<[u8]>`. None has `Deref` or a conversion to another noun.
#[macro_export]
macro_rules! hash_newtype {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name([u8; 32]);

        impl $name {
            /// Bytes of this hash.
            pub const LENGTH: usize = 32;
            /// All bytes zero: a placeholder, never the hash of something known.
            pub const ZERO: Self = Self([0; 32]);

            /// The hash with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of this hash.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl ::core::convert::AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::hash::write_hex(&self.0, f)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(::core::concat!(::core::stringify!($name), "("))?;
                self.0.iter().take(4).try_for_each(|byte| ::core::write!(f, "{byte:02x}"))?;
                f.write_str(")")
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::hash::ParseHashError;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                $crate::hash::parse_hex32(text).map(Self)
            }
        }

        impl $crate::hash::recipe::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
            where
                S: $crate::hash::recipe::serde::Serializer,
            {
                serializer.collect_str(&::core::format_args!("0x{self}"))
            }
        }

        impl<'de> $crate::hash::recipe::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> ::core::result::Result<Self, D::Error>
            where
                D: $crate::hash::recipe::serde::Deserializer<'de>,
            {
                let text: ::std::borrow::Cow<'de, str> =
                    $crate::hash::recipe::serde::Deserialize::deserialize(deserializer)?;
                text.parse().map_err($crate::hash::recipe::serde::de::Error::custom)
            }
        }

        impl $crate::hash::recipe::parity_scale_codec::Encode for $name {
            fn size_hint(&self) -> usize {
                Self::LENGTH
            }

            fn encode_to<W>(&self, dest: &mut W)
            where
                W: $crate::hash::recipe::parity_scale_codec::Output + ?Sized,
            {
                dest.write(&self.0);
            }
        }

        impl $crate::hash::recipe::parity_scale_codec::EncodeLike for $name {}

        impl $crate::hash::recipe::parity_scale_codec::Decode for $name {
            fn decode<I>(
                input: &mut I,
            ) -> ::core::result::Result<Self, $crate::hash::recipe::parity_scale_codec::Error>
            where
                I: $crate::hash::recipe::parity_scale_codec::Input,
            {
                let mut bytes = [0_u8; 32];
                input.read(&mut bytes)?;
                ::core::result::Result::Ok(Self(bytes))
            }

            fn encoded_fixed_size() -> ::core::option::Option<usize> {
                ::core::option::Option::Some(Self::LENGTH)
            }
        }

        impl $crate::hash::recipe::parity_scale_codec::DecodeWithMemTracking for $name {}

        impl $crate::hash::recipe::parity_scale_codec::MaxEncodedLen for $name {
            fn max_encoded_len() -> usize {
                Self::LENGTH
            }
        }
    )+};
}

hash_newtype! {
    /// BLAKE3 of all bytes of a file, as `b3sum` prints it. Anybody may claim it; only reading the bytes proves it.
    pub struct ContentHash;
    /// BLAKE3 of one piece, which is also the root of its bao tree.
    pub struct PieceHash;
    /// Names a file: a derive-key hash of its manifest.
    pub struct FileId;
    /// Names an object inside a bundle: a derive-key hash of the bundle's [`FileId`] and the object's index.
    pub struct ObjectId;
    /// Any other 32-byte hash.
    pub struct Hash;
}

impl ContentHash {
    /// The hash of `content`, all of it.
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }
}

impl PieceHash {
    /// The hash of `piece`, all of it.
    pub fn of(piece: &[u8]) -> Self {
        Self(*blake3::hash(piece).as_bytes())
    }
}
