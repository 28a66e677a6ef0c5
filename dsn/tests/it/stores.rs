//! The store on its own.

use crate::support::{LIMITS, MIB, bytes_of, deal, key, open_store};
use crate::transfer::files_in;
use dsn::store::{FinishError, PieceTerms};
use dsn::{PieceKey, PieceRow, PieceStore, StoreError, StoreLimits, Unowned};
use pieces::{PieceHash, decode_slice};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn terms(index: u8) -> PieceTerms {
    PieceTerms { deal: deal(), segment: 0, index, until_epoch: 9, store_by_ms: 1000, recorded: false }
}

fn row(store: &PieceStore, index: u8) -> Option<PieceRow> {
    let rows = store.rows_of(&deal(), 0, index).unwrap();
    assert!(rows.len() <= 1);
    rows.into_iter().next().map(|(_, row)| row)
}

pub fn put(store: &Arc<PieceStore>, index: u8, piece: &[u8]) -> PieceHash {
    let hash = PieceHash::of(piece);
    let count = u32::try_from(piece.len()).unwrap();
    let mut writer = store.begin(count).unwrap();
    writer.write(piece).unwrap();
    writer.finish(hash, count, terms(index)).unwrap();
    hash
}

pub fn path_of(dir: &Path, hash: &PieceHash) -> PathBuf {
    let name = hash.to_string();
    dir.join("files").join(&name[..2]).join(&name[2..4]).join(&name)
}

pub fn holds(store: &PieceStore, hash: PieceHash, piece: &[u8]) -> bool {
    let Some(stored) = store.open_piece(&hash).unwrap() else {
        return false;
    };
    let count = u64::try_from(piece.len()).unwrap();
    let mut slice = Vec::new();
    stored.reader.encode_slice(0..count, &mut slice).is_ok()
        && decode_slice(hash, count, 0..count, &slice).unwrap().bytes() == piece
}

#[test]
fn a_kept_piece_is_a_file_by_its_hash_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (bytes_of(1, MIB), bytes_of(2, MIB + 1));
    let store = open_store(dir.path(), LIMITS);
    let hashes = [put(&store, 0, &small), put(&store, 1, &large)];
    assert_eq!(fs::read(path_of(dir.path(), &hashes[0])).unwrap(), small);
    assert_eq!(fs::read(path_of(dir.path(), &hashes[1])).unwrap(), large);
    // Only the large one keeps its hash tree.
    assert_eq!(files_in(dir.path()), 3);
    assert!(path_of(dir.path(), &hashes[1]).with_extension("obao").exists());
    drop(store);
    let store = open_store(dir.path(), LIMITS);
    assert!(holds(&store, hashes[0], &small) && holds(&store, hashes[1], &large));
    assert_eq!((store.piece_count(), store.used_bytes()), (2, 2 * (1 << 20) + 1));
}

#[test]
fn a_dropped_writer_leaves_neither_row_nor_file_nor_reservation() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), StoreLimits { quota_bytes: 100, reserve_bytes: 0 });
    for _ in 0..3 {
        let mut writer = store.begin(100).unwrap();
        writer.write(&[1; 50]).unwrap();
        assert!(matches!(store.begin(1), Err(StoreError::Quota { wanted: 1, used: 100, quota: 100 })));
    }
    assert_eq!((files_in(dir.path()), store.piece_count()), (0, 0));
    assert_eq!(row(&store, 0), None);
}

#[test]
fn of_what_a_crash_leaves_whole_pieces_are_kept_and_the_rest_is_gone_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let (kept, orphan) = (bytes_of(1, 1000), bytes_of(2, 2 * MIB));
    let store = open_store(dir.path(), LIMITS);
    let hash = put(&store, 0, &kept);
    drop(store);
    // Between writing and renaming; between the hash tree and renaming; and between renaming and the row.
    fs::write(dir.path().join("tmp").join("17"), b"half a piece").unwrap();
    let tree = path_of(dir.path(), &PieceHash::of(b"of no piece")).with_extension("obao");
    let path = path_of(dir.path(), &PieceHash::of(&orphan));
    [&tree, &path].iter().for_each(|path| fs::create_dir_all(path.parent().unwrap()).unwrap());
    fs::write(&path, &orphan).unwrap();
    fs::write(&tree, b"tree").unwrap();
    let store = open_store(dir.path(), LIMITS);
    assert_eq!((tree.exists(), store.piece_count()), (false, 2));
    assert!(holds(&store, hash, &kept) && holds(&store, PieceHash::of(&orphan), &orphan));
    assert_eq!(store.release_unowned(|_| true).unwrap(), Unowned { released: 1, kept: 0 });
    assert_eq!((files_in(dir.path()), store.piece_count()), (1, 1));
    assert!(holds(&store, hash, &kept));
}

#[test]
fn a_file_deleted_under_us_is_a_lost_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let (first, second, third) = (bytes_of(1, 1000), bytes_of(2, 2000), bytes_of(3, 3000));
    let hashes = [put(&store, 0, &first), put(&store, 1, &second), put(&store, 2, &third)];
    // Noticed by a question, by a read, and by the next start.
    fs::remove_file(path_of(dir.path(), &hashes[0])).unwrap();
    assert!(!store.has(&hashes[0]).unwrap());
    fs::write(path_of(dir.path(), &hashes[1]), b"shorter").unwrap();
    assert!(store.open_piece(&hashes[1]).unwrap().is_none());
    assert_eq!((row(&store, 0), row(&store, 1)), (None, None));
    fs::remove_file(path_of(dir.path(), &hashes[2])).unwrap();
    drop(store);
    let store = open_store(dir.path(), LIMITS);
    assert_eq!((row(&store, 2), store.piece_count(), store.used_bytes()), (None, 0, 0));
    // And can be put again.
    put(&store, 2, &third);
    assert!(holds(&store, hashes[2], &third));
}

#[test]
fn deleting_the_whole_folder_loses_pieces_but_not_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let store_dir = dir.path().join("pieces");
    let store = open_store(&store_dir, LIMITS);
    let hash = put(&store, 0, b"bytes");
    drop(store);
    fs::remove_dir_all(&store_dir).unwrap();
    let store = open_store(&store_dir, LIMITS);
    assert!(!store.has(&hash).unwrap());
}

#[test]
fn deleting_the_files_alone_loses_the_rows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    put(&store, 0, b"bytes");
    drop(store);
    fs::remove_dir_all(dir.path().join("files")).unwrap();
    let store = open_store(dir.path(), LIMITS);
    assert_eq!((store.piece_count(), row(&store, 0)), (0, None));
}

#[test]
fn deleting_the_index_alone_keeps_the_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let piece = bytes_of(1, 2 * MIB);
    let hash = put(&store, 0, &piece);
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open_store(dir.path(), LIMITS);
    assert!(holds(&store, hash, &piece));
    assert_eq!((row(&store, 0), store.piece_count()), (None, 1));
    // Still so after another start, and the next row takes it over.
    drop(store);
    let store = open_store(dir.path(), LIMITS);
    put(&store, 0, &piece);
    store.release(&key(0, hash)).unwrap();
    assert_eq!((store.piece_count(), files_in(dir.path())), (0, 0));
}

/// Every file of the index whose name begins so.
fn index_files(dir: &Path, is_it: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| is_it(path.file_name().unwrap().to_str().unwrap())).collect()
}

fn is_log(name: &str) -> bool {
    name.ends_with(".log")
}

fn is_manifest(name: &str) -> bool {
    name.starts_with("MANIFEST")
}

fn is_current(name: &str) -> bool {
    name == "CURRENT"
}

fn is_table(name: &str) -> bool {
    name.ends_with(".sst")
}

fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(path, content).unwrap();
}

fn truncate(path: &Path) {
    fs::write(path, []).unwrap();
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}

#[test]
fn whatever_happens_to_the_index_every_piece_is_served_and_the_damage_is_set_aside() {
    let piece = |index: u8| bytes_of(index, if index == 3 { 2 * MIB } else { 1000 });
    for (file, is_it) in
        [("log", is_log as fn(&str) -> bool), ("MANIFEST", is_manifest), ("CURRENT", is_current), ("table", is_table)]
    {
        for (deed, damage) in [("flip", flip as fn(&Path)), ("truncate", truncate), ("remove", remove)] {
            let dir = tempfile::tempdir().unwrap();
            // In two lives, so that there are a table and a log.
            for life in 0..2 {
                let store = open_store(dir.path(), LIMITS);
                (life * 4..life * 4 + 4)
                    .for_each(|index| assert!(store.has(&put(&store, index, &piece(index))).unwrap()));
            }
            let found = index_files(dir.path(), is_it);
            assert!(!found.is_empty(), "{file}");
            found.iter().for_each(|path| damage(path));
            let store = open_store(dir.path(), LIMITS);
            let served = (0..8).all(|index| holds(&store, PieceHash::of(&piece(index)), &piece(index)));
            assert!(served && store.piece_count() == 8, "{file} {deed}");
            assert!(dir.path().join("index.damaged").is_dir(), "{file} {deed} was not noticed");
            assert!(store.has_unowned().unwrap());
            drop(store);
            let store = open_store(dir.path(), LIMITS);
            assert_eq!((store.piece_count(), store.sweep().unwrap().adopted), (8, 0), "{file} {deed}");
        }
    }
}

#[test]
fn a_log_without_the_end_that_was_never_synced_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hash = put(&store, 0, b"bytes");
    let synced: Vec<u64> =
        index_files(dir.path(), is_log).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    // Marks are not synced.
    store.mark_recorded(&key(0, hash)).unwrap();
    drop(store);
    for (path, bytes) in index_files(dir.path(), is_log).iter().zip(synced) {
        let torn = bytes + (fs::metadata(path).unwrap().len() - bytes) / 2;
        fs::File::options().write(true).open(path).unwrap().set_len(torn).unwrap();
    }
    let store = open_store(dir.path(), LIMITS);
    assert_eq!((store.piece_count(), row(&store, 0).map(|row| row.recorded)), (1, Some(false)));
    assert!(!dir.path().join("index.damaged").exists());
}

#[test]
fn a_piece_without_a_row_gets_the_one_that_the_ledger_records_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (b"first", b"second");
    let store = open_store(dir.path(), LIMITS);
    let hashes = [put(&store, 0, first), put(&store, 1, second)];
    drop(store);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = open_store(dir.path(), LIMITS);
    assert!(store.restore_row(&key(0, hashes[0]), 7).unwrap());
    // Once is enough, and what is not here gets none.
    assert!(!store.restore_row(&key(0, hashes[0]), 7).unwrap());
    assert!(!store.restore_row(&key(2, PieceHash::of(b"third")), 7).unwrap());
    let kept = PieceRow { piece_bytes: 5, until_epoch: 7, store_by_ms: 0, recorded: true };
    assert_eq!((row(&store, 0), row(&store, 2)), (Some(kept), None));
    // What no row names stays until it is old enough, which what has a row does not care about.
    let written = fs::metadata(path_of(dir.path(), &hashes[1])).unwrap().modified().unwrap();
    let written = u64::try_from(written.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    assert_eq!(store.release_unowned(|at| at != written).unwrap(), Unowned { released: 0, kept: 1 });
    assert!(holds(&store, hashes[1], second));
    assert_eq!(store.release_unowned(|at| at == written).unwrap(), Unowned { released: 1, kept: 0 });
    assert!(!store.has(&hashes[1]).unwrap() && holds(&store, hashes[0], first));
    assert_eq!((store.release_unowned(|_| true).unwrap(), files_in(dir.path())), (Unowned::default(), 1));
    store.release(&key(0, hashes[0])).unwrap();
    assert_eq!((store.piece_count(), files_in(dir.path())), (0, 0));
}

#[test]
fn a_lost_hash_tree_is_made_anew_and_a_damaged_piece_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let piece = bytes_of(1, 2 * MIB);
    let hash = put(&store, 0, &piece);
    let tree = path_of(dir.path(), &hash).with_extension("obao");
    let good = fs::read(&tree).unwrap();
    fs::remove_file(&tree).unwrap();
    assert!(holds(&store, hash, &piece));
    assert_eq!(fs::read(&tree).unwrap(), good);
    // A damaged tree is found when it is used, and put right by looking again.
    fs::write(&tree, vec![0; good.len()]).unwrap();
    assert!(!holds(&store, hash, &piece));
    assert!(store.recheck(&hash).unwrap());
    assert_eq!(fs::read(&tree).unwrap(), good);
    let mut damaged = piece.clone();
    damaged[MIB] ^= 1;
    fs::write(path_of(dir.path(), &hash), &damaged).unwrap();
    assert!(!holds(&store, hash, &piece));
    assert!(!store.recheck(&hash).unwrap());
    assert_eq!((store.piece_count(), row(&store, 0), files_in(dir.path())), (0, None, 0));
}

#[test]
fn the_same_piece_of_two_deals_is_kept_once_and_as_long_as_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hash = put(&store, 0, b"bytes");
    put(&store, 1, b"bytes");
    assert_eq!((store.piece_count(), store.used_bytes()), (1, 5));
    store.release(&key(0, hash)).unwrap();
    assert!(store.has(&hash).unwrap());
    store.release(&key(1, hash)).unwrap();
    assert!(!store.has(&hash).unwrap());
    assert_eq!(files_in(dir.path()), 0);
}

#[test]
fn putting_a_piece_again_keeps_the_longer_promise() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hash = put(&store, 0, b"bytes");
    for (until_epoch, store_by_ms, recorded) in [(8, 1001, true), (10, 999, false)] {
        let mut writer = store.begin(5).unwrap();
        writer.write(b"bytes").unwrap();
        writer.finish(hash, 5, PieceTerms { until_epoch, store_by_ms, recorded, ..terms(0) }).unwrap();
    }
    let kept = PieceRow { piece_bytes: 5, until_epoch: 10, store_by_ms: 1001, recorded: true };
    assert_eq!((row(&store, 0), store.piece_count()), (Some(kept), 1));
}

#[test]
fn unrecorded_bytes_are_counted_until_they_are_recorded_or_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hashes = [put(&store, 0, b"first"), put(&store, 1, b"second"), put(&store, 2, b"third!!")];
    assert_eq!(store.unrecorded_bytes(), 5 + 6 + 7);
    store.mark_recorded(&key(0, hashes[0])).unwrap();
    store.mark_recorded(&key(0, hashes[0])).unwrap();
    store.release(&key(1, hashes[1])).unwrap();
    assert_eq!(store.unrecorded_bytes(), 7);
    drop(store);
    assert_eq!(open_store(dir.path(), LIMITS).unrecorded_bytes(), 7);
}

#[test]
fn what_is_announced_wrong_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let mut writer = store.begin(5).unwrap();
    writer.write(b"bytes").unwrap();
    assert!(matches!(writer.write(b"x"), Err(StoreError::Quota { .. })));
    let wrong = writer.finish(PieceHash::of(b"other"), 5, terms(0));
    assert!(matches!(wrong, Err(FinishError::Hash { .. })), "{wrong:?}");
    let mut writer = store.begin(5).unwrap();
    writer.write(b"byte").unwrap();
    let wrong = writer.finish(PieceHash::of(b"byte"), 5, terms(0));
    assert!(matches!(wrong, Err(FinishError::Length { expected: 5, actual: 4 })), "{wrong:?}");
    assert_eq!((files_in(dir.path()), store.piece_count()), (0, 0));
}

#[test]
fn a_full_disk_is_told_apart_from_a_broken_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), StoreLimits { quota_bytes: u64::MAX, reserve_bytes: u64::MAX / 2 });
    let full = store.begin(1).unwrap_err();
    assert!(full.is_full() && matches!(full, StoreError::DiskFull { .. }), "{full:?}");
    let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let broken = StoreError::Io { what: "write", path: PathBuf::from("x"), source };
    assert!(!broken.is_full());
}

#[test]
fn what_is_not_recorded_in_time_goes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let hashes: Vec<PieceHash> = (0..4).map(|index| put(&store, index, &[index; 10])).collect();
    let nobody = |_: &PieceKey, _: &PieceRow| panic!("asked before the time");
    assert_eq!(store.sweep_unrecorded(1000, nobody).unwrap().unrecorded, 0);
    store.mark_recorded(&key(0, hashes[0])).unwrap();
    let report = store.sweep_unrecorded(1001, |key, _| key.index == 1).unwrap();
    assert_eq!(report.unrecorded, 2);
    let held: Vec<bool> = hashes.iter().map(|hash| store.has(hash).unwrap()).collect();
    assert_eq!(held, [true, true, false, false]);
    // Once known to be recorded, nobody is asked again.
    assert_eq!(store.sweep_unrecorded(1001, nobody).unwrap().unrecorded, 0);
    assert!(row(&store, 1).unwrap().recorded);
}

#[test]
fn a_sweep_that_runs_beside_puts_and_releases_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4_u8)
            .map(|thread| {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..50_u8 {
                        // The same few pieces come and go under different keys.
                        let piece = [round % 5; 100];
                        let hash = put(store, thread, &piece);
                        assert!(store.has(&hash).unwrap());
                        if round != 49 {
                            store.release(&key(thread, hash)).unwrap();
                        }
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert_eq!(store.sweep().unwrap().lost, 0);
        }
    });
    for thread in 0..4 {
        assert!(row(&store, thread).is_some(), "the last round only puts");
        assert!(store.has(&PieceHash::of(&[49 % 5; 100])).unwrap());
    }
    let pieces = store.piece_count();
    drop(store);
    assert_eq!(open_store(dir.path(), LIMITS).piece_count(), pieces);
}

#[test]
fn two_stores_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let _store = open_store(dir.path(), LIMITS);
    let second = PieceStore::open(dir.path(), LIMITS);
    assert!(matches!(second, Err(StoreError::Index { .. })), "{second:?}");
}

#[test]
fn rows_come_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    for index in 0..5 {
        put(&store, index, &[index; 3]);
    }
    let first = store.rows(None, 3).unwrap();
    let rest = store.rows(Some(&first[2].0), 3).unwrap();
    let keys: Vec<PieceKey> = first.iter().chain(&rest).map(|(key, _)| *key).collect();
    assert_eq!(keys, (0..5).map(|index| key(index, PieceHash::of(&[index; 3]))).collect::<Vec<_>>());
}
