//! What a file is: its size, code, segments and the hash of every piece.

use crate::code::{CodeError, ErasureCode};
use crate::hash::{ContentHash, FileId, Hash, PieceHash};
use crate::range::{StripeRange, plan_range};
use parity_scale_codec::{
    Compact, Decode, DecodeAll, DecodeWithMemTracking, Encode, Error as CodecError, Input, MaxEncodedLen,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// The version of manifests that is written.
pub const MANIFEST_VERSION: u8 = 1;

/// The context of [`FileManifest::file_id`].
const FILE_ID_CONTEXT: &str = "piecewise file id v1";

/// One segment of a file.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, Serialize, Deserialize)]
pub struct SegmentManifest {
    /// File bytes in this segment.
    pub len: u64,
    /// The hashes of its `n` pieces, in column order.
    pub piece_hashes: Vec<PieceHash>,
}

/// All that is needed to find, check and rebuild a file. Its hash is the file's name.
///
/// Encoded in SCALE, fields in this order. What came from outside must pass [`check`](Self::check), as
/// [`decode_bounded`](Self::decode_bounded) makes sure.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, Serialize, Deserialize)]
pub struct FileManifest {
    /// [`MANIFEST_VERSION`].
    pub version: u8,
    /// BLAKE3 of the whole file.
    pub content_hash: ContentHash,
    /// Bytes of the file.
    pub size: u64,
    /// How it is coded.
    pub code: ErasureCode,
    /// Its segments in order; none if it is empty.
    pub segments: Vec<SegmentManifest>,
    /// What its bytes are, as the uploader says.
    pub media_type: MediaType,
    /// The hash of the table of objects, if the file is a bundle.
    pub bundle: Option<Hash>,
}

/// What a chain allows of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Bytes of the largest piece.
    pub max_piece_bytes: u32,
    /// Most segments of a file.
    pub max_segments: u32,
}

impl ManifestLimits {
    /// No valid manifest within these limits is encoded in more bytes.
    pub fn encoded_bytes_max(&self) -> u64 {
        const HASH_BYTES: u64 = PieceHash::LENGTH as u64;
        // Of a segment: length, count of at most two bytes, 255 hashes. Of the file: version, content hash, size, code,
        // count of segments, media type, bundle.
        let segment = 8 + 2 + 255 * HASH_BYTES;
        let file = 1 + HASH_BYTES + 8 + 7 + 5 + 2 + MediaType::BYTES_MAX as u64 + 1 + HASH_BYTES;
        u64::from(self.max_segments) * segment + file
    }
}

/// Why a manifest is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not SCALE, or bytes are left over.
    #[error("the bytes are not a manifest")]
    Encoding(#[source] CodecError),
    /// Longer than any valid manifest.
    #[error("the manifest has {actual} bytes, more than {max}")]
    TooLong {
        /// Most bytes.
        max: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// A version that is not known.
    #[error("manifest version {version} is not known")]
    Version {
        /// The version it claims.
        version: u8,
    },
    /// The code is not possible.
    #[error("the manifest's code is not possible")]
    Code(#[source] CodeError),
    /// More segments than are allowed.
    #[error("a file of {size} bytes has {actual} segments, more than {max}")]
    TooManySegments {
        /// Bytes of the file.
        size: u64,
        /// Most segments.
        max: u32,
        /// Segments such a file has.
        actual: u64,
    },
    /// The number of segments does not follow from the size.
    #[error("a file of {size} bytes has {expected} segments, not {actual}")]
    SegmentCount {
        /// Bytes of the file.
        size: u64,
        /// Segments such a file has.
        expected: u64,
        /// Segments listed.
        actual: u64,
    },
    /// A segment's length does not follow from the file's size.
    #[error("segment {segment} has {expected} bytes, not {actual}")]
    SegmentLength {
        /// The segment, from 0.
        segment: u64,
        /// Bytes it must have.
        expected: u64,
        /// Bytes it claims.
        actual: u64,
    },
    /// A segment does not list one hash for each piece.
    #[error("segment {segment} has {expected} pieces, not {actual}")]
    HashCount {
        /// The segment, from 0.
        segment: u64,
        /// Pieces it must have.
        expected: u8,
        /// Hashes listed.
        actual: u64,
    },
    /// An empty file whose content hash is not that of no bytes.
    #[error("the content hash of an empty file is not {actual}")]
    EmptyContent {
        /// The hash it claims.
        actual: ContentHash,
    },
    /// The segments' lengths overflow.
    #[error("the segments are too long to be one file")]
    Overflow,
    /// Not a media type.
    #[error("a media type has at most 127 printable ASCII characters")]
    MediaType,
}

impl FileManifest {
    /// The file's name: BLAKE3 derive-key with context `piecewise file id v1` over the manifest's SCALE.
    pub fn file_id(&self) -> FileId {
        FileId::from_bytes(blake3::derive_key(FILE_ID_CONTEXT, &self.encode()))
    }

    /// Checks that everything follows from `size` and `code`: version, code, number and lengths of segments, one hash
    /// for each piece, the content hash of an empty file. Whether hashes are right only reading tells.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, max_piece_bytes: u32, max_segments: u32) -> Result<(), ManifestError> {
        if self.version != MANIFEST_VERSION {
            return Err(ManifestError::Version { version: self.version });
        }
        self.code.check().map_err(ManifestError::Code)?;
        self.check_segment_count(max_piece_bytes, max_segments)?;
        let lens = self.code.segment_lens(self.size, max_piece_bytes);
        for ((segment, manifest), expected) in (0_u64..).zip(&self.segments).zip(lens) {
            manifest.check(&self.code, segment, expected)?;
        }
        if self.size == 0 && self.content_hash != ContentHash::of(&[]) {
            return Err(ManifestError::EmptyContent { actual: self.content_hash });
        }
        Ok(())
    }

    /// Decodes and checks a manifest from outside: refuses what is too long before decoding, and bytes left over.
    ///
    /// # Errors
    /// [`ManifestError::TooLong`], [`ManifestError::Encoding`], and as [`check`](Self::check).
    pub fn decode_bounded(bytes: &[u8], limits: ManifestLimits) -> Result<Self, ManifestError> {
        let (max, actual) = (limits.encoded_bytes_max(), count(bytes.len()));
        if actual > max {
            return Err(ManifestError::TooLong { max, actual });
        }
        let manifest = Self::decode_all(&mut &*bytes).map_err(ManifestError::Encoding)?;
        manifest.check(limits.max_piece_bytes, limits.max_segments)?;
        Ok(manifest)
    }

    /// The stripes that cover the bytes `range` of the file, segment by segment: see [`plan_range`]. The manifest must
    /// have passed [`check`](Self::check) with the same `max_piece_bytes`.
    pub fn plan_range(&self, range: Range<u64>, max_piece_bytes: u32) -> impl Iterator<Item = StripeRange> + use<> {
        plan_range(self.code, self.size, max_piece_bytes, range)
    }

    fn check_segment_count(&self, max_piece_bytes: u32, max_segments: u32) -> Result<(), ManifestError> {
        let size = self.size;
        let expected = self.code.segment_count(size, max_piece_bytes);
        if expected > u64::from(max_segments) {
            return Err(ManifestError::TooManySegments { size, max: max_segments, actual: expected });
        }
        let actual = count(self.segments.len());
        // No piece size allows no file, not one of no segments.
        if expected != actual || (size > 0 && expected == 0) {
            return Err(ManifestError::SegmentCount { size, expected, actual });
        }
        Ok(())
    }
}

impl SegmentManifest {
    fn check(&self, code: &ErasureCode, segment: u64, expected: u64) -> Result<(), ManifestError> {
        if self.len != expected {
            return Err(ManifestError::SegmentLength { segment, expected, actual: self.len });
        }
        if self.piece_hashes.len() != usize::from(code.n) {
            return Err(ManifestError::HashCount { segment, expected: code.n, actual: count(self.piece_hashes.len()) });
        }
        Ok(())
    }
}

/// Collects the segments of a file that is being encoded.
#[derive(Debug, Clone)]
pub struct ManifestBuilder {
    code: ErasureCode,
    max_piece_bytes: u32,
    media_type: MediaType,
    bundle: Option<Hash>,
    segments: Vec<SegmentManifest>,
}

impl ManifestBuilder {
    /// A builder without segments: an empty file.
    pub fn new(code: ErasureCode, max_piece_bytes: u32, media_type: MediaType) -> Self {
        Self { code, max_piece_bytes, media_type, bundle: None, segments: Vec::new() }
    }

    /// Marks the file as a bundle with this table.
    pub fn set_bundle(&mut self, table: Hash) {
        self.bundle = Some(table);
    }

    /// Adds the next segment.
    pub fn add_segment(&mut self, segment: SegmentManifest) {
        self.segments.push(segment);
    }

    /// The manifest, checked. How many segments a chain allows is checked where that is known.
    ///
    /// # Errors
    /// As [`FileManifest::check`].
    pub fn finish(self, content_hash: ContentHash) -> Result<FileManifest, ManifestError> {
        let size = self
            .segments
            .iter()
            .try_fold(0_u64, |sum, segment| sum.checked_add(segment.len))
            .ok_or(ManifestError::Overflow)?;
        let manifest = FileManifest {
            version: MANIFEST_VERSION,
            content_hash,
            size,
            code: self.code,
            segments: self.segments,
            media_type: self.media_type,
            bundle: self.bundle,
        };
        manifest.check(self.max_piece_bytes, u32::MAX)?;
        Ok(manifest)
    }
}

/// A media type such as `text/plain`: at most 127 characters of printable ASCII, perhaps none. Nothing else is checked,
/// and nothing follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Encode, DecodeWithMemTracking, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaType(String);

impl MediaType {
    /// Most bytes.
    pub const BYTES_MAX: usize = 127;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MediaType {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if text.len() > Self::BYTES_MAX || !printable {
            return Err(ManifestError::MediaType);
        }
        Ok(Self(text))
    }
}

impl FromStr for MediaType {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        Self::try_from(text.to_owned())
    }
}

impl From<MediaType> for String {
    fn from(media_type: MediaType) -> Self {
        media_type.0
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for MediaType {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let refused = || CodecError::from("media type is not 0..=127 printable ascii characters");
        let Compact(len) = Compact::<u32>::decode(input)?;
        let len = usize::try_from(len).map_err(|_| refused())?;
        if len > Self::BYTES_MAX {
            return Err(refused());
        }
        let mut bytes = vec![0; len];
        input.read(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| refused())?;
        Self::try_from(text).map_err(|_| refused())
    }
}

impl MaxEncodedLen for MediaType {
    fn max_encoded_len() -> usize {
        // Lengths from 64 on have a prefix of two bytes.
        2 + Self::BYTES_MAX
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
