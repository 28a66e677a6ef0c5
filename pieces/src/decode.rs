//! Any `k` verified units of a stripe back into the file's bytes, or into the units that are missing.

mod codeword;

use crate::code::{CodeError, ErasureCode};
use crate::codec::{Codec, Row, apply};
use crate::hash::PieceHash;
use crate::manifest::SegmentManifest;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Mutex, PoisonError};

/// A unit whose bytes were hashed up to the [`PieceHash`] of its piece. Only
/// [`VerifiedSlice::units`](crate::VerifiedSlice::units) makes one, so that unverified bytes cannot reach the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedUnit {
    column: u8,
    stripe: u64,
    piece: PieceHash,
    bytes: Bytes,
}

impl VerifiedUnit {
    pub(crate) fn new(column: u8, stripe: u64, piece: PieceHash, bytes: Bytes) -> Self {
        Self { column, stripe, piece, bytes }
    }

    /// Column of the unit's piece, `0..n`.
    pub fn column(&self) -> u8 {
        self.column
    }

    /// Stripe of the segment, from 0.
    pub fn stripe(&self) -> u64 {
        self.stripe
    }

    /// The piece it was verified against.
    pub fn piece(&self) -> PieceHash {
        self.piece
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Why units do not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The code is not possible.
    #[error("the segment's code is not possible")]
    Code(#[source] CodeError),
    /// The segment has no such stripe.
    #[error("there is no stripe {stripe} of {count}")]
    Stripe {
        /// The stripe asked for.
        stripe: u64,
        /// Stripes there are.
        count: u64,
    },
    /// The code has no such column.
    #[error("there is no column {column} of {n}")]
    Column {
        /// The column.
        column: u8,
        /// Columns there are.
        n: u8,
    },
    /// A unit of another stripe.
    #[error("column {column} is a unit of stripe {actual}, not {expected}")]
    OtherStripe {
        /// The unit's column.
        column: u8,
        /// The stripe asked for.
        expected: u64,
        /// The unit's stripe.
        actual: u64,
    },
    /// A chunk of another offset.
    #[error("column {column} is chunk {actual}, not {expected}")]
    OtherChunk {
        /// The chunk's column.
        column: u8,
        /// The index of the first chunk given.
        expected: u64,
        /// This chunk's index.
        actual: u64,
    },
    /// A unit of a piece that the manifest does not list at its column.
    #[error("column {column} is not piece {piece}")]
    OtherPiece {
        /// The unit's column.
        column: u8,
        /// The piece the unit was verified against.
        piece: PieceHash,
    },
    /// A unit of another length.
    #[error("the unit of column {column} has {actual} bytes, not {expected}")]
    UnitLength {
        /// The unit's column.
        column: u8,
        /// Bytes it must have.
        expected: u64,
        /// Bytes it has.
        actual: u64,
    },
    /// Fewer different columns than `k`.
    #[error("{have} different columns are too few: {k} are needed")]
    TooFew {
        /// Different columns given.
        have: usize,
        /// Columns needed.
        k: u8,
    },
    /// Bytes behind the segment's end are not zero: whoever encoded the file did it wrong.
    #[error("the padding of stripe {stripe} is not zero")]
    Padding {
        /// The last stripe.
        stripe: u64,
    },
}

/// The rows of all columns over one choice of `k` columns.
#[derive(Debug)]
struct Basis {
    present: Vec<u8>,
    rows: Vec<Row>,
}

/// Decodes the stripes of one segment, in any order, from any `k` columns. Can be shared among threads.
#[derive(Debug)]
pub struct SegmentDecoder {
    code: ErasureCode,
    segment_len: u64,
    piece_hashes: Option<Vec<PieceHash>>,
    codec: Codec,
    /// The last choice of columns. A segment is nearly always read from the same `k` holders, and inverting a matrix
    /// costs as much as decoding some 100 KiB.
    basis: Mutex<Option<Arc<Basis>>>,
}

impl SegmentDecoder {
    /// A decoder of a segment of `segment_len` bytes. The caller vouches that units come from this segment's pieces and
    /// bear their columns.
    ///
    /// # Errors
    /// [`DecodeError::Code`].
    pub fn new(code: ErasureCode, segment_len: u64) -> Result<Self, DecodeError> {
        let codec = Codec::new(&code).map_err(DecodeError::Code)?;
        Ok(Self { code, segment_len, piece_hashes: None, codec, basis: Mutex::new(None) })
    }

    /// A decoder that also checks each unit to be of the piece that the manifest lists at its column.
    ///
    /// # Errors
    /// [`DecodeError::Code`].
    pub fn for_segment(code: ErasureCode, segment: &SegmentManifest) -> Result<Self, DecodeError> {
        let decoder = Self::new(code, segment.len)?;
        let piece_hashes = Some(segment.piece_hashes.clone());
        Ok(Self { piece_hashes, ..decoder })
    }

    /// The file's bytes of stripe `stripe`, without padding, in parts: the units of data columns as they are, without a
    /// copy, and those that are missing. `units` are units of this stripe, in any order; more than `k` columns and
    /// repeated ones are allowed and ignored, data columns are preferred.
    ///
    /// # Errors
    /// A unit that is not of this stripe, too few columns, or padding that is not zero.
    pub fn decode_stripe(&self, stripe: u64, units: Vec<VerifiedUnit>) -> Result<Vec<Bytes>, DecodeError> {
        let chosen = self.choose(stripe, units)?;
        let unit_bytes = chosen.first().map_or(0, |unit| unit.bytes.len());
        let basis = match chosen.last() {
            Some(last) if last.column >= self.code.k => Some(self.basis(&columns_of(&chosen))?),
            _ => None,
        };
        let inputs: Vec<&[u8]> = chosen.iter().map(|unit| unit.bytes.as_ref()).collect();
        let mut parts = Vec::with_capacity(usize::from(self.code.k));
        let mut present = chosen.iter().peekable();
        for column in 0..self.code.k {
            if let Some(unit) = present.next_if(|unit| unit.column == column) {
                parts.push(unit.bytes.clone());
                continue;
            }
            let row = row_of(basis.as_deref(), column, self.code.n)?;
            let mut rebuilt = BytesMut::zeroed(unit_bytes);
            apply(&[row], &inputs, &mut [&mut rebuilt]);
            parts.push(rebuilt.freeze());
        }
        self.cut_padding(stripe, parts)
    }

    /// The units of the columns `missing` of stripe `stripe`, in the order asked for: what repair writes. `units` as in
    /// [`decode_stripe`](Self::decode_stripe). The rebuilt piece still has to be compared with its [`PieceHash`].
    ///
    /// # Errors
    /// A unit that is not of this stripe, too few columns, or a column that does not exist.
    pub fn rebuild_columns(
        &self,
        stripe: u64,
        units: Vec<VerifiedUnit>,
        missing: &[u8],
    ) -> Result<Vec<Bytes>, DecodeError> {
        let chosen = self.choose(stripe, units)?;
        let unit_bytes = chosen.first().map_or(0, |unit| unit.bytes.len());
        let basis = self.basis(&columns_of(&chosen))?;
        let inputs: Vec<&[u8]> = chosen.iter().map(|unit| unit.bytes.as_ref()).collect();
        let rows =
            missing.iter().map(|column| row_of(Some(&basis), *column, self.code.n)).collect::<Result<Vec<_>, _>>()?;
        let mut rebuilt = vec![BytesMut::zeroed(unit_bytes); missing.len()];
        let mut outputs: Vec<&mut [u8]> = rebuilt.iter_mut().map(AsMut::as_mut).collect();
        apply(&rows, &inputs, &mut outputs);
        Ok(rebuilt.into_iter().map(BytesMut::freeze).collect())
    }

    /// The `k` lowest of the given columns, ascending: data first, because it needs no algebra.
    fn choose(&self, stripe: u64, mut units: Vec<VerifiedUnit>) -> Result<Vec<VerifiedUnit>, DecodeError> {
        let unit_bytes = self
            .code
            .unit_bytes_at(self.segment_len, stripe)
            .ok_or(DecodeError::Stripe { stripe, count: self.code.stripe_count(self.segment_len) })?;
        let unit_bytes = usize::try_from(unit_bytes).unwrap_or(usize::MAX);
        for unit in &units {
            self.check_unit(unit, stripe, unit_bytes)?;
        }
        units.sort_by_key(|unit| unit.column);
        units.dedup_by_key(|unit| unit.column);
        let k = self.code.k;
        if units.len() < usize::from(k) {
            return Err(DecodeError::TooFew { have: units.len(), k });
        }
        units.truncate(usize::from(k));
        Ok(units)
    }

    fn check_unit(&self, unit: &VerifiedUnit, stripe: u64, unit_bytes: usize) -> Result<(), DecodeError> {
        let column = unit.column;
        self.check_column(column, unit.piece)?;
        if unit.stripe != stripe {
            return Err(DecodeError::OtherStripe { column, expected: stripe, actual: unit.stripe });
        }
        check_len(column, unit_bytes, unit.bytes.len())
    }

    fn check_column(&self, column: u8, piece: PieceHash) -> Result<(), DecodeError> {
        if column >= self.code.n {
            let n = self.code.n;
            return Err(DecodeError::Column { column, n });
        }
        if let Some(hashes) = &self.piece_hashes
            && hashes.get(usize::from(column)) != Some(&piece)
        {
            return Err(DecodeError::OtherPiece { column, piece });
        }
        Ok(())
    }

    /// The rows over the columns `present`: exactly `k`, ascending.
    fn basis(&self, present: &[u8]) -> Result<Arc<Basis>, DecodeError> {
        // The value is replaced as a whole, so a panic elsewhere cannot leave it half-written.
        let mut cached = self.basis.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(basis) = cached.as_ref()
            && basis.present == present
        {
            return Ok(Arc::clone(basis));
        }
        let rows = self.codec.rows(present).ok_or(DecodeError::TooFew { have: present.len(), k: self.code.k })?;
        let present = present.to_vec();
        let basis = Arc::new(Basis { present, rows });
        *cached = Some(Arc::clone(&basis));
        Ok(basis)
    }

    fn cut_padding(&self, stripe: u64, mut parts: Vec<Bytes>) -> Result<Vec<Bytes>, DecodeError> {
        let used = self.code.stripe_bytes_at(self.segment_len, stripe).unwrap_or(0);
        let mut left = usize::try_from(used).unwrap_or(usize::MAX);
        for part in &mut parts {
            let padding = part.split_off(left.min(part.len()));
            if padding.iter().any(|byte| *byte != 0) {
                return Err(DecodeError::Padding { stripe });
            }
            left -= part.len();
        }
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }
}

fn row_of(basis: Option<&Basis>, column: u8, n: u8) -> Result<&[u8], DecodeError> {
    basis
        .and_then(|basis| basis.rows.get(usize::from(column)))
        .map(Vec::as_slice)
        .ok_or(DecodeError::Column { column, n })
}

fn columns_of(units: &[VerifiedUnit]) -> Vec<u8> {
    units.iter().map(|unit| unit.column).collect()
}

fn check_len(column: u8, expected: usize, actual: usize) -> Result<(), DecodeError> {
    if expected != actual {
        return Err(DecodeError::UnitLength {
            column,
            expected: u64::try_from(expected).unwrap_or(u64::MAX),
            actual: u64::try_from(actual).unwrap_or(u64::MAX),
        });
    }
    Ok(())
}
