//! Many small objects in one file.

use crate::hash::{ContentHash, FileId, Hash, ObjectId};
use parity_scale_codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, Error as CodecError, MaxEncodedLen};
use serde::{Deserialize, Serialize};

/// Most objects of a bundle.
pub const BUNDLE_ENTRIES_MAX: usize = 1024;

/// The context of [`BundleTable::hash`].
const TABLE_CONTEXT: &str = "piecewise bundle table v1";
/// The context of [`object_id`].
const OBJECT_ID_CONTEXT: &str = "piecewise object id v1";

/// One object of a bundle.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, Serialize, Deserialize,
)]
pub struct BundleEntry {
    /// BLAKE3 of the object.
    pub content_hash: ContentHash,
    /// Where it starts in the bundle.
    pub offset: u64,
    /// Its bytes.
    pub len: u64,
}

/// The objects of a bundle: one after another, from the file's first byte to its last, 1 to 1024 of them.
///
/// Encoded in SCALE as a vector of entries. What came from outside must pass [`check`](Self::check), as
/// [`decode_bounded`](Self::decode_bounded) makes sure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, Serialize, Deserialize)]
pub struct BundleTable {
    /// The objects, in order.
    pub entries: Vec<BundleEntry>,
}

/// Why a table is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not SCALE, or bytes are left over.
    #[error("the bytes are not a bundle table")]
    Encoding(#[source] CodecError),
    /// Longer than any valid table.
    #[error("the bundle table has {actual} bytes, more than {max}")]
    TooLong {
        /// Most bytes.
        max: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// No objects, or too many.
    #[error("a bundle holds 1 to 1024 objects, not {actual}")]
    EntryCount {
        /// Objects listed.
        actual: u64,
    },
    /// An object does not start where the one before ends.
    #[error("object {index} starts at {expected}, not at {actual}")]
    Offset {
        /// The object, from 0.
        index: u32,
        /// Where it must start.
        expected: u64,
        /// Where it claims to start.
        actual: u64,
    },
    /// The objects do not end where the file ends.
    #[error("the objects end at {actual}, the file at {expected}")]
    End {
        /// Bytes of the file.
        expected: u64,
        /// Where the last object ends; `u64::MAX` if it lies beyond.
        actual: u64,
    },
}

impl BundleTable {
    /// No valid table is encoded in more bytes.
    pub const ENCODED_BYTES_MAX: u64 = 2 + 48 * BUNDLE_ENTRIES_MAX as u64;

    /// Adds an object of `len` bytes behind the others.
    ///
    /// # Errors
    /// [`BundleError::EntryCount`] if the bundle is full, [`BundleError::End`] if offsets would overflow.
    pub fn push(&mut self, content_hash: ContentHash, len: u64) -> Result<(), BundleError> {
        if self.entries.len() >= BUNDLE_ENTRIES_MAX {
            let actual = count(self.entries.len()).saturating_add(1);
            return Err(BundleError::EntryCount { actual });
        }
        let offset = self.entries.last().map_or(0, BundleEntry::end);
        let entry = BundleEntry { content_hash, offset, len };
        offset.checked_add(len).ok_or(BundleError::End { expected: u64::MAX, actual: u64::MAX })?;
        self.entries.push(entry);
        Ok(())
    }

    /// Bytes of the bundle's file.
    pub fn file_bytes(&self) -> u64 {
        self.entries.last().map_or(0, BundleEntry::end)
    }

    /// Checks the table of a file of `file_bytes` bytes: 1 to 1024 objects, each starting where the one before ends,
    /// the first at 0, the last ending at the file's end. Objects may be empty.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, file_bytes: u64) -> Result<(), BundleError> {
        if self.entries.is_empty() || self.entries.len() > BUNDLE_ENTRIES_MAX {
            return Err(BundleError::EntryCount { actual: count(self.entries.len()) });
        }
        let mut expected = 0;
        for (index, entry) in (0_u32..).zip(&self.entries) {
            if entry.offset != expected {
                return Err(BundleError::Offset { index, expected, actual: entry.offset });
            }
            expected = entry.end();
        }
        if expected != file_bytes {
            return Err(BundleError::End { expected: file_bytes, actual: expected });
        }
        Ok(())
    }

    /// Decodes and checks a table from outside: refuses what is too long before decoding, and bytes left over.
    ///
    /// # Errors
    /// [`BundleError::TooLong`], [`BundleError::Encoding`], and as [`check`](Self::check).
    pub fn decode_bounded(bytes: &[u8], file_bytes: u64) -> Result<Self, BundleError> {
        let (max, actual) = (Self::ENCODED_BYTES_MAX, count(bytes.len()));
        if actual > max {
            return Err(BundleError::TooLong { max, actual });
        }
        let table = Self::decode_all(&mut &*bytes).map_err(BundleError::Encoding)?;
        table.check(file_bytes)?;
        Ok(table)
    }

    /// The hash that binds the table to the manifest: BLAKE3 derive-key with context `piecewise bundle table v1` over
    /// its SCALE.
    pub fn hash(&self) -> Hash {
        Hash::from_bytes(blake3::derive_key(TABLE_CONTEXT, &self.encode()))
    }

    /// Object `index`, if there is one.
    pub fn get(&self, index: u32) -> Option<&BundleEntry> {
        self.entries.get(usize::try_from(index).ok()?)
    }
}

impl BundleEntry {
    /// Where the object ends; `u64::MAX` instead of an overflow, which no file reaches.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// The name of object `index` of the bundle `file`: BLAKE3 derive-key with context `piecewise object id v1` over SCALE
/// of both.
pub fn object_id(file: FileId, index: u32) -> ObjectId {
    ObjectId::from_bytes(blake3::derive_key(OBJECT_ID_CONTEXT, &(file, index).encode()))
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
