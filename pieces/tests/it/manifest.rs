//! Manifests: every field that does not follow is refused.

use crate::support::{PIECE_MAX, encode, filled, profile};
use parity_scale_codec::Encode;
use pieces::{
    CodeError, ContentHash, FileManifest, Hash, ManifestBuilder, ManifestError, ManifestLimits, MediaType, PieceHash,
    SegmentManifest,
};

const LIMITS: ManifestLimits = ManifestLimits { max_piece_bytes: PIECE_MAX, max_segments: 3 };

/// A valid manifest of two segments, the second of 5000 bytes.
fn valid() -> FileManifest {
    let code = profile(0);
    let size = code.segment_bytes_max(PIECE_MAX) + 5000;
    encode(code, &filled(1, size as usize), 1 << 20).manifest
}

fn refused(change: impl FnOnce(&mut FileManifest)) -> ManifestError {
    let mut manifest = valid();
    change(&mut manifest);
    let error = manifest.check(PIECE_MAX, 3).unwrap_err();
    assert_eq!(FileManifest::decode_bounded(&manifest.encode(), LIMITS), Err(error.clone()));
    error
}

#[test]
fn a_manifest_from_the_encoder_is_valid_and_comes_back_from_its_bytes() {
    let manifest = valid();
    assert_eq!(manifest.check(PIECE_MAX, 2), Ok(()));
    assert_eq!(FileManifest::decode_bounded(&manifest.encode(), LIMITS), Ok(manifest));
}

#[test]
fn each_wrong_field_is_refused_by_name() {
    assert_eq!(refused(|m| m.version = 0), ManifestError::Version { version: 0 });
    assert_eq!(refused(|m| m.version = 2), ManifestError::Version { version: 2 });
    assert_eq!(refused(|m| m.code.id = 9), ManifestError::Code(CodeError::Id { id: 9 }));
    assert_eq!(refused(|m| m.code.k = 0), ManifestError::Code(CodeError::Counts { k: 0, n: 4 }));
    assert_eq!(refused(|m| m.code.unit_bytes = 65), ManifestError::Code(CodeError::Unit { unit_bytes: 65 }));
    assert_eq!(refused(|m| m.size += 1), ManifestError::SegmentLength { segment: 1, expected: 5001, actual: 5000 });
    assert_eq!(refused(|m| m.size -= 5000), ManifestError::SegmentCount { size: 163_840, expected: 1, actual: 2 });
    assert_eq!(
        refused(|m| m.size = u64::MAX),
        ManifestError::TooManySegments { size: u64::MAX, max: 3, actual: u64::MAX.div_ceil(163_840) }
    );
    assert_eq!(
        refused(|m| m.segments[0].len -= 1),
        ManifestError::SegmentLength { segment: 0, expected: 163_840, actual: 163_839 }
    );
    assert_eq!(
        refused(|m| m.segments[1].len = u64::MAX),
        ManifestError::SegmentLength { segment: 1, expected: 5000, actual: u64::MAX }
    );
    let removed = refused(|m| m.segments.truncate(1));
    assert_eq!(removed, ManifestError::SegmentCount { size: 168_840, expected: 2, actual: 1 });
    let added = refused(|m| m.segments.push(m.segments[1].clone()));
    assert_eq!(added, ManifestError::SegmentCount { size: 168_840, expected: 2, actual: 3 });
    let fewer = refused(|m| m.segments[1].piece_hashes.truncate(3));
    assert_eq!(fewer, ManifestError::HashCount { segment: 1, expected: 4, actual: 3 });
    let more = refused(|m| m.segments[0].piece_hashes.push(PieceHash::ZERO));
    assert_eq!(more, ManifestError::HashCount { segment: 0, expected: 4, actual: 5 });
    // Another n asks for another number of hashes.
    assert_eq!(refused(|m| m.code.n = 5), ManifestError::HashCount { segment: 0, expected: 5, actual: 4 });
}

#[test]
fn the_chains_limits_count() {
    let manifest = valid();
    assert_eq!(
        manifest.check(PIECE_MAX, 1),
        Err(ManifestError::TooManySegments { size: manifest.size, max: 1, actual: 2 })
    );
    assert!(manifest.check(PIECE_MAX * 2, 3).is_err());
    assert!(manifest.check(0, 3).is_err());
}

#[test]
fn an_empty_file_has_one_content_hash() {
    let builder = ManifestBuilder::new(profile(0), PIECE_MAX, MediaType::default());
    let empty = builder.clone().finish(ContentHash::of(b"")).unwrap();
    assert_eq!((empty.size, empty.segments.len()), (0, 0));
    assert_eq!(empty.check(PIECE_MAX, 0), Ok(()));
    let actual = ContentHash::of(b"x");
    assert_eq!(builder.finish(actual), Err(ManifestError::EmptyContent { actual }));
}

#[test]
fn the_builder_refuses_segments_that_make_no_file() {
    let mut builder = ManifestBuilder::new(profile(0), PIECE_MAX, MediaType::default());
    let segment = SegmentManifest { len: u64::MAX, piece_hashes: vec![PieceHash::ZERO; 4] };
    builder.add_segment(segment.clone());
    builder.add_segment(segment);
    assert_eq!(builder.finish(ContentHash::ZERO), Err(ManifestError::Overflow));
}

#[test]
fn bytes_left_over_missing_or_too_many_are_refused() {
    let encoded = valid().encode();
    let longer = [encoded.as_slice(), &[0]].concat();
    assert!(matches!(FileManifest::decode_bounded(&longer, LIMITS), Err(ManifestError::Encoding(_))));
    for len in 0..encoded.len() {
        assert!(matches!(FileManifest::decode_bounded(&encoded[..len], LIMITS), Err(ManifestError::Encoding(_))));
    }
    let max = LIMITS.encoded_bytes_max();
    let huge = vec![0; max as usize + 1];
    assert_eq!(FileManifest::decode_bounded(&huge, LIMITS), Err(ManifestError::TooLong { max, actual: max + 1 }));
}

#[test]
fn the_largest_manifest_is_as_long_as_the_limit_says() {
    let code = pieces::ErasureCode::new(1, 255, 64);
    let manifest = FileManifest {
        version: 1,
        content_hash: ContentHash::ZERO,
        size: 3 * 64,
        code,
        segments: vec![SegmentManifest { len: 64, piece_hashes: vec![PieceHash::ZERO; 255] }; 3],
        media_type: "a".repeat(127).parse().unwrap(),
        bundle: Some(Hash::ZERO),
    };
    let limits = ManifestLimits { max_piece_bytes: 64, max_segments: 3 };
    let encoded = manifest.encode();
    // The count of segments is bounded by five bytes and here takes one.
    assert_eq!(encoded.len() as u64 + 4, limits.encoded_bytes_max());
    assert_eq!(FileManifest::decode_bounded(&encoded, limits), Ok(manifest));
}

#[test]
fn every_field_changes_the_file_id() {
    let id = valid().file_id();
    let changes: [fn(&mut FileManifest); 9] = [
        |m| m.version = 2,
        |m| m.content_hash = ContentHash::ZERO,
        |m| m.size += 1,
        |m| m.code.unit_bytes += 64,
        |m| m.segments[0].len += 1,
        |m| m.segments[1].piece_hashes.swap(0, 1),
        |m| m.segments.swap(0, 1),
        |m| m.media_type = "text/plain".parse().unwrap(),
        |m| m.bundle = Some(Hash::ZERO),
    ];
    for change in changes {
        let mut manifest = valid();
        change(&mut manifest);
        assert_ne!(manifest.file_id(), id);
    }
}

#[test]
fn media_types_are_short_printable_ascii() {
    for good in ["", "text/plain; charset=utf-8", " ~", &"a".repeat(127)] {
        let media_type: MediaType = good.parse().unwrap();
        assert_eq!(media_type.as_str(), good);
    }
    for bad in ["text/plain\n", "\u{7f}", "caf\u{e9}", "\0", &"a".repeat(128)] {
        assert_eq!(bad.parse::<MediaType>(), Err(ManifestError::MediaType));
        let encoded = bad.to_owned().encode();
        let decoded = <MediaType as parity_scale_codec::Decode>::decode(&mut encoded.as_slice());
        assert!(decoded.is_err(), "{bad:?}");
        assert!(serde_json::from_value::<MediaType>(bad.into()).is_err());
    }
}

#[test]
fn a_manifest_in_json_comes_back() {
    let manifest = valid();
    let json = serde_json::to_value(&manifest).unwrap();
    assert_eq!(json["content_hash"], format!("0x{}", manifest.content_hash));
    assert_eq!(serde_json::from_value::<FileManifest>(json).unwrap(), manifest);
}
