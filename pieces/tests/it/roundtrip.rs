//! Files into pieces and back.

use crate::support::{
    PIECE_MAX, PROFILES, boundary_lens, draw_columns, encode, encode_segment, filled, profile, units,
};
use bytes::Bytes;
use pieces::{
    ContentHash, DecodeError, EncodeError, ErasureCode, FileEncoder, MediaType, PieceHash, SegmentDecoder,
    SegmentEncoder, SegmentManifest, VerifiedSlice, VerifiedUnit,
};
use proptest::prelude::*;
use reed_solomon_erasure::galois_8::ReedSolomon;

/// Decodes a whole segment from the given columns.
fn decode(code: ErasureCode, segment: &SegmentManifest, pieces: &[Vec<u8>], columns: &[u8]) -> Vec<u8> {
    let decoder = SegmentDecoder::for_segment(code, segment).unwrap();
    let by_column: Vec<Vec<VerifiedUnit>> =
        columns.iter().map(|column| units(&code, segment, *column, &pieces[usize::from(*column)])).collect();
    let stripes = code.stripe_count(segment.len);
    assert!(by_column.iter().all(|units| units.len() as u64 == stripes));
    (0..stripes)
        .flat_map(|stripe| {
            let units = by_column.iter().map(|units| units[stripe as usize].clone()).collect();
            decoder.decode_stripe(stripe, units).unwrap().concat()
        })
        .collect()
}

#[test]
fn every_boundary_length_decodes_from_data_from_parity_and_from_mixed_columns() {
    for (index, (k, n)) in PROFILES.into_iter().enumerate() {
        let code = profile(index);
        for len in boundary_lens(&code) {
            let data = filled(len, len as usize);
            let (segment, pieces) = encode_segment(code, &data);
            assert_eq!(segment.len, len);
            assert!(pieces.iter().all(|piece| piece.len() as u64 == code.piece_bytes(len)));
            let all_data: Vec<u8> = (0..k).collect();
            let last: Vec<u8> = (n - k..n).rev().collect();
            for columns in [all_data, last, draw_columns(len, k, n)] {
                assert_eq!(decode(code, &segment, &pieces, &columns), data, "{k} of {n}, {len} bytes, {columns:?}");
            }
        }
    }
}

#[test]
fn all_six_pairs_of_two_of_four_decode() {
    let code = profile(0);
    let data = filled(7, 5000);
    let (segment, pieces) = encode_segment(code, &data);
    for first in 0..4 {
        for second in first + 1..4 {
            assert_eq!(decode(code, &segment, &pieces, &[first, second]), data);
        }
    }
}

#[test]
fn parity_is_the_librarys_parity_at_every_unit() {
    for (k, n) in PROFILES {
        // Units below, at and above the blocks that are coded at a time.
        for unit_bytes in [64, 1024, 8128, 8192, 8256, 65_536] {
            let code = ErasureCode::new(k, n, unit_bytes);
            let stripe = filled(u64::from(k), code.stripe_bytes() as usize);
            let units = SegmentEncoder::new(code).unwrap().push(&stripe).unwrap();
            let data: Vec<&[u8]> = stripe.chunks_exact(unit_bytes as usize).collect();
            let mut parity = vec![vec![0; unit_bytes as usize]; usize::from(n - k)];
            ReedSolomon::new(usize::from(k), usize::from(n - k)).unwrap().encode_sep(&data, &mut parity).unwrap();
            assert_eq!(units[..usize::from(k)], data, "data units are the file's own bytes");
            assert!(units[usize::from(k)..] == parity, "{k} of {n}, units of {unit_bytes}");
        }
    }
}

#[test]
fn units_of_64_kib_and_1_mib_decode() {
    for (k, n, unit_bytes) in [(10, 30, 65_536), (2, 4, 1 << 20)] {
        let code = ErasureCode::new(k, n, unit_bytes);
        let data = filled(u64::from(n), 2 * code.stripe_bytes() as usize + 100_001);
        let mut encoder = SegmentEncoder::new(code).unwrap();
        let mut pieces = vec![Vec::new(); usize::from(n)];
        let mut keep = |units: Vec<Bytes>| {
            pieces.iter_mut().zip(units).for_each(|(piece, unit)| piece.extend_from_slice(&unit));
        };
        let mut stripes = data.chunks_exact(code.stripe_bytes() as usize);
        stripes.by_ref().for_each(|stripe| keep(encoder.push(stripe).unwrap()));
        let (last, segment) = encoder.finish(stripes.remainder()).unwrap();
        keep(last.unwrap());
        for columns in [draw_columns(1, k, n), (n - k..n).collect()] {
            assert!(decode(code, &segment, &pieces, &columns) == data, "{k} of {n}, {columns:?}");
        }
    }
}

#[test]
fn units_of_a_dropped_stripe_are_written_over_and_kept_ones_are_not() {
    let code = profile(0);
    let stripes: Vec<Vec<u8>> = (0..4).map(|seed| filled(seed, code.stripe_bytes() as usize)).collect();
    let fresh = |stripe: &[u8]| SegmentEncoder::new(code).unwrap().push(stripe).unwrap();
    let mut encoder = SegmentEncoder::new(code).unwrap();
    let kept = encoder.push(&stripes[0]).unwrap();
    for stripe in &stripes[1..] {
        assert_eq!(encoder.push(stripe).unwrap(), fresh(stripe));
    }
    assert_eq!(kept, fresh(&stripes[0]));
}

#[test]
fn an_empty_file_has_no_segments_and_a_byte_has_one() {
    let code = profile(2);
    let empty = encode(code, &[], 1);
    assert_eq!((empty.manifest.size, empty.pieces.len()), (0, 0));
    assert_eq!(empty.manifest.content_hash, ContentHash::of(b""));
    let byte = encode(code, b"x", 1);
    assert_eq!((byte.manifest.size, byte.manifest.segments.len()), (1, 1));
    assert_eq!(decode(code, &byte.manifest.segments[0], &byte.pieces[0], &draw_columns(1, 10, 30)), b"x");
    let end = SegmentEncoder::new(code).unwrap().finish(&[]);
    assert!(matches!(end, Err(EncodeError::EmptySegment)));
}

#[test]
fn segments_split_where_pieces_are_full() {
    let code = profile(1);
    let segment_max = code.segment_bytes_max(PIECE_MAX);
    for (size, lens) in [
        (segment_max - 1, vec![segment_max - 1]),
        (segment_max, vec![segment_max]),
        (segment_max + 1, vec![segment_max, 1]),
        (2 * segment_max, vec![segment_max, segment_max]),
        (2 * segment_max + 4097, vec![segment_max, segment_max, 4097]),
    ] {
        let data = filled(size, size as usize);
        let encoded = encode(code, &data, 65_536);
        let manifest = &encoded.manifest;
        assert_eq!(manifest.segments.iter().map(|segment| segment.len).collect::<Vec<_>>(), lens);
        assert_eq!(manifest.content_hash, ContentHash::of(&data));
        let decoded: Vec<u8> = manifest
            .segments
            .iter()
            .zip(&encoded.pieces)
            .flat_map(|(segment, pieces)| decode(code, segment, pieces, &[7, 0, 5, 2]))
            .collect();
        assert_eq!(decoded, data);
    }
}

#[test]
fn a_segment_limit_inside_a_stripe_ends_the_segment_with_a_shorter_stripe() {
    let code = ErasureCode::new(2, 4, 1024);
    let mut encoder = FileEncoder::new(code, 1024 + 64, MediaType::default()).unwrap();
    let data = filled(3, 5000);
    let mut input = Bytes::from(data.clone());
    while encoder.push(&mut input).unwrap().is_some() {}
    let (_, manifest) = encoder.finish().unwrap();
    assert_eq!(manifest.segments.iter().map(|segment| segment.len).collect::<Vec<_>>(), [2176, 2176, 648]);
    assert_eq!(manifest.check(1024 + 64, 3), Ok(()));
}

#[test]
fn the_size_of_chunks_does_not_change_the_manifest() {
    let code = profile(1);
    let data = filled(5, 3 * 4096 + 1);
    let whole = encode(code, &data, usize::MAX).manifest;
    for chunk_bytes in [1, 63, 4095, 4096, 4097] {
        assert_eq!(encode(code, &data, chunk_bytes).manifest.file_id(), whole.file_id());
    }
}

#[test]
fn stripes_and_rests_of_another_length_are_refused() {
    let mut encoder = SegmentEncoder::new(profile(0)).unwrap();
    assert!(matches!(encoder.push(&[0; 2047]), Err(EncodeError::StripeLength { expected: 2048, actual: 2047 })));
    assert_eq!(encoder.segment_len(), 0);
    let end = encoder.finish(&[0; 2048]);
    assert!(matches!(end, Err(EncodeError::RestLength { stripe_bytes: 2048, actual: 2048 })));
    assert!(SegmentEncoder::new(ErasureCode::new(4, 4, 64)).is_err());
    assert!(FileEncoder::new(profile(0), 100, MediaType::default()).is_err());
}

#[test]
fn padding_that_is_not_zero_is_refused_by_every_choice_of_columns() {
    let code = ErasureCode::new(2, 4, 64);
    // A segment of 65 bytes has one stripe of 128; a cheat fills the padding and makes valid parity over it.
    let mut stripe = filled(1, 128);
    stripe[127] |= 1;
    let cheat = SegmentEncoder::new(code).unwrap().push(&stripe).unwrap();
    let decoder = SegmentDecoder::new(code, 65).unwrap();
    for columns in [[0, 1], [0, 2], [1, 3], [2, 3]] {
        let units = columns.map(|column| {
            let bytes = cheat[usize::from(column)].clone();
            let piece = VerifiedSlice::from_piece(PieceHash::of(&bytes), bytes).unwrap();
            piece.units(&code, 65, column).unwrap().remove(0)
        });
        assert_eq!(decoder.decode_stripe(0, units.to_vec()), Err(DecodeError::Padding { stripe: 0 }));
    }
}

#[test]
fn the_decoder_names_what_is_wrong_with_its_units() {
    let code = profile(0);
    let (segment, pieces) = encode_segment(code, &filled(9, 5000));
    let (other, other_pieces) = encode_segment(code, &filled(10, 5000));
    let unit = |column: u8, stripe: usize| units(&code, &segment, column, &pieces[usize::from(column)])[stripe].clone();
    let decoder = SegmentDecoder::for_segment(code, &segment).unwrap();
    let decode = |units: Vec<VerifiedUnit>| decoder.decode_stripe(1, units).unwrap_err();
    assert_eq!(decode(vec![unit(0, 1)]), DecodeError::TooFew { have: 1, k: 2 });
    assert_eq!(decode(vec![unit(3, 1), unit(3, 1)]), DecodeError::TooFew { have: 1, k: 2 });
    assert_eq!(decode(vec![unit(0, 1), unit(1, 0)]), DecodeError::OtherStripe { column: 1, expected: 1, actual: 0 });
    let stranger = units(&code, &other, 1, &other_pieces[1])[1].clone();
    assert_eq!(decode(vec![unit(0, 1), stranger]), DecodeError::OtherPiece { column: 1, piece: other.piece_hashes[1] });
    assert_eq!(decoder.decode_stripe(3, vec![]), Err(DecodeError::Stripe { stripe: 3, count: 3 }));
    let longer = SegmentDecoder::new(code, 6000).unwrap();
    let short = longer.decode_stripe(2, vec![unit(0, 2), unit(1, 2)]).unwrap_err();
    assert_eq!(short, DecodeError::UnitLength { column: 0, expected: 960, actual: 512 });
    let rebuilt = decoder.rebuild_columns(1, vec![unit(0, 1), unit(1, 1)], &[4]);
    assert_eq!(rebuilt, Err(DecodeError::Column { column: 4, n: 4 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_k_of_n_rebuild_the_file_and_every_other_column(
        index in 0..4_usize,
        at in any::<u16>(),
        random in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let code = profile(index);
        let lens = boundary_lens(&code);
        let len = match random {
            true => 1 + seed % (4 * code.stripe_bytes()),
            // The longest lengths have their own test: here they would take most of the time.
            false => lens[usize::from(at) % (lens.len() - 2)],
        };
        let data = filled(seed, len as usize);
        let (segment, pieces) = encode_segment(code, &data);
        let mut columns = draw_columns(seed, code.n, code.n);
        let others = columns.split_off(usize::from(code.k));
        prop_assert_eq!(&decode(code, &segment, &pieces, &columns), &data);

        let decoder = SegmentDecoder::for_segment(code, &segment).unwrap();
        let present: Vec<Vec<VerifiedUnit>> =
            columns.iter().map(|column| units(&code, &segment, *column, &pieces[usize::from(*column)])).collect();
        let mut rebuilt = vec![Vec::new(); others.len()];
        for stripe in 0..code.stripe_count(len) {
            let units = present.iter().map(|units| units[stripe as usize].clone()).collect();
            for (piece, unit) in rebuilt.iter_mut().zip(decoder.rebuild_columns(stripe, units, &others).unwrap()) {
                piece.extend_from_slice(&unit);
            }
        }
        for (column, piece) in others.iter().zip(&rebuilt) {
            prop_assert_eq!(PieceHash::of(piece), segment.piece_hashes[usize::from(*column)]);
        }
    }

    #[test]
    fn more_than_k_units_repeated_and_in_any_order_are_fine(seed in any::<u64>(), extra in 1..5_u8) {
        let code = profile(1);
        let data = filled(seed, 4096);
        let (segment, pieces) = encode_segment(code, &data);
        let mut columns = draw_columns(seed, 4 + extra.min(4), 8);
        columns.push(columns[0]);
        prop_assert_eq!(decode(code, &segment, &pieces, &columns), data);
    }
}
