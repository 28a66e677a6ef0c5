#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{Index, PieceEntry, PieceKey, PieceRow, TAG_PIECE, TAG_ROW, encode, parse_row_key, piece_key, row_key};
use pieces::PieceHash;
use runtime::types::DealId;
use std::collections::HashSet;

fn key(index: u8) -> PieceKey {
    PieceKey { deal: DealId::from_bytes([7; 32]), segment: 258, index }
}

fn row(hash: u8, piece_bytes: u32) -> PieceRow {
    let piece_hash = PieceHash::from_bytes([hash; 32]);
    PieceRow { piece_hash, piece_bytes, until_epoch: 9, store_by_ms: 1000, recorded: false }
}

fn index() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let (index, is_new) = Index::open(dir.path()).unwrap();
    assert!(is_new);
    (dir, index)
}

#[test]
fn keys_sort_by_deal_segment_and_index_and_read_back() {
    let bytes = row_key(&key(3));
    assert_eq!((bytes[0], &bytes[33..]), (TAG_ROW, &[1, 2, 3][..]));
    assert_eq!(parse_row_key(&bytes), Some(key(3)));
    assert_eq!(parse_row_key(&bytes[1..]), None);
    assert_eq!(piece_key(&PieceHash::from_bytes([5; 32]))[..2], [TAG_PIECE, 5]);
}

/// Frozen: a store is read by later versions.
#[test]
fn values_have_their_frozen_layout() {
    let hash = "11".repeat(32);
    assert_eq!(hex::encode(encode(&row(0x11, 4))), format!("01{hash}0400000009000000e80300000000000000"));
    assert_eq!(hex::encode(encode(&PieceEntry { piece_bytes: 4, references: 2 })), "010400000002000000");
}

#[test]
fn a_piece_goes_with_the_last_row_that_names_it() {
    let (_dir, index) = index();
    assert_eq!(index.insert(&key(0), &row(1, 10)).unwrap(), None);
    assert_eq!(index.insert(&key(1), &row(1, 10)).unwrap(), None);
    assert_eq!(index.totals(), (1, 10));
    assert_eq!(index.remove(&key(0), |_| true).unwrap(), None);
    assert_eq!(index.remove(&key(0), |_| true).unwrap(), None);
    assert_eq!(index.remove(&key(1), |_| true).unwrap(), Some(row(1, 10).piece_hash));
    assert_eq!(index.totals(), (0, 0));
}

#[test]
fn writing_a_row_again_counts_once_and_lets_go_of_what_it_named() {
    let (_dir, index) = index();
    index.insert(&key(0), &row(1, 10)).unwrap();
    assert_eq!(index.insert(&key(0), &row(1, 10)).unwrap(), None);
    assert_eq!(index.insert(&key(0), &row(2, 20)).unwrap(), Some(row(1, 10).piece_hash));
    assert_eq!((index.totals(), index.row(&key(0)).unwrap()), ((1, 20), Some(row(2, 20))));
    assert_eq!(index.remove(&key(0), |_| true).unwrap(), Some(row(2, 20).piece_hash));
}

#[test]
fn forgetting_a_piece_takes_all_its_rows_and_no_others() {
    let (_dir, index) = index();
    index.insert(&key(0), &row(1, 10)).unwrap();
    index.insert(&key(1), &row(2, 20)).unwrap();
    index.insert(&key(2), &row(1, 10)).unwrap();
    let lost = HashSet::from([row(1, 10).piece_hash]);
    assert_eq!(index.forget(lost.clone(), |_| false).unwrap(), 0);
    assert_eq!(index.rows(None, 10).unwrap().len(), 3);
    assert_eq!(index.forget(lost, |_| true).unwrap(), 1);
    assert_eq!(index.rows(None, 10).unwrap(), vec![(key(1), row(2, 20))]);
    assert_eq!(index.totals(), (1, 20));
}

#[test]
fn pages_go_on_behind_the_last_row() {
    let (_dir, index) = index();
    for number in 0..5 {
        index.insert(&key(number), &row(number, 1)).unwrap();
    }
    let first = index.rows(None, 2).unwrap();
    let rest = index.rows(first.last().map(|(key, _)| key), 10).unwrap();
    let seen: Vec<u8> = first.iter().chain(&rest).map(|(key, _)| key.index).collect();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn an_adopted_piece_is_counted_and_taken_over_by_the_next_row() {
    let (_dir, index) = index();
    index.adopt(&row(1, 10).piece_hash, 10).unwrap();
    assert_eq!(index.totals(), (1, 10));
    index.insert(&key(0), &row(1, 10)).unwrap();
    assert_eq!(index.totals(), (1, 10));
    assert_eq!(index.remove(&key(0), |_| true).unwrap(), Some(row(1, 10).piece_hash));
}
