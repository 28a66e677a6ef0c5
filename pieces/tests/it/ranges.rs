//! Byte ranges of a file into ranges of its pieces.

use crate::support::{PIECE_MAX, encode, filled, profile};
use pieces::{ErasureCode, FileManifest, SegmentDecoder, StripeRange, decode_slice, encode_slice, outboard};
use proptest::prelude::*;
use std::ops::Range;

/// Reads one part of a plan by slices of the columns given.
fn read(manifest: &FileManifest, pieces: &[Vec<Vec<u8>>], part: &StripeRange, columns: &[u8]) -> Vec<u8> {
    let code = manifest.code;
    let segment = &manifest.segments[usize::from(part.segment)];
    let decoder = SegmentDecoder::for_segment(code, segment).unwrap();
    let mut by_column = Vec::new();
    for column in columns {
        let piece = &pieces[usize::from(part.segment)][usize::from(*column)];
        let size = piece.len() as u64;
        let (hash, hashes) = outboard(piece.as_slice(), size).unwrap();
        let mut encoded = Vec::new();
        encode_slice(piece.as_slice(), &hashes, hash, size, part.piece_range.clone(), &mut encoded).unwrap();
        let slice = decode_slice(hash, size, part.piece_range.clone(), &encoded).unwrap();
        let units = slice.units(&code, segment.len, *column).unwrap();
        assert!(units.iter().map(|unit| unit.stripe()).eq(part.stripes.clone()), "units of the planned stripes");
        by_column.push(units);
    }
    let bytes: Vec<u8> = (0..part.stripes.end - part.stripes.start)
        .flat_map(|at| {
            let units = by_column.iter().map(|units| units[at as usize].clone()).collect();
            decoder.decode_stripe(part.stripes.start + at, units).unwrap().concat()
        })
        .collect();
    bytes[part.skip as usize..(part.skip + part.take) as usize].to_vec()
}

#[test]
fn a_range_over_three_segments_reads_the_files_bytes() {
    let code = profile(0);
    let size = 2 * code.segment_bytes_max(PIECE_MAX) + 5000;
    let data = filled(1, size as usize);
    let encoded = encode(code, &data, 100_000);
    for range in [0..size, 0..1, size - 1..size, 163_839..163_841, 100_000..330_000] {
        let plan: Vec<StripeRange> = encoded.manifest.plan_range(range.clone(), PIECE_MAX).collect();
        let read: Vec<u8> =
            plan.iter().flat_map(|part| read(&encoded.manifest, &encoded.pieces, part, &[3, 1])).collect();
        assert_eq!(read, data[range.start as usize..range.end as usize]);
        let windows: Vec<u8> = plan
            .iter()
            .flat_map(|part| {
                let segment_len = encoded.manifest.segments[usize::from(part.segment)].len;
                part.windows(&code, segment_len, 16_384).collect::<Vec<_>>()
            })
            .flat_map(|part| {
                assert!(part.piece_range.end - part.piece_range.start <= 16_384);
                self::read(&encoded.manifest, &encoded.pieces, &part, &[0, 2])
            })
            .collect();
        assert_eq!(windows, read);
    }
}

#[test]
fn a_plan_is_as_written_down() {
    let code = ErasureCode::new(10, 30, 65_536);
    let plan: Vec<StripeRange> =
        pieces::plan_range(code, (640 << 20) + 100, 64 << 20, (640 << 20) - 1..(640 << 20) + 50).collect();
    let first =
        StripeRange { segment: 0, stripes: 1023..1024, piece_range: 1023 * 65_536..64 << 20, skip: 655_359, take: 1 };
    let second = StripeRange { segment: 1, stripes: 0..1, piece_range: 0..64, skip: 0, take: 50 };
    assert_eq!(plan, [first, second]);
}

#[test]
fn what_lies_behind_the_end_is_left_out() {
    let code = profile(0);
    let plan = |size: u64, range: Range<u64>| pieces::plan_range(code, size, PIECE_MAX, range).collect::<Vec<_>>();
    assert_eq!(plan(100, 0..u64::MAX), plan(100, 0..100));
    assert_eq!(plan(100, 100..200), []);
    assert_eq!(plan(100, 50..50), []);
    assert_eq!(plan(0, 0..1), []);
}

proptest! {
    #[test]
    fn a_plan_covers_exactly_the_range(
        index in 0..4_usize,
        size in 0..5_000_000_u64,
        a in 0..5_100_000_u64,
        b in 0..5_100_000_u64,
        window_bytes in 0..200_000_u64,
    ) {
        let code = profile(index);
        let range = a.min(b)..a.max(b);
        let expected = range.start.min(size)..range.end.min(size);
        let lens: Vec<u64> = code.segment_lens(size, PIECE_MAX).collect();
        let mut at = expected.start;
        for part in pieces::plan_range(code, size, PIECE_MAX, range) {
            let len = lens[usize::from(part.segment)];
            let segment_start = u64::from(part.segment) * code.segment_bytes_max(PIECE_MAX);
            prop_assert_eq!(segment_start + part.stripes.start * code.stripe_bytes() + part.skip, at);
            // Both ends of the piece range are what the stripes before them take.
            let unit_bytes = |stripe: u64| u64::from(code.unit_bytes_at(len, stripe).unwrap());
            let units = |stripes: Range<u64>| stripes.map(unit_bytes).sum::<u64>();
            prop_assert_eq!(part.piece_range.start, units(0..part.stripes.start));
            prop_assert_eq!(part.piece_range.end, units(0..part.stripes.end));
            let stripe_bytes = |stripe: u64| code.stripe_bytes_at(len, stripe).unwrap();
            let covered: u64 = part.stripes.clone().map(stripe_bytes).sum();
            prop_assert!(part.take > 0 && part.skip < stripe_bytes(part.stripes.start));
            prop_assert!(part.skip + part.take <= covered);
            prop_assert!(part.skip + part.take > covered - stripe_bytes(part.stripes.end - 1), "no stripe too many");
            at += part.take;

            let windows: Vec<StripeRange> = part.windows(&code, len, window_bytes).collect();
            prop_assert_eq!(windows.iter().map(|window| window.take).sum::<u64>(), part.take);
            prop_assert_eq!(windows.first().map(|window| window.skip), Some(part.skip));
            prop_assert!(windows.iter().flat_map(|window| window.stripes.clone()).eq(part.stripes.clone()));
            let most = window_bytes.max(u64::from(code.unit_bytes));
            let bytes = |window: &StripeRange| window.piece_range.end - window.piece_range.start;
            prop_assert!(windows.iter().all(|window| bytes(window) <= most));
        }
        prop_assert_eq!(at, expected.end.max(expected.start));
    }
}
