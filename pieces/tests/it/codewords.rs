//! Evidence against wrong encoders.

use crate::support::filled;
use pieces::{
    DecodeError, ErasureCode, PieceHash, SegmentDecoder, SegmentEncoder, SegmentManifest, VerifiedChunk, outboard,
    prove_chunk, verify_chunk,
};

const CODE: ErasureCode = ErasureCode::new(4, 8, 1024);

/// The pieces of 2.5 stripes.
fn pieces() -> Vec<Vec<u8>> {
    let data = filled(1, 10_240);
    let mut encoder = SegmentEncoder::new(CODE).unwrap();
    let mut stripes = vec![encoder.push(&data[..4096]).unwrap(), encoder.push(&data[4096..8192]).unwrap()];
    stripes.extend(encoder.finish(&data[8192..]).unwrap().0);
    (0..8).map(|column| stripes.iter().flat_map(|units| units[column].clone()).collect()).collect()
}

fn manifest(pieces: &[Vec<u8>]) -> SegmentManifest {
    SegmentManifest { len: 10_240, piece_hashes: pieces.iter().map(|piece| PieceHash::of(piece)).collect() }
}

fn chunks(pieces: &[Vec<u8>], columns: &[u8], index: u64) -> Vec<(u8, VerifiedChunk)> {
    let chunk = |column: u8| {
        let piece = pieces[usize::from(column)].as_slice();
        let size = piece.len() as u64;
        let (hash, hashes) = outboard(piece, size).unwrap();
        let proof = prove_chunk(piece, &hashes, hash, size, index).unwrap();
        verify_chunk(hash, size, index, &proof).unwrap()
    };
    columns.iter().map(|column| (*column, chunk(*column))).collect()
}

#[test]
fn chunks_of_an_honest_encoder_belong_together() {
    let pieces = pieces();
    let decoder = SegmentDecoder::for_segment(CODE, &manifest(&pieces)).unwrap();
    for index in 0..3 {
        for columns in [&[0, 1, 2, 3, 4][..], &[7, 3, 5, 0, 6], &[0, 1, 2, 3, 4, 5, 6, 7]] {
            assert_eq!(decoder.is_codeword(&chunks(&pieces, columns, index)), Ok(true));
        }
    }
}

#[test]
fn one_wrong_byte_anywhere_convicts_the_encoder() {
    for wrong in 0..8_u8 {
        let mut pieces = pieces();
        pieces[usize::from(wrong)][1500] ^= 1;
        let decoder = SegmentDecoder::for_segment(CODE, &manifest(&pieces)).unwrap();
        let columns: Vec<u8> = (wrong..wrong + 5).map(|column| column % 8).collect();
        assert_eq!(decoder.is_codeword(&chunks(&pieces, &columns, 1)), Ok(false));
        assert_eq!(decoder.is_codeword(&chunks(&pieces, &columns, 0)), Ok(true), "other chunks are fine");
        let others: Vec<u8> = (wrong + 1..wrong + 6).map(|column| column % 8).collect();
        assert_eq!(decoder.is_codeword(&chunks(&pieces, &others, 1)), Ok(true));
    }
}

#[test]
fn evidence_that_proves_nothing_is_refused() {
    let pieces = pieces();
    let decoder = SegmentDecoder::for_segment(CODE, &manifest(&pieces)).unwrap();
    let refused = |evidence: &[(u8, VerifiedChunk)]| decoder.is_codeword(evidence).unwrap_err();
    assert_eq!(refused(&[]), DecodeError::TooFew { have: 0, k: 5 });
    assert_eq!(refused(&chunks(&pieces, &[0, 1, 2, 3], 0)), DecodeError::TooFew { have: 4, k: 5 });
    assert_eq!(refused(&chunks(&pieces, &[0, 1, 2, 3, 3], 0)), DecodeError::TooFew { have: 4, k: 5 });
    let mut mixed = chunks(&pieces, &[0, 1, 2, 3], 0);
    mixed.extend(chunks(&pieces, &[4], 1));
    assert_eq!(refused(&mixed), DecodeError::OtherChunk { column: 4, expected: 0, actual: 1 });
    let mut renamed = chunks(&pieces, &[0, 1, 2, 3, 4], 0);
    renamed[4].0 = 5;
    let piece = manifest(&pieces).piece_hashes[4];
    assert_eq!(refused(&renamed), DecodeError::OtherPiece { column: 5, piece });
    renamed[4].0 = 8;
    assert_eq!(refused(&renamed), DecodeError::Column { column: 8, n: 8 });
}
