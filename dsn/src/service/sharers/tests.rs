#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{GIVEN_HERE, NAMED_FIRST_MAX, NAMED_MAX, REMEMBERED, SHARED_PIECES_MAX, SHARERS_MAX, Sharers};
use crate::net::PeerTarget;
use pieces::PieceHash;
use runtime::crypto::PeerKey;
use std::collections::HashMap;
use std::time::Duration;

const PIECE: PieceHash = PieceHash::from_bytes([7; 32]);

fn key(number: u32) -> PeerKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    PeerKey::from_bytes(bytes)
}

fn ask(sharers: &mut Sharers, number: u32, second: u64) -> Vec<PeerKey> {
    let address = format!("/ip4/127.0.0.1/tcp/{}", number + 1).parse().unwrap();
    let named = sharers.ask(PIECE, key(number), vec![address], Duration::from_secs(second));
    named.into_iter().map(|PeerTarget { peer_key, .. }| peer_key).collect()
}

#[test]
fn only_the_first_readers_are_given_a_piece_by_its_holder() {
    let mut sharers = Sharers::default();
    let mut named_first: HashMap<PeerKey, u32> = HashMap::new();
    for number in 0..1_000 {
        let named = ask(&mut sharers, number, 0);
        assert_eq!(named.is_empty(), usize::try_from(number).unwrap() < GIVEN_HERE, "reader {number}");
        assert!(named.len() <= NAMED_MAX);
        assert!(named.iter().all(|named| (0..number).any(|before| key(before) == *named)), "reader {number}");
        if let Some(first) = named.first() {
            *named_first.entry(*first).or_default() += 1;
        }
    }
    assert!(named_first.values().all(|count| *count <= NAMED_FIRST_MAX), "{named_first:?}");
    assert!(sharers.pieces[&PIECE].sharers.len() <= SHARERS_MAX);
}

#[test]
fn whoever_asks_again_keeps_its_place_and_is_named_none_that_came_later() {
    let mut sharers = Sharers::default();
    let first: Vec<_> = (0..4).map(|number| ask(&mut sharers, number, 0)).collect();
    assert_eq!(first[..2], [vec![], vec![]]);
    // Given here once, given here again.
    assert_eq!(ask(&mut sharers, 0, 1), []);
    assert_eq!(ask(&mut sharers, 1, 1), []);
    assert!(ask(&mut sharers, 2, 1).iter().all(|named| [key(0), key(1)].contains(named)));
}

#[test]
fn readers_are_forgotten_in_time() {
    let mut sharers = Sharers::default();
    for number in 0..4 {
        ask(&mut sharers, number, 0);
    }
    assert_ne!(ask(&mut sharers, 4, REMEMBERED.as_secs() - 1), []);
    assert_eq!(ask(&mut sharers, 5, REMEMBERED.as_secs()), []);
}

#[test]
fn only_so_many_pieces_are_remembered() {
    let mut sharers = Sharers::default();
    for number in 0..2 * u32::try_from(SHARED_PIECES_MAX).unwrap() {
        let piece = PieceHash::of(&number.to_be_bytes());
        sharers.ask(piece, key(number), Vec::new(), Duration::from_secs(number.into()));
        assert!(sharers.pieces.contains_key(&piece));
    }
    assert_eq!(sharers.pieces.len(), SHARED_PIECES_MAX);
}
