//! Stripes into units, and all hashes on the way.

mod file;

pub use file::{FileEncoder, FileEvent};

use crate::code::{CodeError, ErasureCode};
use crate::codec::{Codec, Row, apply};
use crate::hash::PieceHash;
use crate::manifest::{ManifestError, SegmentManifest};
use crate::spares::Spares;
use bytes::{Bytes, BytesMut};

/// Why bytes cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The code is not possible.
    #[error("the code is not possible")]
    Code(#[source] CodeError),
    /// A full stripe was expected.
    #[error("a full stripe has {expected} bytes, not {actual}")]
    StripeLength {
        /// Bytes of a full stripe.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// The rest of a segment must be shorter than a stripe.
    #[error("the rest of a segment is shorter than {stripe_bytes} bytes, not {actual}")]
    RestLength {
        /// Bytes of a full stripe.
        stripe_bytes: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// Nothing was pushed: a segment has at least one byte, an empty file has no segments.
    #[error("a segment cannot be empty")]
    EmptySegment,
    /// The largest piece must hold whole units of 64 bytes.
    #[error("pieces of at most {max_piece_bytes} bytes are not possible: not a multiple of 64")]
    MaxPiece {
        /// Bytes of the largest piece.
        max_piece_bytes: u32,
    },
    /// A file has at most 65,535 segments, as their index has 16 bits; chains allow fewer.
    #[error("the file has too many segments")]
    TooManySegments,
    /// The manifest of what was encoded is not valid.
    #[error("the file's manifest is not valid")]
    Manifest(#[source] ManifestError),
}

/// Encodes one segment stripe by stripe. Holds one stripe's parity, whatever the segment's length.
#[derive(Debug)]
pub struct SegmentEncoder {
    code: ErasureCode,
    parity_rows: Vec<Row>,
    hashers: Vec<blake3::Hasher>,
    /// Parity of the stripes before.
    spares: Spares,
    len: u64,
}

impl SegmentEncoder {
    /// An encoder of a new segment.
    ///
    /// # Errors
    /// [`EncodeError::Code`].
    pub fn new(code: ErasureCode) -> Result<Self, EncodeError> {
        let codec = Codec::new(&code).map_err(EncodeError::Code)?;
        let data_columns: Vec<u8> = (0..code.k).collect();
        let rows = codec.rows(&data_columns).ok_or(EncodeError::Code(CodeError::Counts { k: code.k, n: code.n }))?;
        let parity_rows = rows.into_iter().skip(usize::from(code.k)).collect();
        Ok(Self {
            code,
            parity_rows,
            hashers: vec![blake3::Hasher::new(); usize::from(code.n)],
            spares: Spares::default(),
            len: 0,
        })
    }

    /// The code it encodes with.
    pub fn code(&self) -> &ErasureCode {
        &self.code
    }

    /// Bytes taken so far.
    pub fn segment_len(&self) -> u64 {
        self.len
    }

    /// Encodes the next full stripe, exactly [`ErasureCode::stripe_bytes`] long: its `n` units in column order. Copies
    /// the stripe once; [`push_bytes`](Self::push_bytes) does not.
    ///
    /// # Errors
    /// [`EncodeError::StripeLength`].
    pub fn push(&mut self, stripe: &[u8]) -> Result<Vec<Bytes>, EncodeError> {
        self.check_stripe(stripe)?;
        self.push_bytes(Bytes::copy_from_slice(stripe))
    }

    /// As [`push`](Self::push), without a copy: the `k` data units are slices of `stripe`. Parity units have a buffer
    /// each, so a slow receiver of one column holds no memory of the others; buffers that were dropped are used again.
    ///
    /// # Errors
    /// [`EncodeError::StripeLength`].
    pub fn push_bytes(&mut self, stripe: Bytes) -> Result<Vec<Bytes>, EncodeError> {
        self.check_stripe(&stripe)?;
        self.len += self.code.stripe_bytes();
        Ok(self.encode(stripe, self.code.unit_bytes))
    }

    /// Ends the segment with what is left, less than a stripe and perhaps nothing: the shorter units of the last
    /// stripe, if there is one, and the segment's manifest with all `n` hashes.
    ///
    /// # Errors
    /// [`EncodeError::RestLength`], or [`EncodeError::EmptySegment`] if there was no byte at all.
    pub fn finish(mut self, rest: &[u8]) -> Result<(Option<Vec<Bytes>>, SegmentManifest), EncodeError> {
        let stripe_bytes = self.code.stripe_bytes();
        let actual = len_u64(rest);
        if actual >= stripe_bytes {
            return Err(EncodeError::RestLength { stripe_bytes, actual });
        }
        self.len += actual;
        if self.len == 0 {
            return Err(EncodeError::EmptySegment);
        }
        let last_unit_bytes = self.code.last_unit_bytes(self.len);
        let units = (actual > 0).then(|| {
            let mut padded = BytesMut::zeroed(usize_of(last_unit_bytes) * usize::from(self.code.k));
            padded[..rest.len()].copy_from_slice(rest);
            self.encode(padded.freeze(), last_unit_bytes)
        });
        let piece_hashes =
            self.hashers.iter().map(|hasher| PieceHash::from_bytes(*hasher.finalize().as_bytes())).collect();
        let manifest = SegmentManifest { len: self.len, piece_hashes };
        Ok((units, manifest))
    }

    fn check_stripe(&self, stripe: &[u8]) -> Result<(), EncodeError> {
        let (expected, actual) = (self.code.stripe_bytes(), len_u64(stripe));
        if expected != actual {
            return Err(EncodeError::StripeLength { expected, actual });
        }
        Ok(())
    }

    /// Codes and hashes `k` units that lie one after another.
    fn encode(&mut self, stripe: Bytes, unit_bytes: u32) -> Vec<Bytes> {
        let unit_bytes = usize_of(unit_bytes);
        let mut units: Vec<Bytes> = (0..usize::from(self.code.k))
            .map(|column| stripe.slice(column * unit_bytes..(column + 1) * unit_bytes))
            .collect();
        let mut parity: Vec<BytesMut> = (0..self.parity_rows.len()).map(|_| self.spares.take(unit_bytes)).collect();
        let rows: Vec<&[u8]> = self.parity_rows.iter().map(Vec::as_slice).collect();
        let inputs: Vec<&[u8]> = units.iter().map(AsRef::as_ref).collect();
        let mut outputs: Vec<&mut [u8]> = parity.iter_mut().map(AsMut::as_mut).collect();
        apply(&rows, &inputs, &mut outputs);
        units.extend(parity.into_iter().map(|unit| self.spares.freeze(unit)));
        for (hasher, unit) in self.hashers.iter_mut().zip(&units) {
            hasher.update(unit);
        }
        units
    }
}

fn len_u64(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// Units are at most 1 MiB, which every platform can address.
fn usize_of(unit_bytes: u32) -> usize {
    usize::try_from(unit_bytes).unwrap_or(usize::MAX)
}
