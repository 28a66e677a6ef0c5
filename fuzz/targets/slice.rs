//! Slices and chunk proofs, as providers send them.
//!
//! The first byte chooses: noise for a piece of any size, or an honest slice with one change. The streaming decoder and
//! the one for bytes at hand must agree, and what is changed must not be believed.

#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Decode;
use pieces::{
    ChunkProof, PieceHash, SliceDecoder, decode_slice, encode_slice, outboard, prove_chunk, slice_bytes_max,
    verify_chunk,
};

/// Longest honest piece: some groups and the beginning of one.
const PIECE_BYTES_MAX: u64 = 70_000;

thread_local! {
    static CONTENT: Vec<u8> = (0..PIECE_BYTES_MAX).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)).collect();
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, mut bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => noise(&mut bytes),
        1 => changed_slice(&mut bytes),
        _ => changed_proof(&mut bytes),
    };
});

/// Bytes that were never a slice, of a piece of any size.
fn noise(bytes: &mut &[u8]) -> Option<()> {
    let (piece_bytes, start, end) = <(u64, u64, u64)>::decode(bytes).ok()?;
    let hash = PieceHash::from_bytes(<[u8; 32]>::decode(bytes).ok()?);
    let _ = slice_bytes_max(piece_bytes, start..end);
    agree(hash, piece_bytes, start..end, bytes);
    if let Some(proof) = ChunkProof::from_bytes(bytes.to_vec()) {
        let _ = verify_chunk(hash, piece_bytes, start, &proof);
    }
    Some(())
}

fn changed_slice(bytes: &mut &[u8]) -> Option<()> {
    let (size, start, length, at, change) = <(u32, u32, u32, u32, u8)>::decode(bytes).ok()?;
    let (piece, hash, hashes) = honest(size);
    let piece_bytes = u64::try_from(piece.len()).ok()?;
    let start = u64::from(start) % piece_bytes;
    let range = start..start + 1 + u64::from(length) % (piece_bytes - start);
    let mut slice = Vec::new();
    encode_slice(piece.as_slice(), &hashes, hash, piece_bytes, range.clone(), &mut slice).expect("an honest piece");
    let at = usize::try_from(at).ok()? % slice.len();
    *slice.get_mut(at)? ^= change;
    let believed = agree(hash, piece_bytes, range, &slice);
    assert_eq!(believed, change == 0, "a slice is believed if and only if nothing is changed");
    Some(())
}

fn changed_proof(bytes: &mut &[u8]) -> Option<()> {
    let (size, index, at, change) = <(u32, u32, u32, u8)>::decode(bytes).ok()?;
    let (piece, hash, hashes) = honest(size);
    let piece_bytes = u64::try_from(piece.len()).ok()?;
    let index = u64::from(index) % piece_bytes.div_ceil(1024);
    let proof = prove_chunk(piece.as_slice(), &hashes, hash, piece_bytes, index).expect("an honest piece");
    let mut changed = proof.as_bytes().to_vec();
    let at = usize::try_from(at).ok()? % changed.len();
    *changed.get_mut(at)? ^= change;
    let believed = verify_chunk(hash, piece_bytes, index, &ChunkProof::from_bytes(changed)?).is_ok();
    assert_eq!(believed, change == 0, "a proof holds if and only if nothing is changed");
    Some(())
}

/// A piece of some size, its hash and its outboard.
fn honest(size: u32) -> (Vec<u8>, PieceHash, Vec<u8>) {
    let piece_bytes = 1 + u64::from(size) % PIECE_BYTES_MAX;
    let length = usize::try_from(piece_bytes).unwrap_or(0);
    let piece = CONTENT.with(|content| content.get(..length).unwrap_or_default().to_vec());
    let (hash, hashes) = outboard(piece.as_slice(), piece_bytes).expect("memory can be read");
    (piece, hash, hashes)
}

/// Whether both decoders believe it; they must say the same.
fn agree(hash: PieceHash, piece_bytes: u64, range: Range<u64>, encoded: &[u8]) -> bool {
    let whole = decode_slice(hash, piece_bytes, range.clone(), encoded);
    let exact = u64::try_from(encoded.len()).is_ok_and(|length| length == slice_bytes_max(piece_bytes, range.clone()));
    let streamed =
        SliceDecoder::new(hash, piece_bytes, range, encoded).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match (&whole, &streamed) {
        (Ok(slice), Ok(groups)) => {
            let bytes: Vec<u8> = groups.iter().flat_map(|group| group.bytes.iter().copied()).collect();
            assert_eq!(*slice.bytes(), bytes, "the decoders hand out different bytes");
        }
        (Err(_), Err(_)) => {}
        // The stream may have more behind the slice; who reads it stops before that.
        (Err(_), Ok(_)) => assert!(!exact, "only the streaming decoder believes it"),
        (Ok(_), Err(error)) => panic!("only the decoder of bytes at hand believes it: {error}"),
    }
    whole.is_ok()
}
