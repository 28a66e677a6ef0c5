//! Every format, frozen. `PIECEWISE_GOLDEN=write` writes the files anew: that approves a new format and is a commit of
//! its own.

use crate::support::filled;
use parity_scale_codec::Encode;
use pieces::{
    BundleTable, ContentHash, ErasureCode, FileManifest, Hash, ManifestBuilder, MediaType, PieceHash, SegmentEncoder,
    SegmentManifest, decode_slice, encode_slice, object_id, outboard, prove_chunk, verify_chunk,
};
use std::fmt::Write as _;
use std::path::PathBuf;

/// The path of golden file `name`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Compares a file of `label hex` lines with what is computed now.
fn golden(name: &str, comment: &str, lines: &[(&str, &[u8])]) {
    let mut text = format!("# {comment}\n");
    for (label, bytes) in lines {
        writeln!(text, "{label} {}", hex::encode(bytes)).unwrap();
    }
    if std::env::var("PIECEWISE_GOLDEN").is_ok_and(|value| value == "write") {
        // By renaming, because the oracle may be reading at this moment.
        let fresh = path(name).with_extension("new");
        std::fs::write(&fresh, &text).unwrap();
        std::fs::rename(fresh, path(name)).unwrap();
    }
    let frozen = std::fs::read_to_string(path(name)).unwrap();
    assert!(frozen == text, "{name} differs from what is computed now:\n{text}");
}

fn manifest_of_two_segments() -> FileManifest {
    let code = ErasureCode::new(2, 4, 64);
    let hashes = |first: u8| (first..first + 4).map(|byte| PieceHash::from_bytes([byte; 32])).collect();
    let media_type = "text/plain; charset=utf-8".parse().unwrap();
    let mut builder = ManifestBuilder::new(code, 128, media_type);
    builder.add_segment(SegmentManifest { len: 256, piece_hashes: hashes(0x10) });
    builder.add_segment(SegmentManifest { len: 7, piece_hashes: hashes(0x20) });
    builder.finish(ContentHash::from_bytes([0xcc; 32])).unwrap()
}

#[test]
fn erasure_codes_are_frozen() {
    let of = |k, n| ErasureCode::new(k, n, 65_536).encode();
    golden(
        "erasure_code.hex",
        "SCALE of the codes 2/4, 4/8, 10/30, 29/80 with units of 64 KiB",
        &[("dev", &of(2, 4)), ("local", &of(4, 8)), ("standard", &of(10, 30)), ("compact", &of(29, 80))],
    );
}

#[test]
fn manifests_and_file_ids_are_frozen() {
    let plain = manifest_of_two_segments();
    let bundle = FileManifest { bundle: Some(Hash::from_bytes([0xbb; 32])), ..plain.clone() };
    let empty = ManifestBuilder::new(ErasureCode::new(10, 30, 65_536), 64 << 20, MediaType::default())
        .finish(ContentHash::of(b""))
        .unwrap();
    golden(
        "manifest.hex",
        "SCALE and FileId of a file of two segments, the same as a bundle, and an empty file",
        &[
            ("plain", &plain.encode()),
            ("plain_id", plain.file_id().as_ref()),
            ("bundle", &bundle.encode()),
            ("bundle_id", bundle.file_id().as_ref()),
            ("empty", &empty.encode()),
            ("empty_id", empty.file_id().as_ref()),
        ],
    );
}

#[test]
fn outboards_slices_and_chunk_proofs_are_frozen() {
    // Three groups, the last one of 232 bytes.
    let piece = filled(1, 33_000);
    let (hash, hashes) = outboard(piece.as_slice(), 33_000).unwrap();
    let mut slice = Vec::new();
    encode_slice(piece.as_slice(), &hashes, hash, 33_000, 32_900..33_000, &mut slice).unwrap();
    assert!(decode_slice(hash, 33_000, 32_900..33_000, &slice).is_ok());
    let mut whole = Vec::new();
    encode_slice(piece.as_slice(), &hashes, hash, 33_000, 0..33_000, &mut whole).unwrap();
    let proof = prove_chunk(piece.as_slice(), &hashes, hash, 33_000, 5).unwrap();
    assert!(verify_chunk(hash, 33_000, 5, &proof).is_ok());
    golden(
        "slice.hex",
        "33000 bytes of the BLAKE3 XOF of 01 and seven zeros as a piece; slices; the proof of chunk 5 in SCALE",
        &[
            ("piece_hash", hash.as_ref()),
            ("outboard", &hashes),
            ("slice_32900_33000", &slice),
            ("blake3_of_slice_0_33000", blake3::hash(&whole).as_bytes()),
            ("chunk_proof_5", &proof.encode()),
        ],
    );
}

#[test]
fn bundle_tables_and_object_ids_are_frozen() {
    let mut table = BundleTable::default();
    for (byte, len) in [(1, 100), (2, 0), (3, 70_000)] {
        table.push(ContentHash::from_bytes([byte; 32]), len).unwrap();
    }
    let file = manifest_of_two_segments().file_id();
    golden(
        "bundle.hex",
        "SCALE and hash of a table of three objects; ids of objects 0 and 1023 of the plain file of manifest.hex",
        &[
            ("table", &table.encode()),
            ("hash", table.hash().as_ref()),
            ("object_0", object_id(file, 0).as_ref()),
            ("object_1023", object_id(file, 1023).as_ref()),
        ],
    );
}

/// Segments of one full and one shorter stripe, for each profile. The oracle reads these files too.
pub const SEGMENTS: [(&str, u8, u8, usize); 4] = [
    ("segment_2_of_4.hex", 2, 4, 200),
    ("segment_4_of_8.hex", 4, 8, 257),
    ("segment_10_of_30.hex", 10, 30, 1200),
    ("segment_29_of_80.hex", 29, 80, 2000),
];

#[test]
fn parity_bytes_are_frozen() {
    for (name, k, n, len) in SEGMENTS {
        let code = ErasureCode::new(k, n, 64);
        let content = filled(u64::from(n), len);
        let stripe_bytes = usize::from(k) * 64;
        let mut encoder = SegmentEncoder::new(code).unwrap();
        let full = encoder.push(&content[..stripe_bytes]).unwrap();
        let (last, manifest) = encoder.finish(&content[stripe_bytes..]).unwrap();
        let pieces: Vec<Vec<u8>> =
            full.iter().zip(last.unwrap()).map(|(full, last)| [&full[..], &last[..]].concat()).collect();
        let labels: Vec<String> = (0..n).map(|column| format!("piece_{column}")).collect();
        let hashes = manifest.piece_hashes.encode();
        let code_scale = code.encode();
        let mut lines: Vec<(&str, &[u8])> =
            vec![("code", &code_scale), ("content", &content), ("piece_hashes", &hashes)];
        lines.extend(labels.iter().map(String::as_str).zip(pieces.iter().map(Vec::as_slice)));
        golden(name, "SCALE of the code, a segment, SCALE of its piece hashes, its pieces", &lines);
    }
}
