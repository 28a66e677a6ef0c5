//! Opening: what is accepted, what is refused, and what the refusal says.

use std::path::Path;

use ledger::{Ledger, OpenError};
use parity_scale_codec::Encode;
use runtime::event::{Event, EventRecord};
use runtime::state::{Changes, MemoryState, StateView};
use runtime::tables::{ChainState, ParameterTable, Table};
use runtime::types::CommitCertificate;

use crate::support::{commit, dump, folder, genesis, ledger};

fn changes(number: u8) -> Changes {
    [(vec![0x40, number], Some(vec![number])), (vec![0x40], Some(vec![number, number]))].into()
}

#[test]
fn a_new_folder_holds_block_0() {
    let folder = folder();
    let path = folder.path().join("not/there/yet");
    let ledger = Ledger::open(&path, &genesis()).unwrap();
    let head = ledger.head();
    assert_eq!((head.header.height, head.hash), (0, ledger.genesis_hash()));
    assert_eq!(head.header, genesis().header(head.header.state_root));
    let state = MemoryState::from(genesis().changes().unwrap());
    for (key, value) in state.entries() {
        assert_eq!(ledger.state().get(key).unwrap().as_deref(), Some(value));
        assert_eq!(ledger.state_get_at(key, 0).unwrap().as_deref(), Some(value));
    }
    let block = ledger.block(0).unwrap().unwrap();
    assert_eq!((block.hash(), block.transactions.len()), (head.hash, 0));
    assert_eq!(ledger.events(0).unwrap(), Some(vec![]));
    assert_eq!(ledger.certificate(0).unwrap(), None);
    assert_eq!(ledger.height_of(&head.hash).unwrap(), Some(0));
}

#[test]
fn the_families_are_those_that_are_declared() {
    let (folder, ledger) = ledger();
    drop(ledger);
    let found: Vec<_> = dump(folder.path()).into_keys().collect();
    let declared = "bodies certificates default events headers indexes meta nodes state undecided values".split(' ');
    assert_eq!(found, declared.collect::<Vec<_>>());
}

#[test]
fn what_was_committed_is_there_after_opening_again() {
    let (folder, first) = ledger();
    let blocks: Vec<_> = (1..20).map(|number| commit(&first, changes(number))).collect();
    let head = first.head();
    drop(first);
    let second = Ledger::open(folder.path(), &genesis()).unwrap();
    assert_eq!(*second.head(), *head);
    for (height, block) in (1..).zip(blocks) {
        assert_eq!(second.header(height).unwrap().as_ref(), Some(&block.header));
        assert_eq!(second.block(height).unwrap(), Some(block));
    }
    assert_eq!(second.state().get(&[0x40]).unwrap(), Some(vec![19, 19]));
    // It goes on as if nothing had happened.
    let (_other_folder, other) = ledger();
    (1..=20).for_each(|number| drop(commit(&other, changes(number))));
    commit(&second, changes(20));
    assert_eq!(*second.head(), *other.head());
}

#[test]
fn the_folder_of_another_chain_is_refused_by_name() {
    let (folder, ledger) = ledger();
    let found_hash = ledger.genesis_hash();
    drop(ledger);
    let mut other = genesis();
    other.seed.push(1);
    let before = dump(folder.path());
    let error = Ledger::open(folder.path(), &other).unwrap_err();
    assert!(error.to_string().contains(&found_hash.to_string()), "{error}");
    match error {
        OpenError::OtherGenesis { found, wanted, .. } => {
            assert_eq!(found, found_hash);
            assert_ne!(found, wanted);
        }
        other => panic!("{other}"),
    }
    assert_eq!(dump(folder.path()), before);
}

#[test]
fn a_folder_in_use_is_refused_with_a_sentence_that_says_so() {
    let (folder, first) = ledger();
    let error = Ledger::open(folder.path(), &genesis()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(error.to_string().starts_with("another node uses the folder"), "{error}");
    drop(first);
    assert!(Ledger::open(folder.path(), &genesis()).is_ok());
}

#[test]
fn a_snapshot_outlives_its_ledger() {
    let (_folder, ledger) = ledger();
    commit(&ledger, changes(7));
    let state = ledger.state();
    drop(ledger);
    assert_eq!(state.get(&[0x40, 7]).unwrap(), Some(vec![7]));
}

/// Changes rows behind the ledger's back.
fn tamper(path: &Path, change: impl FnOnce(&rocksdb::DB)) {
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, path).unwrap();
    change(&rocksdb::DB::open_cf(&options, path, names).unwrap());
}

fn refusal(change: impl FnOnce(&rocksdb::DB)) -> String {
    let (folder, ledger) = ledger();
    (1..4).for_each(|number| drop(commit(&ledger, changes(number))));
    drop(ledger);
    tamper(folder.path(), change);
    match Ledger::open(folder.path(), &genesis()).unwrap_err() {
        OpenError::Corrupt { what, .. } => what,
        other => panic!("{other:?}"),
    }
}

fn remove(family: &'static str, key: &'static [u8]) -> impl Fn(&rocksdb::DB) {
    move |db| db.delete_cf(db.cf_handle(family).unwrap(), key).unwrap()
}

/// Puts the row of one key at another.
fn copy(family: &'static str, from: &'static [u8], to: &'static [u8]) -> impl Fn(&rocksdb::DB) {
    move |db| {
        let family = db.cf_handle(family).unwrap();
        let row = db.get_cf(family, from).unwrap().unwrap();
        db.put_cf(family, to, row).unwrap();
    }
}

fn events_of_another(db: &rocksdb::DB) {
    let events = vec![EventRecord { transaction: None, event: Event::EpochStarted { epoch: 7 } }];
    let row = [vec![1], events.encode()].concat();
    db.put_cf(db.cf_handle("events").unwrap(), 3u64.to_be_bytes(), row).unwrap();
}

fn without_indexes(db: &rocksdb::DB) {
    let family = db.cf_handle("indexes").unwrap();
    db.delete_range_cf(family, [].as_slice(), &[0xff; 80]).unwrap();
}

/// Changes the newest value that the tree has for a key.
fn damage_value(db: &rocksdb::DB, key: &[u8]) {
    let (family, hash) = (db.cf_handle("values").unwrap(), ledger::key_hash(key));
    for row in db.iterator_cf(family, rocksdb::IteratorMode::Start) {
        let (at, value) = row.unwrap();
        if at.starts_with(&hash) {
            let mut value = value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            db.put_cf(family, at, value).unwrap();
        }
    }
}

#[test]
fn a_head_that_contradicts_itself_is_named() {
    const TWO: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2];
    const HEAD: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 3];
    const ABOVE: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 4];
    const ROOT: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 3, 0];
    const OLD_ROOT: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 2, 0];
    assert_eq!(refusal(remove("headers", HEAD)), "the header of height 3 is missing");
    assert_eq!(refusal(remove("bodies", HEAD)), "the body of height 3 is missing");
    assert_eq!(refusal(remove("certificates", HEAD)), "the certificate of height 3 is missing");
    assert_eq!(refusal(remove("nodes", ROOT)), "the state's root node of height 3 is missing");
    assert_eq!(refusal(remove("meta", b"head")), "the head's height is missing");
    assert_eq!(refusal(remove("meta", b"genesis")), "the genesis hash is missing");
    assert_eq!(refusal(copy("headers", TWO, HEAD)), "the height of height 3 is not what the header says");
    assert_eq!(refusal(copy("nodes", OLD_ROOT, ROOT)), "the state's root of height 3 is not what the header says");
    assert_eq!(refusal(copy("certificates", TWO, HEAD)), "the certificate of height 3 is not what the header says");
    assert_eq!(refusal(copy("headers", HEAD, ABOVE)), "the head is at 3, but there is a header of height 4");
    assert_eq!(refusal(copy("meta", b"genesis", b"head")).split(':').next(), Some("Head in meta"));
    assert_eq!(refusal(remove("events", HEAD)), "the list of events of height 3 is missing");
    assert_eq!(refusal(events_of_another), "the events' root of height 3 is not what the header says");
    assert_eq!(refusal(without_indexes), "the index of blocks of height 3 is not what the header says");
    // What is read and what is proven are kept apart: each alone may be damaged.
    for key in [ChainState::key(&()), ParameterTable::key(&())] {
        let what = refusal(|db| db.delete_cf(db.cf_handle("state").unwrap(), &key).unwrap());
        assert!(what.ends_with("of height 3 is not what the header says"), "{what}");
        let what = refusal(|db| damage_value(db, &key));
        assert!(what.ends_with("of height 3 is not what the header says"), "{what}");
    }
}

#[test]
fn a_row_that_is_not_what_was_written_is_an_error_and_not_a_panic() {
    let (folder, ledger) = ledger();
    commit(&ledger, changes(1));
    commit(&ledger, changes(2));
    drop(ledger);
    tamper(folder.path(), |db| {
        let height = 1u64.to_be_bytes();
        for family in ["headers", "bodies", "certificates", "events"] {
            db.put_cf(db.cf_handle(family).unwrap(), height, [1, 0xff, 0xff]).unwrap();
        }
    });
    let ledger = Ledger::open(folder.path(), &genesis()).unwrap();
    for error in [ledger.header(1).unwrap_err(), ledger.events(1).unwrap_err(), ledger.certificate(1).unwrap_err()] {
        assert!(error.to_string().contains("is corrupt"), "{error}");
    }
    let fine: Option<CommitCertificate> = ledger.certificate(2).unwrap();
    assert!(fine.is_some());
}

#[test]
fn another_format_is_refused() {
    let (folder, ledger) = ledger();
    drop(ledger);
    tamper(folder.path(), |db| db.put_cf(db.cf_handle("meta").unwrap(), b"format", [1, 2, 0, 0, 0]).unwrap());
    let error = Ledger::open(folder.path(), &genesis()).unwrap_err();
    assert!(matches!(error, OpenError::OtherFormat { found: 2, known: 1, .. }), "{error:?}");
}

#[test]
fn a_folder_that_lacks_a_file_is_damaged_and_what_is_left_stays() {
    for (begin, end) in [("MANIFEST", ""), ("CURRENT", ""), ("", ".sst")] {
        let (folder, first) = ledger();
        (1..4).for_each(|number| drop(commit(&first, changes(number))));
        drop(first);
        // Once more, so that there are tables.
        drop(Ledger::open(folder.path(), &genesis()).unwrap());
        let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let is_it = |name: &str| name.starts_with(begin) && name.ends_with(end);
        let gone: Vec<_> = names().map(|name| name.into_string().unwrap()).filter(|name| is_it(name)).collect();
        assert!(!gone.is_empty(), "{begin}{end}");
        gone.iter().for_each(|name| std::fs::remove_file(folder.path().join(name)).unwrap());
        let is_row = |name: &std::ffi::OsString| name.to_str().unwrap().ends_with(".log");
        let before: Vec<_> = names().filter(is_row).collect();
        let is_damage = match Ledger::open(folder.path(), &genesis()).unwrap_err() {
            OpenError::Corrupt { .. } => true,
            OpenError::Database { source, .. } => source.is_damage(),
            other => panic!("{other:?}"),
        };
        assert!(is_damage, "{begin}{end}");
        assert_eq!(names().filter(is_row).collect::<Vec<_>>(), before, "{begin}{end}");
    }
}

#[test]
fn an_old_block_that_rots_is_an_error_that_says_what_to_do_and_later_ones_are_read() {
    let (folder, first) = ledger();
    (1..4).for_each(|number| drop(commit(&first, changes(number))));
    drop(first);
    // Its rows are in tables now, and the next block's are not.
    commit(&Ledger::open(folder.path(), &genesis()).unwrap(), changes(4));
    let mut table = None;
    tamper(folder.path(), |db| {
        let tables = db.live_files().unwrap();
        let oldest =
            tables.into_iter().filter(|table| table.column_family_name == "headers").min_by_key(|it| it.name.clone());
        table = oldest.map(|table| folder.path().join(table.name.trim_start_matches('/')));
    });
    let table = table.unwrap();
    let mut content = std::fs::read(&table).unwrap();
    content[10] ^= 1;
    std::fs::write(&table, content).unwrap();

    let ledger = Ledger::open(folder.path(), &genesis()).unwrap();
    let error = ledger.header(1).unwrap_err();
    assert!(error.is_damage());
    assert!(error.to_string().contains("put the ledger's folder back as it was last"), "{error}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(table.file_name().unwrap().to_str().unwrap()), "{cause}");
    assert_eq!(ledger.header(4).unwrap().unwrap().height, 4);
}
