//! Bytes from strangers never panic, never allocate by their own word, and are never believed.

use parity_scale_codec::Decode;
use pieces::{
    BundleTable, ChunkProof, ErasureCode, FileManifest, ManifestLimits, MediaType, PieceHash, SliceDecoder,
    decode_slice, slice_bytes_max, verify_chunk,
};
use proptest::prelude::*;

const LIMITS: ManifestLimits = ManifestLimits { max_piece_bytes: 1 << 26, max_segments: 128 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decoders_survive_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), size in any::<u64>()) {
        let _ = FileManifest::decode_bounded(&bytes, LIMITS);
        let _ = BundleTable::decode_bounded(&bytes, size);
        let _ = ChunkProof::decode(&mut bytes.as_slice());
        let _ = ErasureCode::decode(&mut bytes.as_slice());
        let _ = MediaType::decode(&mut bytes.as_slice());
    }

    #[test]
    fn slices_of_any_bytes_for_any_range_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        piece_bytes in any::<u64>(),
        start in any::<u64>(),
        end in any::<u64>(),
        modulus in prop::sample::select(vec![3_000, 70_000, u64::MAX]),
    ) {
        let (piece_bytes, start, end) = (piece_bytes % modulus, start % modulus, end % modulus);
        prop_assert!(decode_slice(PieceHash::ZERO, piece_bytes, start..end, &bytes).is_err());
        if let Ok(decoder) = SliceDecoder::new(PieceHash::ZERO, piece_bytes, start..end, bytes.as_slice()) {
            prop_assert_eq!(decoder.filter(Result::is_ok).count(), 0);
        }
        if let Some(proof) = ChunkProof::from_bytes(bytes) {
            prop_assert!(verify_chunk(PieceHash::ZERO, piece_bytes, start, &proof).is_err());
        }
    }

    #[test]
    fn a_slice_of_the_right_length_of_noise_is_refused(
        size in 1..100_000_u64,
        at in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let start = at.index(size as usize) as u64;
        let noise = crate::support::filled(seed, slice_bytes_max(size, start..size) as usize);
        prop_assert!(decode_slice(PieceHash::ZERO, size, start..size, &noise).is_err());
    }
}

#[test]
fn a_slice_of_the_largest_piece_is_measured_without_its_bytes() {
    let size = u64::from(u32::MAX);
    // 18 pairs above a group of 2^18, one group.
    assert_eq!(slice_bytes_max(size, 0..1), 18 * 64 + 16_384);
    assert_eq!(slice_bytes_max(size + 1, 0..1), 0);
    assert!(decode_slice(PieceHash::ZERO, size, 0..size, &[]).is_err());
}
