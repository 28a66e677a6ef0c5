//! The erasure code of a file, and every size that follows from it.
//!
//! ```text
//! segment of `len` bytes            piece 0   piece 1  ..  piece k-1 | piece k .. piece n-1
//!   stripe 0   (k * unit bytes)  ->  unit      unit         unit     |  parity units
//!   stripe 1                     ->  unit      unit         unit     |  parity units
//!   last stripe (what is left)   ->  shorter units, zero-padded      |  shorter parity units
//! ```
//!
//! # The matrix
//! The field is GF(2^8) modulo `x^8 + x^4 + x^3 + x^2 + 1` (0x11d). `V` is the `n` by `k` matrix `V[r][c] = r^c` with
//! `0^0 = 1`; the generator is `V * inverse(V[0..k])`, as in Backblaze's code. Its first `k` rows are the identity, so
//! pieces `0..k` are the file's own bytes, and any `k` of its rows can be inverted. The code works byte by byte: byte
//! `j` of all `n` units of a stripe is one codeword. `tests/oracle/decode.py` holds an independent decoder.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The one code known so far: Reed-Solomon over GF(2^8), matrix as in the [module documentation](self).
pub const CODE_REED_SOLOMON: u8 = 1;

/// Units are a multiple of this many bytes, the last stripe's too.
pub const UNIT_ALIGN_BYTES: u32 = 64;

/// Largest unit: beyond it a stripe no longer stays in the processor's caches.
pub const UNIT_BYTES_MAX: u32 = 1024 * 1024;

/// How a file is coded: `k` data and `n - k` parity pieces, in stripes of `k` units.
///
/// Encoded in SCALE as `id, k, n` (one byte each) and `unit_bytes` (four bytes, little endian).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErasureCode {
    /// Which code: [`CODE_REED_SOLOMON`].
    pub id: u8,
    /// Pieces that are enough to rebuild a segment.
    pub k: u8,
    /// Pieces of a segment.
    pub n: u8,
    /// Bytes of a unit in every stripe but the last.
    pub unit_bytes: u32,
}

/// An [`ErasureCode`] that no file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// No such code.
    #[error("erasure code {id} is not known")]
    Id {
        /// The code's number.
        id: u8,
    },
    /// Not `1 <= k < n`.
    #[error("a code of {k} of {n} is not possible: 1 <= k < n <= 255")]
    Counts {
        /// Data pieces.
        k: u8,
        /// All pieces.
        n: u8,
    },
    /// The unit is zero, not a multiple of 64, or above 1 MiB.
    #[error("a unit of {unit_bytes} bytes is not a multiple of 64 in 64..=1048576")]
    Unit {
        /// Bytes of the unit.
        unit_bytes: u32,
    },
}

/// Every size is a total function: a code that fails [`check`](ErasureCode::check) gives sizes without meaning, never a
/// panic.
impl ErasureCode {
    /// Reed-Solomon, `k` of `n`, with units of `unit_bytes`. Nothing is checked: see [`check`](Self::check).
    pub const fn new(k: u8, n: u8, unit_bytes: u32) -> Self {
        Self { id: CODE_REED_SOLOMON, k, n, unit_bytes }
    }

    /// Checks that files may be coded so.
    ///
    /// # Errors
    /// The id is not known, not `1 <= k < n`, or the unit is not a multiple of 64 bytes in `64..=1 MiB`.
    pub fn check(&self) -> Result<(), CodeError> {
        if self.id != CODE_REED_SOLOMON {
            return Err(CodeError::Id { id: self.id });
        }
        if self.k == 0 || self.k >= self.n {
            return Err(CodeError::Counts { k: self.k, n: self.n });
        }
        let unit_bytes = self.unit_bytes;
        if unit_bytes == 0 || unit_bytes > UNIT_BYTES_MAX || !unit_bytes.is_multiple_of(UNIT_ALIGN_BYTES) {
            return Err(CodeError::Unit { unit_bytes });
        }
        Ok(())
    }

    /// File bytes in a full stripe: `k * unit`.
    pub fn stripe_bytes(&self) -> u64 {
        u64::from(self.k) * u64::from(self.unit_bytes)
    }

    /// Stripes of a segment of `segment_len` bytes: the full ones, and one more if bytes are left.
    pub fn stripe_count(&self, segment_len: u64) -> u64 {
        self.full_stripes(segment_len) + u64::from(self.rest_bytes(segment_len) > 0)
    }

    /// Unit bytes of the shorter last stripe: what is left, shared among `k` and rounded up to 64. Zero if nothing is
    /// left.
    pub fn last_unit_bytes(&self, segment_len: u64) -> u32 {
        let share = match self.k {
            0 => 0,
            k => self.rest_bytes(segment_len).div_ceil(u64::from(k)),
        };
        // At most `unit_bytes` rounded up, so only a unit near 2^32, which `check` refuses, can saturate.
        u32::try_from(share.next_multiple_of(u64::from(UNIT_ALIGN_BYTES))).unwrap_or(u32::MAX)
    }

    /// Unit bytes of stripe `stripe`, or `None` behind the last one.
    pub fn unit_bytes_at(&self, segment_len: u64, stripe: u64) -> Option<u32> {
        let full = self.full_stripes(segment_len);
        if stripe < full {
            return Some(self.unit_bytes);
        }
        (stripe == full && self.rest_bytes(segment_len) > 0).then(|| self.last_unit_bytes(segment_len))
    }

    /// File bytes of stripe `stripe`, padding left out, or `None` behind the last one.
    pub fn stripe_bytes_at(&self, segment_len: u64, stripe: u64) -> Option<u64> {
        let full = self.full_stripes(segment_len);
        if stripe < full {
            return Some(self.stripe_bytes());
        }
        let rest = self.rest_bytes(segment_len);
        (stripe == full && rest > 0).then_some(rest)
    }

    /// Bytes of every piece of a segment of `segment_len` bytes.
    pub fn piece_bytes(&self, segment_len: u64) -> u64 {
        (self.full_stripes(segment_len) * u64::from(self.unit_bytes))
            .saturating_add(u64::from(self.last_unit_bytes(segment_len)))
    }

    /// File bytes of the largest segment: `k * max_piece_bytes`.
    pub fn segment_bytes_max(&self, max_piece_bytes: u32) -> u64 {
        u64::from(self.k) * u64::from(max_piece_bytes)
    }

    /// The lengths of the segments of a file of `size` bytes: all full but the last. None for an empty file.
    pub fn segment_lens(&self, size: u64, max_piece_bytes: u32) -> impl Iterator<Item = u64> + use<> {
        let segment_max = self.segment_bytes_max(max_piece_bytes);
        let mut left = if segment_max == 0 { 0 } else { size };
        std::iter::from_fn(move || {
            let len = left.min(segment_max);
            left -= len;
            (len > 0).then_some(len)
        })
    }

    /// Segments of a file of `size` bytes.
    pub fn segment_count(&self, size: u64, max_piece_bytes: u32) -> u64 {
        match self.segment_bytes_max(max_piece_bytes) {
            0 => 0,
            segment_max => size.div_ceil(segment_max),
        }
    }

    /// The bytes of piece `column` that lie behind the segment's end and must be zero. Empty for parity pieces, and
    /// where nothing is padded.
    pub fn padding_range(&self, segment_len: u64, column: u8) -> Range<u64> {
        let piece_bytes = self.piece_bytes(segment_len);
        if column >= self.k {
            return piece_bytes..piece_bytes;
        }
        let last_unit = u64::from(self.last_unit_bytes(segment_len));
        let before = u64::from(column) * last_unit;
        let used = self.rest_bytes(segment_len).saturating_sub(before).min(last_unit);
        piece_bytes.saturating_sub(last_unit - used)..piece_bytes
    }

    fn full_stripes(&self, segment_len: u64) -> u64 {
        segment_len.checked_div(self.stripe_bytes()).unwrap_or(0)
    }

    fn rest_bytes(&self, segment_len: u64) -> u64 {
        segment_len.checked_rem(self.stripe_bytes()).unwrap_or(0)
    }
}
