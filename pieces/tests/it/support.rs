//! Files, pieces and verified units for the tests.

use bytes::Bytes;
use pieces::{
    ErasureCode, FileEncoder, FileEvent, FileManifest, MediaType, SegmentManifest, VerifiedUnit, decode_slice,
    encode_slice, outboard,
};

/// The four profiles, with units small enough for tests.
pub const PROFILES: [(u8, u8); 4] = [(2, 4), (4, 8), (10, 30), (29, 80)];
pub const UNIT_BYTES: u32 = 1024;
pub const PIECE_MAX: u32 = 80 * 1024;

pub fn profile(index: usize) -> ErasureCode {
    let (k, n) = PROFILES[index];
    ErasureCode::new(k, n, UNIT_BYTES)
}

/// `count` bytes that look random and depend only on `seed`.
pub fn filled(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Lengths of a segment at which something changes, and their neighbours.
pub fn boundary_lens(code: &ErasureCode) -> Vec<u64> {
    let (k, unit) = (u64::from(code.k), u64::from(code.unit_bytes));
    let stripe = k * unit;
    let mut lens = vec![1, 63, 64, 65, k * 64, unit, stripe, 3 * stripe, code.segment_bytes_max(PIECE_MAX)];
    lens.extend(lens.clone().into_iter().flat_map(|len| [len - 1, len + 1]));
    lens.retain(|len| (1..=code.segment_bytes_max(PIECE_MAX)).contains(len));
    lens.sort_unstable();
    lens.dedup();
    lens
}

/// An encoded file: its manifest, and each segment's pieces.
pub struct Encoded {
    pub manifest: FileManifest,
    pub pieces: Vec<Vec<Vec<u8>>>,
}

/// Encodes `data`, given in chunks of `chunk_bytes`.
pub fn encode(code: ErasureCode, data: &[u8], chunk_bytes: usize) -> Encoded {
    let mut encoder = FileEncoder::new(code, PIECE_MAX, MediaType::default()).unwrap();
    let mut events = Vec::new();
    for chunk in data.chunks(chunk_bytes) {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(event) = encoder.push(&mut chunk).unwrap() {
            events.push(event);
        }
        assert!(chunk.is_empty());
    }
    let (last, manifest) = encoder.finish().unwrap();
    events.extend(last);
    let pieces = collect(&code, &manifest, events);
    Encoded { manifest, pieces }
}

fn collect(code: &ErasureCode, manifest: &FileManifest, events: Vec<FileEvent>) -> Vec<Vec<Vec<u8>>> {
    let mut segments: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut pieces = vec![Vec::new(); usize::from(code.n)];
    let mut next_stripe = 0;
    for event in events {
        match event {
            FileEvent::Stripe { segment, stripe, units } => {
                assert_eq!((usize::from(segment), stripe), (segments.len(), next_stripe), "events come in order");
                assert_eq!(units.len(), usize::from(code.n));
                next_stripe += 1;
                for (piece, unit) in pieces.iter_mut().zip(units) {
                    piece.extend_from_slice(&unit);
                }
            }
            FileEvent::Segment { segment, manifest: of_segment } => {
                assert_eq!(Some(&of_segment), manifest.segments.get(usize::from(segment)));
                segments.push(std::mem::replace(&mut pieces, vec![Vec::new(); usize::from(code.n)]));
                next_stripe = 0;
            }
        }
    }
    assert!(pieces.iter().all(Vec::is_empty), "every stripe belongs to a segment that ended");
    segments
}

/// Encodes `data` as one segment.
pub fn encode_segment(code: ErasureCode, data: &[u8]) -> (SegmentManifest, Vec<Vec<u8>>) {
    let mut encoded = encode(code, data, 10_007);
    assert_eq!(encoded.pieces.len(), 1);
    (encoded.manifest.segments.remove(0), encoded.pieces.remove(0))
}

/// The units of a column, by way of a slice of the whole piece.
pub fn units(code: &ErasureCode, segment: &SegmentManifest, column: u8, piece: &[u8]) -> Vec<VerifiedUnit> {
    let size = piece.len() as u64;
    let hash = segment.piece_hashes[usize::from(column)];
    let (computed, hashes) = outboard(piece, size).unwrap();
    assert_eq!(computed, hash, "the encoder's hash is the piece's hash");
    let mut encoded = Vec::new();
    encode_slice(piece, &hashes, hash, size, 0..size, &mut encoded).unwrap();
    decode_slice(hash, size, 0..size, &encoded).unwrap().units(code, segment.len, column).unwrap()
}

/// `count` different columns of `n`, drawn by `seed`, in drawn order.
pub fn draw_columns(seed: u64, count: u8, n: u8) -> Vec<u8> {
    let keys = filled(seed, usize::from(n) * 8);
    let mut columns: Vec<u8> = (0..n).collect();
    columns.sort_by_key(|column| keys[usize::from(*column) * 8..][..8].to_vec());
    columns.truncate(usize::from(count));
    columns
}
