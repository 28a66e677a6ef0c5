//! Bundles of small objects.

use crate::support::filled;
use parity_scale_codec::Encode;
use pieces::{
    BUNDLE_ENTRIES_MAX, BundleEntry, BundleError, BundleTable, ContentHash, FileId, decode_slice, encode_slice,
    object_id, outboard,
};

fn table(lens: &[u64]) -> BundleTable {
    let mut table = BundleTable::default();
    for len in lens {
        table.push(ContentHash::of(&len.to_le_bytes()), *len).unwrap();
    }
    table
}

#[test]
fn objects_lie_one_after_another() {
    let table = table(&[10, 0, 32]);
    assert_eq!(table.entries.iter().map(|entry| entry.offset).collect::<Vec<_>>(), [0, 10, 10]);
    assert_eq!((table.file_bytes(), table.check(42)), (42, Ok(())));
    assert_eq!(table.get(2).map(BundleEntry::end), Some(42));
    assert_eq!(table.get(3), None);
    assert_eq!(BundleTable::decode_bounded(&table.encode(), 42), Ok(table));
}

#[test]
fn gaps_overlaps_and_wrong_ends_are_refused() {
    let refused = |change: fn(&mut BundleTable), size| {
        let mut table = table(&[10, 20, 30]);
        change(&mut table);
        let error = table.check(size).unwrap_err();
        assert_eq!(BundleTable::decode_bounded(&table.encode(), size), Err(error.clone()));
        error
    };
    assert_eq!(refused(|_| (), 59), BundleError::End { expected: 59, actual: 60 });
    assert_eq!(refused(|_| (), 61), BundleError::End { expected: 61, actual: 60 });
    let offset = |index, expected, actual| BundleError::Offset { index, expected, actual };
    assert_eq!(refused(|t| t.entries[0].offset = 1, 60), offset(0, 0, 1));
    assert_eq!(refused(|t| t.entries[1].offset = 11, 60), offset(1, 10, 11));
    assert_eq!(refused(|t| t.entries[1].offset = 9, 60), offset(1, 10, 9));
    assert_eq!(refused(|t| t.entries.swap(0, 1), 60), offset(0, 0, 10));
    assert_eq!(refused(|t| t.entries[1].len = u64::MAX, 60), offset(2, u64::MAX, 30));
    assert_eq!(refused(|t| t.entries.clear(), 0), BundleError::EntryCount { actual: 0 });
}

#[test]
fn a_bundle_holds_1024_objects_and_not_one_more() {
    let mut full = table(&[1; BUNDLE_ENTRIES_MAX]);
    assert_eq!(full.check(1024), Ok(()));
    assert_eq!(full.encode().len() as u64, BundleTable::ENCODED_BYTES_MAX);
    assert_eq!(full.push(ContentHash::ZERO, 1), Err(BundleError::EntryCount { actual: 1025 }));
    full.entries.push(BundleEntry { content_hash: ContentHash::ZERO, offset: 1024, len: 1 });
    assert_eq!(full.check(1025), Err(BundleError::EntryCount { actual: 1025 }));
    assert!(matches!(BundleTable::decode_bounded(&full.encode(), 1025), Err(BundleError::TooLong { .. })));
}

#[test]
fn a_bundle_that_would_overflow_is_refused_and_unchanged() {
    let mut table = table(&[10]);
    assert!(matches!(table.push(ContentHash::ZERO, u64::MAX - 9), Err(BundleError::End { .. })));
    assert_eq!(table.check(10), Ok(()));
    assert!(matches!(
        BundleTable::decode_bounded(&[&table.encode()[..], &[0]].concat(), 10),
        Err(BundleError::Encoding(_))
    ));
}

#[test]
fn an_object_is_read_by_its_verified_range() {
    let objects: Vec<Vec<u8>> = [5000, 1, 40_000, 300].iter().map(|len| filled(*len, *len as usize)).collect();
    let mut table = BundleTable::default();
    for object in &objects {
        table.push(ContentHash::of(object), object.len() as u64).unwrap();
    }
    let file = objects.concat();
    let size = file.len() as u64;
    let (hash, hashes) = outboard(file.as_slice(), size).unwrap();
    for (entry, object) in table.entries.iter().zip(&objects) {
        let range = entry.offset..entry.end();
        let mut encoded = Vec::new();
        encode_slice(file.as_slice(), &hashes, hash, size, range.clone(), &mut encoded).unwrap();
        let read = decode_slice(hash, size, range, &encoded).unwrap().range_bytes();
        assert_eq!((&read[..], ContentHash::of(&read)), (&object[..], entry.content_hash));
    }
}

#[test]
fn names_of_objects_differ_by_file_and_index() {
    let (a, b) = (FileId::from_bytes([1; 32]), FileId::from_bytes([2; 32]));
    assert_ne!(object_id(a, 0), object_id(a, 1));
    assert_ne!(object_id(a, 0), object_id(b, 0));
    let scale = [&[1; 32][..], &7_u32.to_le_bytes()].concat();
    assert_eq!(object_id(a, 7).as_bytes(), &blake3::derive_key("piecewise object id v1", &scale));
}

#[test]
fn the_hash_binds_every_entry() {
    let original = table(&[10, 20]);
    assert_ne!(table(&[10, 21]).hash(), original.hash());
    assert_ne!(table(&[10, 20, 0]).hash(), original.hash());
}
