//! Whose word counts, and for how long.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::*;
use crate::config::keypair;

fn peer(number: u64) -> PeerId {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    PeerId::from_bytes(&keypair(&seed).public().to_peer_id().to_bytes()).unwrap()
}

fn said(heights: &PeerHeights, peer: PeerId, height: Height) {
    heights.note(peer, height);
}

#[test]
fn the_best_peer_is_the_highest_and_each_counts_by_its_last_word() {
    let heights = PeerHeights::new(BTreeSet::new());
    assert_eq!(heights.best(), None);
    said(&heights, peer(1), 90);
    said(&heights, peer(2), 7);
    assert_eq!(heights.best(), Some(90));
    said(&heights, peer(1), 6);
    assert_eq!(heights.best(), Some(7));
}

#[test]
fn whoever_is_not_named_does_not_count_where_peers_are() {
    let heights = PeerHeights::new(BTreeSet::from([peer(1)]));
    said(&heights, peer(2), Height::MAX);
    assert_eq!(heights.best(), None);
    said(&heights, peer(1), 12);
    assert_eq!(heights.best(), Some(12));
}

#[test]
fn so_many_peers_are_remembered_and_no_more() {
    let heights = PeerHeights::new(BTreeSet::new());
    let most = u64::try_from(PEERS_MAX).unwrap();
    for number in 0..most + 10 {
        said(&heights, peer(number), number);
    }
    assert_eq!(heights.peers().said.len(), PEERS_MAX);
    assert_eq!(heights.best(), Some(most + 9 - most / 3));
}

#[test]
fn fewer_than_a_third_cannot_say_that_the_chain_is_further_than_it_is() {
    for count in 3..10 {
        let heights = PeerHeights::new((0..count).map(peer).collect());
        for number in 0..count {
            said(&heights, peer(number), 100 + number);
        }
        for liar in 0..count / 3 {
            said(&heights, peer(liar), Height::MAX);
        }
        let best = heights.best().unwrap();
        assert!((100..100 + count).contains(&best), "{count} peers: {best}");
    }
}

#[test]
fn who_is_named_later_counts_and_nobody_else_does_any_more() {
    let heights = PeerHeights::new(BTreeSet::new());
    said(&heights, peer(1), 90);
    assert_eq!(heights.best(), Some(90));
    heights.name(peer(2));
    assert_eq!(heights.best(), None);
    said(&heights, peer(2), 12);
    said(&heights, peer(1), 91);
    assert_eq!(heights.best(), Some(12));
}

#[tokio::test]
async fn any_peer_above_is_a_reason_to_look() {
    let heights = PeerHeights::new((0..4).map(peer).collect());
    said(&heights, peer(0), 7);
    said(&heights, peer(1), 7);
    said(&heights, peer(2), 8);
    assert_eq!(heights.best(), Some(7));
    heights.above(7).await;
}
