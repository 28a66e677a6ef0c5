//! A byte range of a file into ranges of its pieces.

use crate::code::ErasureCode;
use std::ops::Range;

/// The stripes of one segment that cover a part of a byte range, and where that part lies in them.
///
/// To read it: fetch `piece_range` of any `k` pieces of the segment, decode `stripes` one after another, drop the first
/// `skip` bytes, keep `take`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeRange {
    /// The segment, from 0.
    pub segment: u16,
    /// The covering stripes of the segment.
    pub stripes: Range<u64>,
    /// The bytes of these stripes' units in each piece.
    pub piece_range: Range<u64>,
    /// File bytes of the first stripe before the part.
    pub skip: u64,
    /// File bytes of the part; at least one.
    pub take: u64,
}

impl StripeRange {
    /// The stripes that cover the bytes `range` of a segment of `segment_len` bytes. `None` if that holds no byte of
    /// the segment.
    pub fn of_segment(code: &ErasureCode, segment: u16, segment_len: u64, range: Range<u64>) -> Option<Self> {
        let end = range.end.min(segment_len);
        let take = end.checked_sub(range.start).filter(|take| *take > 0)?;
        let stripe_bytes = code.stripe_bytes();
        let first = range.start.checked_div(stripe_bytes)?;
        let behind = end.div_ceil(stripe_bytes);
        let unit_bytes = u64::from(code.unit_bytes);
        let piece_end = behind.saturating_mul(unit_bytes).min(code.piece_bytes(segment_len));
        Some(Self {
            segment,
            stripes: first..behind,
            piece_range: first * unit_bytes..piece_end,
            skip: range.start - first * stripe_bytes,
            take,
        })
    }

    /// The same part in windows of whole stripes, each of at most `window_bytes` of a piece but at least one stripe:
    /// what a reader keeps in memory at a time.
    pub fn windows(
        &self,
        code: &ErasureCode,
        segment_len: u64,
        window_bytes: u64,
    ) -> impl Iterator<Item = Self> + use<> {
        let code = *code;
        let segment = self.segment;
        let per_window = window_bytes.checked_div(u64::from(code.unit_bytes)).unwrap_or(1).max(1);
        let window = per_window.saturating_mul(code.stripe_bytes());
        let first = self.stripes.start.saturating_mul(code.stripe_bytes());
        let mut start = first.saturating_add(self.skip);
        let end = start.saturating_add(self.take);
        let mut window_end = first;
        std::iter::from_fn(move || {
            window_end = window_end.saturating_add(window);
            let range = start..end.min(window_end);
            start = range.end;
            Self::of_segment(&code, segment, segment_len, range)
        })
    }
}

/// The stripes that cover the bytes `range` of a file of `size` bytes, segment by segment in order. Bytes behind the
/// file's end do not exist and are left out; an empty range has no stripes.
pub fn plan_range(
    code: ErasureCode,
    size: u64,
    max_piece_bytes: u32,
    range: Range<u64>,
) -> impl Iterator<Item = StripeRange> + use<> {
    let segment_max = code.segment_bytes_max(max_piece_bytes);
    let end = range.end.min(size);
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let segment = at.checked_div(segment_max)?;
        let segment_start = segment * segment_max;
        let segment_len = segment_max.min(size - segment_start);
        let in_segment = at - segment_start..(end - segment_start).min(segment_len);
        at = segment_start + in_segment.end;
        let segment = u16::try_from(segment).ok()?;
        StripeRange::of_segment(&code, segment, segment_len, in_segment)
    })
}
