//! Every size follows from `(len, k, n, unit)`.

use crate::support::{PIECE_MAX, boundary_lens, profile};
use pieces::{CODE_REED_SOLOMON, CodeError, ErasureCode};
use proptest::prelude::*;

#[test]
fn sizes_of_ten_of_thirty_are_as_written_down() {
    let code = ErasureCode::new(10, 30, 65_536);
    assert_eq!(code.check(), Ok(()));
    assert_eq!(code.stripe_bytes(), 655_360);
    assert_eq!(code.segment_bytes_max(64 << 20), 640 << 20);
    // (segment length, stripes, unit of the last one, piece)
    for (len, stripes, last_unit, piece) in [
        (0, 0, 0, 0),
        (1, 1, 64, 64),
        (640, 1, 64, 64),
        (641, 1, 128, 128),
        (655_359, 1, 65_536, 65_536),
        (655_360, 1, 0, 65_536),
        (655_361, 2, 64, 65_600),
        (640 << 20, 1024, 0, 64 << 20),
    ] {
        assert_eq!(code.stripe_count(len), stripes, "{len}");
        assert_eq!(code.last_unit_bytes(len), last_unit, "{len}");
        assert_eq!(code.piece_bytes(len), piece, "{len}");
    }
    assert_eq!(code.unit_bytes_at(655_361, 0), Some(65_536));
    assert_eq!(code.unit_bytes_at(655_361, 1), Some(64));
    assert_eq!(code.unit_bytes_at(655_361, 2), None);
    assert_eq!(code.unit_bytes_at(655_360, 1), None);
    let lens: Vec<u64> = code.segment_lens((1280 << 20) + 1, 64 << 20).collect();
    assert_eq!(lens, [640 << 20, 640 << 20, 1]);
    assert_eq!(code.segment_lens(0, 64 << 20).count(), 0);
}

#[test]
fn impossible_codes_are_refused() {
    let code = ErasureCode::new(10, 30, 65_536);
    assert_eq!(ErasureCode { id: 2, ..code }.check(), Err(CodeError::Id { id: 2 }));
    assert_eq!(ErasureCode { id: 0, ..code }.check(), Err(CodeError::Id { id: 0 }));
    for (k, n) in [(0, 4), (4, 4), (5, 4), (0, 0)] {
        assert_eq!(ErasureCode::new(k, n, 64).check(), Err(CodeError::Counts { k, n }));
    }
    for unit_bytes in [0, 1, 63, 65, 96, (1 << 20) + 64, u32::MAX] {
        assert_eq!(ErasureCode { unit_bytes, ..code }.check(), Err(CodeError::Unit { unit_bytes }));
    }
    for (k, n, unit_bytes) in [(1, 2, 64), (1, 255, 1 << 20), (254, 255, 64)] {
        assert_eq!(ErasureCode::new(k, n, unit_bytes).check(), Ok(()));
    }
}

#[test]
fn padding_ranges_hold_exactly_the_bytes_behind_the_end() {
    for index in 0..4 {
        let code = profile(index);
        for len in boundary_lens(&code) {
            let padding: u64 = (0..code.n).map(|column| code.padding_range(len, column)).map(|r| r.end - r.start).sum();
            assert_eq!(padding, u64::from(code.k) * code.piece_bytes(len) - len, "{len}");
        }
    }
    // 100 bytes in units of 64: the second piece is used up to byte 36, parity is never padding.
    let code = ErasureCode::new(2, 4, 64);
    assert_eq!(code.padding_range(100, 0), 64..64);
    assert_eq!(code.padding_range(100, 1), 36..64);
    assert_eq!(code.padding_range(100, 2), 64..64);
}

#[test]
fn this_processor_can_code() {
    assert_eq!(pieces::check_cpu(), Ok(()));
}

proptest! {
    #[test]
    fn units_of_all_stripes_add_up_to_the_piece(index in 0..4_usize, len in 0..2_000_000_u64) {
        let code = profile(index);
        let units: u64 = (0..).map_while(|stripe| code.unit_bytes_at(len, stripe)).map(u64::from).sum();
        prop_assert_eq!(units, code.piece_bytes(len));
        let file_bytes: u64 = (0..).map_while(|stripe| code.stripe_bytes_at(len, stripe)).sum();
        prop_assert_eq!(file_bytes, len);
        prop_assert!(u64::from(code.k) * units >= len);
        prop_assert!(u64::from(code.k) * units < len + u64::from(code.k) * 64);
    }

    #[test]
    fn segments_add_up_to_the_file_and_fit_pieces(index in 0..4_usize, size in 0..20_000_000_u64) {
        let code = profile(index);
        let lens: Vec<u64> = code.segment_lens(size, PIECE_MAX).collect();
        prop_assert_eq!(lens.iter().sum::<u64>(), size);
        prop_assert_eq!(lens.len() as u64, code.segment_count(size, PIECE_MAX));
        prop_assert!(lens.iter().all(|len| (1..=u64::from(PIECE_MAX)).contains(&code.piece_bytes(*len))));
    }

    #[test]
    fn no_code_and_no_length_makes_sizes_panic(
        id in any::<u8>(),
        k in any::<u8>(),
        n in any::<u8>(),
        unit_bytes in any::<u32>(),
        len in any::<u64>(),
        x in any::<u64>(),
    ) {
        let code = ErasureCode { id, k, n, unit_bytes };
        let unit_is_good = (64..=1 << 20).contains(&unit_bytes) && unit_bytes.is_multiple_of(64);
        prop_assert_eq!(code.check().is_ok(), id == CODE_REED_SOLOMON && (1..n).contains(&k) && unit_is_good);
        code.stripe_count(len);
        code.last_unit_bytes(len);
        code.piece_bytes(len);
        code.unit_bytes_at(len, x);
        code.stripe_bytes_at(len, x);
        code.padding_range(len, n);
        code.segment_count(len, unit_bytes);
        code.segment_lens(len, unit_bytes).take(3).count();
        pieces::plan_range(code, len, unit_bytes, x..len).take(3).count();
    }
}
