#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{
    Index, PieceEntry, PieceKey, PieceRow, TAG_PIECE, TAG_ROW, Totals, encode, parse_row_key, piece_key, row_key,
};
use pieces::PieceHash;
use runtime::types::DealId;
use std::collections::HashSet;

const DEAL: DealId = DealId::from_bytes([7; 32]);

fn key(index: u8, hash: u8) -> PieceKey {
    PieceKey { deal: DEAL, segment: 258, index, piece_hash: PieceHash::from_bytes([hash; 32]) }
}

fn row(piece_bytes: u32) -> PieceRow {
    PieceRow { piece_bytes, until_epoch: 9, store_by_ms: 1000, recorded: false }
}

fn index() -> (tempfile::TempDir, Index) {
    let dir = tempfile::tempdir().unwrap();
    let (index, damage) = Index::open(dir.path()).unwrap();
    assert!(damage.is_none());
    (dir, index)
}

fn counted(index: &Index) -> (u64, u64) {
    let Totals { pieces, bytes, .. } = index.totals();
    (pieces, bytes)
}

#[test]
fn keys_sort_by_deal_segment_index_and_hash_and_read_back() {
    let bytes = row_key(&key(3, 5));
    assert_eq!((bytes[0], &bytes[33..38]), (TAG_ROW, &[1, 2, 3, 5, 5][..]));
    assert_eq!(parse_row_key(&bytes), Some(key(3, 5)));
    assert_eq!(parse_row_key(&bytes[1..]), None);
    assert_eq!(piece_key(&PieceHash::from_bytes([5; 32]))[..2], [TAG_PIECE, 5]);
}

/// Frozen: a store is read by later versions.
#[test]
fn values_have_their_frozen_layout() {
    assert_eq!(hex::encode(encode(&row(4))), "010400000009000000e80300000000000000");
    assert_eq!(hex::encode(encode(&PieceEntry { piece_bytes: 4, references: 2 })), "010400000002000000");
}

#[test]
fn an_index_with_something_that_is_no_row_is_made_anew() {
    let (dir, index) = index();
    index.insert(&key(0, 1), &row(10)).unwrap();
    index.db.put([TAG_ROW, 1, 2, 3], [9]).unwrap();
    drop(index);
    let (index, damage) = Index::open(dir.path()).unwrap();
    assert!(damage.is_some());
    assert_eq!((counted(&index), index.row(&key(0, 1)).unwrap()), ((0, 0), None));
}

#[test]
fn a_piece_goes_with_the_last_row_that_names_it() {
    let (_dir, index) = index();
    index.insert(&key(0, 1), &row(10)).unwrap();
    index.insert(&key(1, 1), &row(10)).unwrap();
    assert_eq!(counted(&index), (1, 10));
    assert!(!index.remove(&key(0, 1), |_| true).unwrap());
    assert!(!index.remove(&key(0, 1), |_| true).unwrap());
    assert!(!index.remove(&key(1, 1), |_| false).unwrap());
    assert!(index.remove(&key(1, 1), |_| true).unwrap());
    assert_eq!(index.totals(), Totals::default());
}

#[test]
fn writing_a_row_again_counts_once() {
    let (_dir, index) = index();
    index.insert(&key(0, 1), &row(10)).unwrap();
    index.insert(&key(0, 1), &row(10)).unwrap();
    assert_eq!(index.totals(), Totals { pieces: 1, bytes: 10, unrecorded_bytes: 10 });
    assert!(index.remove(&key(0, 1), |_| true).unwrap());
}

#[test]
fn a_place_may_have_several_pieces() {
    let (_dir, index) = index();
    for (place, hash) in [(0, 1), (1, 9), (1, 2), (2, 1)] {
        index.insert(&key(place, hash), &row(u32::from(hash))).unwrap();
    }
    let of = |place| index.rows_of(&DEAL, 258, place).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!((of(0), of(1), of(3)), (vec![key(0, 1)], vec![key(1, 2), key(1, 9)], vec![]));
}

#[test]
fn forgetting_a_piece_takes_all_its_rows_and_no_others() {
    let (_dir, index) = index();
    index.insert(&key(0, 1), &row(10)).unwrap();
    index.insert(&key(1, 2), &row(20)).unwrap();
    index.insert(&key(2, 1), &row(10)).unwrap();
    let lost = HashSet::from([key(0, 1).piece_hash]);
    assert_eq!(index.forget(lost.clone(), |_| false).unwrap(), 0);
    assert_eq!(index.rows(None, 10).unwrap().len(), 3);
    assert_eq!(index.forget(lost, |_| true).unwrap(), 1);
    assert_eq!(index.rows(None, 10).unwrap(), vec![(key(1, 2), row(20))]);
    assert_eq!(index.totals(), Totals { pieces: 1, bytes: 20, unrecorded_bytes: 20 });
}

#[test]
fn pages_go_on_behind_the_last_row() {
    let (_dir, index) = index();
    for number in 0..5 {
        index.insert(&key(number, number), &row(1)).unwrap();
    }
    let first = index.rows(None, 2).unwrap();
    let rest = index.rows(first.last().map(|(key, _)| key), 10).unwrap();
    let seen: Vec<u8> = first.iter().chain(&rest).map(|(key, _)| key.index).collect();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[test]
fn an_adopted_piece_is_counted_and_taken_over_by_the_next_row() {
    let (_dir, index) = index();
    index.adopt(&key(0, 1).piece_hash, 10).unwrap();
    assert_eq!(counted(&index), (1, 10));
    index.insert(&key(0, 1), &row(10)).unwrap();
    assert_eq!(counted(&index), (1, 10));
    assert!(index.remove(&key(0, 1), |_| true).unwrap());
}
