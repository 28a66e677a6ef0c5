//! Damage is found before anybody asks for the piece, and a folder that is gone is not written to.

use crate::stores::{holds, path_of, put};
use crate::support::{LIMITS, MIB, bytes_of, open_store};
use dsn::{PieceStore, StoreError};
use pieces::PieceHash;
use std::fs;
use std::path::Path;

/// Looks at every piece once.
fn scrub(store: &PieceStore) {
    let mut at = PieceHash::ZERO;
    for _ in 0..store.piece_count() {
        at = store.piece_behind(&at).unwrap().unwrap();
        store.scrub(&at).unwrap();
    }
}

fn set_aside(dir: &Path) -> usize {
    fs::read_dir(dir.join("damaged")).map_or(0, Iterator::count)
}

#[test]
fn a_pass_comes_to_every_piece_and_around_to_the_first_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    assert_eq!(store.piece_behind(&PieceHash::ZERO).unwrap(), None);
    let mut hashes: Vec<_> = (0..20).map(|index| put(&store, index, &bytes_of(index, 1000))).collect();
    hashes.sort();
    let mut at = hashes[7];
    for expected in hashes.iter().cycle().skip(8).take(40) {
        at = store.piece_behind(&at).unwrap().unwrap();
        assert_eq!(at, *expected);
    }
    scrub(&store);
    assert_eq!((store.scrubbed_bytes(), store.damaged_count()), (20_000, 0));
}

#[test]
fn a_damaged_piece_is_set_aside_and_counted_and_the_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let whole = bytes_of(1, 2 * MIB);
    let (kept, tree) = (put(&store, 0, &whole), put(&store, 1, &bytes_of(2, 2 * MIB)));
    type Damage = fn(&Path);
    let damages: [(u8, Damage); 3] = [
        (3, |path| fs::write(path, b"other bytes").unwrap()),
        (4, |path| fs::remove_file(path).unwrap()),
        (5, |path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[700] ^= 0x10;
            fs::write(path, bytes).unwrap();
        }),
    ];
    for (index, damage) in damages {
        let hash = put(&store, index, &bytes_of(index, 1000));
        damage(&path_of(dir.path(), &hash));
        scrub(&store);
        assert!(!store.has(&hash).unwrap() && store.open_piece(&hash).unwrap().is_none(), "{index}");
    }
    assert_eq!((store.damaged_count(), store.piece_count()), (3, 2));
    assert_eq!(set_aside(dir.path()), 2, "one had no file left");
    // A hash tree is no loss: it is made anew.
    let tree_path = path_of(dir.path(), &tree).with_extension("obao");
    let good = fs::read(&tree_path).unwrap();
    fs::write(&tree_path, vec![7; good.len()]).unwrap();
    scrub(&store);
    assert_eq!((fs::read(&tree_path).unwrap(), store.damaged_count()), (good, 3));
    assert!(holds(&store, kept, &whole));
    drop(store);
    assert_eq!(open_store(dir.path(), LIMITS).piece_count(), 2, "what is set aside stays aside");
}

#[test]
fn damaged_pieces_do_not_fill_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    for index in 0..70 {
        let hash = put(&store, index, &bytes_of(index, 100));
        fs::write(path_of(dir.path(), &hash), b"damaged").unwrap();
        assert!(!store.recheck(&hash).unwrap());
    }
    assert_eq!((set_aside(dir.path()), store.damaged_count()), (64, 70));
}

#[test]
fn a_folder_that_is_deleted_under_its_store_takes_no_more_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hash = put(&store, 0, b"bytes");
    fs::remove_dir_all(dir.path()).unwrap();
    let refused = store.begin(5).unwrap_err();
    assert!(matches!(refused, StoreError::Gone { .. }), "{refused:?}");
    assert!(refused.to_string().contains(dir.path().to_str().unwrap()), "{refused}");
    assert!(!store.has(&hash).unwrap());
    assert!(!dir.path().exists());
}
