//! Slices: exact, equal to the library's, and caught when they lie.

use crate::support::{encode_segment, filled, profile};
use bao_tree::io::outboard::{EmptyOutboard, PreOrderMemOutboard};
use bao_tree::io::round_up_to_chunks;
use bao_tree::io::sync::decode_ranges;
use bao_tree::{BaoTree, BlockSize, ByteRanges};
use pieces::{
    GROUP_BYTES, PieceHash, PieceHasher, SliceDecoder, SliceError, VerifiedSlice, decode_slice, encode_slice, outboard,
    outboard_bytes, slice_bytes_max,
};
use proptest::prelude::*;
use std::ops::Range;

const GROUPS: BlockSize = BlockSize::from_chunk_log(4);

/// Sizes of pieces at which trees change shape.
const SIZES: [u64; 13] =
    [1, 64, 1023, 1024, 1025, 16_383, 16_384, 16_385, 32_768, 40_000, 49_152, 81_920, 5 * 16_384 + 1];

fn slice_of(piece: &[u8], range: Range<u64>) -> (PieceHash, Vec<u8>) {
    let size = piece.len() as u64;
    let (hash, hashes) = outboard(piece, size).unwrap();
    let mut encoded = Vec::new();
    encode_slice(piece, &hashes, hash, size, range, &mut encoded).unwrap();
    (hash, encoded)
}

#[test]
fn outboards_are_the_librarys_and_their_root_is_plain_blake3() {
    for size in SIZES {
        let piece = filled(size, size as usize);
        let (hash, hashes) = outboard(piece.as_slice(), size).unwrap();
        let expected = PreOrderMemOutboard::create(&piece, GROUPS);
        assert_eq!(hash.as_bytes(), blake3::hash(&piece).as_bytes());
        assert_eq!(hashes, expected.data, "{size}");
        assert_eq!(hashes.len() as u64, outboard_bytes(size));
    }
}

#[test]
fn a_piece_hasher_gives_the_same_whatever_chunks_it_is_fed() {
    for size in SIZES {
        let piece = filled(size, size as usize);
        let expected = outboard(piece.as_slice(), size).unwrap();
        for chunk_bytes in [1, 1000, 16_383, 16_384, 16_385, 70_000] {
            let mut hasher = PieceHasher::new();
            piece.chunks(chunk_bytes).for_each(|chunk| hasher.push(chunk));
            assert_eq!(hasher.piece_bytes(), size);
            assert_eq!(hasher.finish(), expected);
        }
    }
}

#[test]
fn an_outboard_needs_the_whole_piece() {
    let error = outboard([0_u8; 99].as_slice(), 100).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn the_librarys_decoder_accepts_our_slices() {
    for size in SIZES {
        let piece = filled(size, size as usize);
        for range in [0..1, 0..size, size - 1..size, size / 3..size / 2 + 1] {
            let (hash, encoded) = slice_of(&piece, range.clone());
            let tree = BaoTree::new(size, GROUPS);
            let root = blake3::Hash::from_bytes(*hash.as_bytes());
            let groups = range.start / GROUP_BYTES * GROUP_BYTES..range.end.next_multiple_of(GROUP_BYTES);
            let chunks = round_up_to_chunks(&ByteRanges::from(groups));
            let mut target = vec![0; size as usize];
            decode_ranges(encoded.as_slice(), &chunks, &mut target, EmptyOutboard { tree, root }).unwrap();
            let bytes = range.start as usize..range.end as usize;
            assert_eq!(target[bytes.clone()], piece[bytes]);
        }
    }
}

#[test]
fn a_slice_ends_exactly_where_it_should() {
    let piece = filled(1, 40_000);
    let (hash, mut encoded) = slice_of(&piece, 17_000..17_001);
    // Three groups: the pair at the root, the pair above the first two, the second group.
    assert_eq!(encoded.len(), 64 + 64 + 16_384);
    encoded.push(0);
    let long = decode_slice(hash, 40_000, 17_000..17_001, &encoded).unwrap_err();
    assert!(matches!(long, SliceError::Length { expected: 16_512, actual: 16_513 }));
    let short = decode_slice(hash, 40_000, 17_000..17_001, &encoded[..16_511]).unwrap_err();
    assert!(matches!(short, SliceError::Length { expected: 16_512, actual: 16_511 }));
    let streamed: Vec<_> = SliceDecoder::new(hash, 40_000, 17_000..17_001, &encoded[..16_511]).unwrap().collect();
    assert!(matches!(streamed.as_slice(), [Err(SliceError::Io(_))]));
}

#[test]
fn ranges_outside_the_piece_have_no_slice() {
    let piece = filled(1, 100);
    let (hash, hashes) = outboard(piece.as_slice(), 100).unwrap();
    for (start, end) in [(0, 0), (5, 5), (6, 5), (0, 101), (100, 101), (u64::MAX - 1, u64::MAX)] {
        let refused = encode_slice(piece.as_slice(), &hashes, hash, 100, start..end, Vec::new());
        assert!(matches!(refused, Err(SliceError::Range { .. })));
        assert!(matches!(decode_slice(hash, 100, start..end, &[]), Err(SliceError::Range { .. })));
        assert_eq!(slice_bytes_max(100, start..end), 0);
    }
    for piece_bytes in [0, 1 << 32, u64::MAX] {
        assert!(matches!(decode_slice(hash, piece_bytes, 0..1, &[]), Err(SliceError::Piece { .. })));
    }
}

#[test]
fn a_damaged_disk_is_noticed_before_it_is_sent() {
    let mut piece = filled(1, 40_000);
    let (hash, mut hashes) = outboard(piece.as_slice(), 40_000).unwrap();
    piece[20_000] ^= 1;
    let mut sent = Vec::new();
    let error = encode_slice(piece.as_slice(), &hashes, hash, 40_000, 0..40_000, &mut sent).unwrap_err();
    assert!(matches!(error, SliceError::Mismatch { offset: 16_384, .. }));
    assert_eq!(sent.len(), 64 + 64 + 16_384, "only what is right was sent");
    piece[20_000] ^= 1;
    hashes[64] ^= 1;
    let error = encode_slice(piece.as_slice(), &hashes, hash, 40_000, 0..1, Vec::new()).unwrap_err();
    assert!(matches!(error, SliceError::Mismatch { offset: 0, .. }));
    let short = encode_slice(piece.as_slice(), &hashes[1..], hash, 40_000, 0..1, Vec::new());
    assert!(matches!(short, Err(SliceError::Outboard { expected: 128, actual: 127 })));
    let truncated = encode_slice(
        &piece[..30_000],
        &outboard(piece.as_slice(), 40_000).unwrap().1,
        hash,
        40_000,
        0..40_000,
        Vec::new(),
    );
    assert!(matches!(truncated, Err(SliceError::Io(_))));
}

#[test]
fn units_are_cut_from_slices_of_whole_stripes_only() {
    let code = profile(1);
    let len = 150_000;
    let (segment, pieces) = encode_segment(code, &filled(2, len as usize));
    let piece = &pieces[5];
    let size = piece.len() as u64;
    let slice = |range: Range<u64>| {
        let (hash, encoded) = slice_of(piece, range.clone());
        decode_slice(hash, size, range, &encoded).unwrap()
    };
    let units = slice(17 * 1024..20 * 1024).units(&code, len, 5).unwrap();
    assert_eq!(units.iter().map(|unit| unit.stripe()).collect::<Vec<_>>(), [17, 18, 19]);
    for unit in &units {
        let start = unit.stripe() as usize * 1024;
        assert_eq!(unit.bytes(), &piece[start..start + 1024]);
        assert_eq!((unit.column(), unit.piece()), (5, segment.piece_hashes[5]));
    }
    let last = slice(size - 1..size).units(&code, len, 5).unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].bytes().len() as u64, u64::from(code.last_unit_bytes(len)));
    assert!(matches!(slice(0..1).units(&code, len + 4096, 5), Err(SliceError::PieceLength { .. })));
    assert!(matches!(slice(0..1).units(&code, len, 8), Err(SliceError::Column { column: 8, n: 8 })));
}

#[test]
fn a_slice_that_cuts_a_unit_gives_no_units() {
    // Units of 24 KiB do not end where groups of 16 KiB end.
    let code = pieces::ErasureCode::new(2, 4, 24 * 1024);
    let (_, pieces) = encode_segment(code, &filled(2, 100_000));
    let size = pieces[0].len() as u64;
    let (hash, encoded) = slice_of(&pieces[0], 0..1);
    let slice = decode_slice(hash, size, 0..1, &encoded).unwrap();
    assert!(matches!(slice.units(&code, 100_000, 0), Err(SliceError::PartOfUnit { stripe: 0 })));
    let (hash, encoded) = slice_of(&pieces[0], 0..24 * 1024);
    let slice = decode_slice(hash, size, 0..24 * 1024, &encoded).unwrap();
    assert_eq!(slice.units(&code, 100_000, 0).unwrap().len(), 1);
}

#[test]
fn a_whole_piece_is_verified_by_its_hash() {
    let piece = filled(4, 1000);
    let hash = PieceHash::of(&piece);
    let whole = VerifiedSlice::from_piece(hash, piece.clone().into()).unwrap();
    assert_eq!((whole.range(), whole.range_bytes()), (0..1000, piece.into()));
    assert!(VerifiedSlice::from_piece(hash, filled(5, 1000).into()).is_err());
    assert!(VerifiedSlice::from_piece(PieceHash::of(b""), bytes::Bytes::new()).is_err());
}

/// A piece size, a range in it.
fn piece_and_range() -> impl Strategy<Value = (u64, Range<u64>)> {
    (1..100_000_u64).prop_flat_map(|size| (0..size, 0..size).prop_map(move |(a, b)| (size, a.min(b)..a.max(b) + 1)))
}

proptest! {
    #[test]
    fn slices_hold_the_bytes_asked_for_and_have_the_announced_length((size, range) in piece_and_range()) {
        let piece = filled(size, size as usize);
        let (hash, encoded) = slice_of(&piece, range.clone());
        prop_assert_eq!(encoded.len() as u64, slice_bytes_max(size, range.clone()));
        let slice = decode_slice(hash, size, range.clone(), &encoded).unwrap();
        prop_assert_eq!(&slice.range_bytes()[..], &piece[range.start as usize..range.end as usize]);
        let start = slice.offset() as usize;
        prop_assert_eq!(&slice.bytes()[..], &piece[start..start + slice.bytes().len()]);
        prop_assert!(slice.offset().is_multiple_of(GROUP_BYTES) && range.start - slice.offset() < GROUP_BYTES);

        let decoder = SliceDecoder::new(hash, size, range, encoded.as_slice()).unwrap();
        let streamed: Vec<_> = decoder.map(Result::unwrap).collect();
        prop_assert_eq!(streamed.first().map(|group| group.offset), Some(slice.offset()));
        let joined: Vec<u8> = streamed.into_iter().flat_map(|group| group.bytes).collect();
        prop_assert_eq!(&joined[..], &slice.bytes()[..]);
    }

    #[test]
    fn a_slice_brings_all_the_hashes_that_it_takes_to_cut_it_again((size, range) in piece_and_range()) {
        let piece = filled(size, size as usize);
        let (hash, encoded) = slice_of(&piece, range.clone());
        let slice = decode_slice(hash, size, range.clone(), &encoded).unwrap();
        // Nothing of the piece but this slice.
        let (mut data, mut hashes) = (vec![0; size as usize], vec![0; outboard_bytes(size) as usize]);
        data[slice.offset() as usize..][..slice.bytes().len()].copy_from_slice(slice.bytes());
        for pair in slice.pairs() {
            hashes[pair.offset as usize..][..pair.hashes.len()].copy_from_slice(&pair.hashes);
        }
        let mut again = Vec::new();
        encode_slice(data.as_slice(), &hashes, hash, size, range, &mut again).unwrap();
        prop_assert_eq!(again, encoded);
    }

    #[test]
    fn a_flipped_bit_is_caught_before_its_group_is_handed_out(
        (size, range) in piece_and_range(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let piece = filled(size, size as usize);
        let (hash, mut encoded) = slice_of(&piece, range.clone());
        let at = at.index(encoded.len());
        encoded[at] ^= 1 << bit;
        let refused = matches!(decode_slice(hash, size, range.clone(), &encoded), Err(SliceError::Mismatch { .. }));
        prop_assert!(refused);

        let mut good = 0;
        let mut decoder = SliceDecoder::new(hash, size, range, encoded.as_slice()).unwrap();
        let error = loop {
            match decoder.next() {
                Some(Ok(group)) => {
                    let start = group.offset as usize;
                    prop_assert_eq!(&group.bytes[..], &piece[start..start + group.bytes.len()]);
                    good += group.bytes.len();
                }
                Some(Err(error)) => break error,
                None => return Err(TestCaseError::fail("the flipped bit was not noticed")),
            }
        };
        let mismatch = matches!(error, SliceError::Mismatch { .. });
        prop_assert!(mismatch);
        prop_assert!(good <= at, "nothing behind the flipped bit was handed out");
        prop_assert!(decoder.next().is_none(), "nothing comes after the error");
    }
}
