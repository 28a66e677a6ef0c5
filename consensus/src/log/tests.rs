//! What is cut off a log, and what is left to the engine.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use super::mend;

fn record(bytes: &[u8]) -> Vec<u8> {
    let (length, sum) = (u64::try_from(bytes.len()).unwrap(), crc32fast::hash(bytes));
    [&[0][..], &length.to_be_bytes(), &sum.to_be_bytes(), bytes].concat()
}

fn log(records: &[&[u8]]) -> Vec<u8> {
    let header = [&1_u32.to_be_bytes()[..], &7_u64.to_be_bytes()].concat();
    records.iter().fold(header, |log, bytes| [log, record(bytes)].concat())
}

/// What is left of a log, for a lone validator and for one of several.
fn left_of(log: &[u8]) -> [Vec<u8>; 2] {
    [true, false].map(|alone| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, log).unwrap();
        let cut = mend(&path, alone).unwrap();
        let left = fs::read(&path).unwrap();
        assert_eq!(usize::try_from(cut).unwrap(), log.len() - left.len());
        left
    })
}

#[test]
fn a_whole_log_is_left_as_it_is() {
    for log in [log(&[]), log(&[b"vote", b"another\0\0"]), vec![]] {
        assert_eq!(left_of(&log), [log.clone(), log]);
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(mend(&folder.path().join("none"), true).unwrap(), 0);
}

#[test]
fn zeros_that_were_never_records_are_cut_off() {
    let whole = log(&[b"vote", b"another"]);
    for zeros in [1, 12, 13, 14, 130, 4096] {
        let torn = [whole.clone(), vec![0; zeros]].concat();
        assert_eq!(left_of(&torn), [whole.clone(), whole.clone()], "{zeros}");
    }
    assert_eq!(left_of(&[0; 12]), [vec![], vec![]], "the file was made, and nothing of it synced");
}

#[test]
fn a_damaged_record_is_cut_off_where_nobody_else_votes_and_left_to_the_engine_where_others_do() {
    let whole = log(&[b"vote"]);
    let mut damaged = [whole.clone(), record(b"another"), record(b"third")].concat();
    damaged[whole.len() + 15] ^= 1;
    assert_eq!(left_of(&damaged), [whole, damaged]);
}
