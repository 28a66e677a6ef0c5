//! Which stripes are read together, and how they are decoded.

use super::{DownloadError, READ_WINDOW_BYTES_MIN, READ_WINDOWS_BYTES, Segment};
use bytes::Bytes;
use pieces::{ErasureCode, SegmentDecoder, VerifiedSlice};
use std::ops::Range;

/// The stripes of a range in windows, which lie at multiples of `stripes_per_window` of the segment, so that they are
/// the windows of a `get` of any column.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    stripes: Range<u64>,
    stripes_per_window: u64,
    unit_bytes: u32,
    piece_bytes: u32,
}

impl Windows {
    pub(super) fn new(segment: &Segment, stripes: Range<u64>) -> Result<Self, DownloadError> {
        let (code, len) = (&segment.code, segment.manifest.len);
        let count = code.stripe_count(len);
        let Range { start, end } = stripes;
        let refused = || DownloadError::Stripes { segment: segment.segment, start, end, count };
        if start > end || end > count || code.unit_bytes == 0 {
            return Err(refused());
        }
        let piece_bytes = u32::try_from(code.piece_bytes(len)).map_err(|_| refused())?;
        let unit_bytes = code.unit_bytes;
        let stripes_per_window = u64::from(stripes_per_window(code));
        Ok(Self { stripes, stripes_per_window, unit_bytes, piece_bytes })
    }

    /// Bytes of every piece.
    pub(super) fn piece_bytes(&self) -> u32 {
        self.piece_bytes
    }

    /// Bytes of a window in each piece: whole units.
    pub(super) fn window_bytes(&self) -> u32 {
        // Below READ_WINDOWS_BYTES or a single unit, both far below 2^32.
        u32::try_from(self.stripes_per_window).unwrap_or(1).saturating_mul(self.unit_bytes)
    }

    /// The stripes of window `window` of the range, from 0.
    pub(super) fn stripes(&self, window: u64) -> Option<Range<u64>> {
        let first = (self.stripes.start / self.stripes_per_window).checked_add(window)?;
        let start = first.checked_mul(self.stripes_per_window)?;
        let end = start.saturating_add(self.stripes_per_window).min(self.stripes.end);
        let start = start.max(self.stripes.start);
        (start < end).then_some(start..end)
    }

    /// The bytes of each piece from window `window` to the end of the range.
    pub(super) fn piece_range_from(&self, window: u64) -> Range<u64> {
        let first = self.stripes(window).map_or(self.stripes.end, |stripes| stripes.start);
        let (unit_bytes, piece_bytes) = (u64::from(self.unit_bytes), u64::from(self.piece_bytes));
        (first * unit_bytes).min(piece_bytes)..(self.stripes.end * unit_bytes).min(piece_bytes)
    }
}

/// Stripes that are read together.
pub(super) fn stripes_per_window(code: &ErasureCode) -> u32 {
    let column = READ_WINDOWS_BYTES.checked_div(code.k.into()).unwrap_or(0).max(READ_WINDOW_BYTES_MIN);
    column.checked_div(code.unit_bytes).unwrap_or(1).max(1)
}

/// Decodes the stripes of one window from the slices of `k` columns.
pub(super) fn decode(
    segment: &Segment,
    decoder: &SegmentDecoder,
    stripes: Range<u64>,
    slices: Vec<(u8, VerifiedSlice)>,
) -> Result<Vec<Bytes>, DownloadError> {
    let number = segment.segment;
    let mut columns = Vec::with_capacity(slices.len());
    for (column, slice) in slices {
        let units = slice
            .units(&segment.code, segment.manifest.len, column)
            .map_err(|source| DownloadError::Units { segment: number, source })?;
        columns.push(units.into_iter());
    }
    let mut parts = Vec::new();
    for stripe in stripes {
        let units = columns.iter_mut().filter_map(Iterator::next).collect();
        let decoded = decoder.decode_stripe(stripe, units);
        parts.extend(decoded.map_err(|source| DownloadError::Decode { segment: number, source })?);
    }
    Ok(parts)
}
