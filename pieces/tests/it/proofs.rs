//! Proofs of single chunks.

use crate::support::filled;
use parity_scale_codec::{Decode, DecodeAll, Encode, MaxEncodedLen};
use pieces::{ChunkProof, PieceReader, SliceError, outboard, prove_chunk, verify_chunk};
use proptest::prelude::*;

#[test]
fn every_chunk_of_every_shape_of_piece_is_provable() {
    for size in [1, 1023, 1024, 1025, 5000, 16_384, 16_385, 40_000, 49_153, 81_920] {
        let piece = filled(size, size as usize);
        let (hash, hashes) = outboard(piece.as_slice(), size).unwrap();
        let reader = PieceReader::new(piece.as_slice(), hashes, hash, size).unwrap();
        for (index, chunk) in piece.chunks(1024).enumerate() {
            let proof = reader.prove_chunk(index as u64).unwrap();
            let verified = verify_chunk(hash, size, index as u64, &proof).unwrap();
            assert_eq!((verified.bytes().as_ref(), verified.index(), verified.piece()), (chunk, index as u64, hash));
        }
    }
}

#[test]
fn a_proof_of_64_mib_has_about_two_kib() {
    let size = 64 << 20;
    let piece = filled(0, size);
    let (hash, hashes) = outboard(piece.as_slice(), size as u64).unwrap();
    let proof = prove_chunk(piece.as_slice(), &hashes, hash, size as u64, 65_535).unwrap();
    assert_eq!(proof.as_bytes().len(), 16 * 64 + 1024);
    let chunk = verify_chunk(hash, size as u64, 65_535, &proof).unwrap();
    assert_eq!(chunk.bytes(), &piece[size - 1024..]);
}

#[test]
fn every_byte_of_a_proof_counts() {
    let size = 33_000;
    let piece = filled(1, size);
    let (hash, hashes) = outboard(piece.as_slice(), size as u64).unwrap();
    let proof = prove_chunk(piece.as_slice(), &hashes, hash, size as u64, 5).unwrap();
    for at in 0..proof.as_bytes().len() {
        let mut bytes = proof.as_bytes().to_vec();
        bytes[at] ^= 0x10;
        let flipped = ChunkProof::from_bytes(bytes).unwrap();
        assert!(matches!(verify_chunk(hash, size as u64, 5, &flipped), Err(SliceError::Mismatch { .. })), "{at}");
    }
}

#[test]
fn a_proof_counts_for_its_own_chunk_piece_size_and_length_only() {
    let size = 33_000_u64;
    let piece = filled(1, size as usize);
    let (hash, hashes) = outboard(piece.as_slice(), size).unwrap();
    let proof = prove_chunk(piece.as_slice(), &hashes, hash, size, 5).unwrap();
    assert!(verify_chunk(hash, size, 6, &proof).is_err());
    assert!(verify_chunk(pieces::PieceHash::of(b"other"), size, 5, &proof).is_err());
    assert!(verify_chunk(hash, size * 2, 5, &proof).is_err());
    assert!(matches!(verify_chunk(hash, size, 33, &proof), Err(SliceError::Range { .. })));
    assert!(matches!(verify_chunk(hash, size, u64::MAX, &proof), Err(SliceError::Range { .. })));
    for bytes in [&proof.as_bytes()[1..], &[proof.as_bytes(), &[0]].concat()] {
        let other = ChunkProof::from_bytes(bytes.to_vec()).unwrap();
        assert!(matches!(verify_chunk(hash, size, 5, &other), Err(SliceError::Length { .. })));
    }
}

#[test]
fn a_damaged_piece_proves_nothing() {
    let mut piece = filled(1, 33_000);
    let (hash, hashes) = outboard(piece.as_slice(), 33_000).unwrap();
    piece[5 * 1024] ^= 1;
    let error = prove_chunk(piece.as_slice(), &hashes, hash, 33_000, 7).unwrap_err();
    assert!(matches!(error, SliceError::Mismatch { offset: 0, .. }), "the whole group is hashed again");
}

#[test]
fn the_longest_proof_fits_its_limit_and_longer_ones_are_refused() {
    let longest = ChunkProof::from_bytes(vec![7; ChunkProof::BYTES_MAX]).unwrap();
    assert_eq!(longest.encode().len(), ChunkProof::max_encoded_len());
    assert_eq!(ChunkProof::decode_all(&mut longest.encode().as_slice()).unwrap(), longest);
    let longer = vec![7; ChunkProof::BYTES_MAX + 1];
    assert_eq!(ChunkProof::from_bytes(longer.clone()), None);
    assert!(ChunkProof::decode(&mut longer.encode().as_slice()).is_err());
    // A length of 1 GiB in front of nothing must not be believed.
    assert!(ChunkProof::decode(&mut [0x02, 0x00, 0x00, 0xff].as_slice()).is_err());
}

proptest! {
    #[test]
    fn proofs_of_random_pieces_verify(size in 1..200_000_u64, at in any::<prop::sample::Index>()) {
        let piece = filled(size, size as usize);
        let (hash, hashes) = outboard(piece.as_slice(), size).unwrap();
        let index = at.index(piece.chunks(1024).count());
        let proof = prove_chunk(piece.as_slice(), &hashes, hash, size, index as u64).unwrap();
        let chunk = verify_chunk(hash, size, index as u64, &proof).unwrap();
        prop_assert_eq!(&chunk.bytes()[..], piece.chunks(1024).nth(index).unwrap());
    }
}
