//! Manifests and the tables of bundles. The first byte says which; what passes its check has sizes that add up.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use pieces::{BundleTable, FileManifest, ManifestLimits, MediaType};

const LIMITS: ManifestLimits = ManifestLimits { max_piece_bytes: 64 * 1024 * 1024, max_segments: 128 };

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => {
            if let Ok(manifest) = FileManifest::decode_bounded(bytes, LIMITS) {
                assert_eq!(manifest.encode(), bytes, "two encodings of one manifest");
                add_up(&manifest);
            }
        }
        1 => {
            // A table belongs to a file whose length is known.
            let Some((file_bytes, bytes)) = bytes.split_first_chunk() else { return };
            let file_bytes = u64::from_le_bytes(*file_bytes);
            if let Ok(table) = BundleTable::decode_bounded(bytes, file_bytes) {
                assert_eq!(table.encode(), bytes, "two encodings of one table");
                assert_eq!(table.file_bytes(), file_bytes);
                let _ = (table.hash(), table.get(u32::MAX));
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(media_type) = text.parse::<MediaType>()
            {
                assert_eq!(media_type.as_str(), text);
            }
        }
    }
});

fn add_up(manifest: &FileManifest) {
    let _ = manifest.file_id();
    let lens = manifest.segments.iter().map(|segment| segment.len);
    assert_eq!(lens.sum::<u64>(), manifest.size, "the segments are the file");
    for segment in &manifest.segments {
        let piece_bytes = manifest.code.piece_bytes(segment.len);
        assert!(piece_bytes <= u64::from(LIMITS.max_piece_bytes), "a piece of {piece_bytes} bytes");
    }
    let third = manifest.size / 3;
    let planned = manifest.plan_range(third..manifest.size, LIMITS.max_piece_bytes).count();
    assert!(planned <= manifest.segments.len(), "a range touches a segment once");
}
