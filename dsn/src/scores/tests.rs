#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{BAN_FIRST, BAN_MAX, Deed, Marked, SCORED_PEERS_MAX, Scores, Standing};
use runtime::crypto::PeerKey;
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1_000);

fn peer(number: u32) -> PeerKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    PeerKey::from_bytes(bytes)
}

fn gave(bytes: u64) -> Deed {
    Deed::Gave { bytes, waited: Duration::from_secs(1) }
}

/// The order of the peers 0, 1, ..
fn order(scores: &Scores, count: u32, now: Duration) -> Vec<usize> {
    let peers: Vec<_> = (0..count).map(peer).collect();
    scores.order(peers.iter().map(Some), now)
}

#[test]
fn nothing_is_held_against_a_stranger() {
    assert_eq!(Scores::default().standing(&peer(1), NOW), Standing::Good);
    assert_eq!(order(&Scores::default(), 3, NOW), [0, 1, 2]);
}

#[test]
fn a_fault_puts_a_peer_behind_others_until_time_has_passed() {
    for deed in [Deed::Slow, Deed::Failed] {
        let mut scores = Scores::default();
        assert_eq!(scores.note(peer(0), deed, NOW), None);
        assert_eq!((scores.standing(&peer(0), NOW), order(&scores, 2, NOW)), (Standing::Poor, vec![1, 0]));
        let later = NOW + Duration::from_secs(61);
        assert_eq!((scores.standing(&peer(0), later), order(&scores, 2, later)), (Standing::Good, vec![0, 1]));
    }
}

#[test]
fn a_score_is_never_below_zero_and_comes_back() {
    let mut scores = Scores::default();
    (0..100).for_each(|_| assert_eq!(scores.note(peer(0), Deed::Failed, NOW), None));
    assert_eq!(scores.counts().failed, 100);
    // As after two faults, no more.
    let later = NOW + Duration::from_secs(121);
    assert_eq!((scores.standing(&peer(0), later), scores.marked(later)), (Standing::Good, Marked::default()));
}

#[test]
fn good_deeds_make_up_for_faults() {
    let mut scores = Scores::default();
    scores.note(peer(0), Deed::Failed, NOW);
    (0..3).for_each(|_| assert_eq!(scores.note(peer(0), Deed::Kept, NOW), None));
    assert_eq!(scores.standing(&peer(0), NOW), Standing::Good);
}

#[test]
fn a_liar_is_banned_and_longer_each_time() {
    let mut scores = Scores::default();
    let mut now = NOW;
    let mut ban = BAN_FIRST;
    for _ in 0..20 {
        assert_eq!(scores.note(peer(0), Deed::Lied, now), Some(now + ban));
        assert_eq!(scores.standing(&peer(0), now + ban - Duration::from_millis(1)), Standing::Banned);
        assert_ne!(scores.standing(&peer(0), now + ban), Standing::Banned);
        (now, ban) = (now + ban, (ban * 2).min(BAN_MAX));
    }
    assert_eq!(ban, BAN_MAX);
}

#[test]
fn a_banned_peer_comes_last_but_it_comes() {
    let mut scores = Scores::default();
    scores.note(peer(0), Deed::Lied, NOW);
    scores.note(peer(1), Deed::Failed, NOW);
    assert_eq!(order(&scores, 3, NOW), [2, 1, 0]);
    let (liar, honest) = (peer(0), peer(2));
    assert_eq!(scores.order([None, Some(&liar), Some(&honest)], NOW), [2, 1, 0]);
}

#[test]
fn a_much_slower_peer_comes_behind_a_fast_one_and_noise_does_not_count() {
    let mut scores = Scores::default();
    scores.note(peer(0), gave(10_000), NOW);
    scores.note(peer(1), gave(40_000_000), NOW);
    scores.note(peer(2), gave(90_000_000), NOW);
    // Nothing is known of the last one: it gets a try before the slow one.
    assert_eq!(order(&scores, 4, NOW), [1, 2, 3, 0]);
    let later = NOW + Duration::from_secs(5 * 60);
    assert_eq!(order(&scores, 4, later), [0, 1, 2, 3], "what was measured long ago is forgotten");
}

#[test]
fn the_speed_is_an_average_that_follows() {
    let mut scores = Scores::default();
    scores.note(peer(1), gave(64_000_000), NOW);
    scores.note(peer(0), gave(64_000_000), NOW);
    scores.note(peer(0), gave(10_000), NOW);
    assert_eq!(order(&scores, 2, NOW), [0, 1], "one slow moment is not enough");
    (0..10).for_each(|_| assert_eq!(scores.note(peer(0), gave(10_000), NOW), None));
    assert_eq!(order(&scores, 2, NOW), [1, 0]);
}

#[test]
fn only_so_many_are_remembered_and_bans_are_forgotten_last() {
    let mut scores = Scores::default();
    scores.note(peer(0), Deed::Lied, NOW);
    let many = u32::try_from(SCORED_PEERS_MAX).unwrap();
    for number in 1..=2 * many {
        scores.note(peer(number), Deed::Failed, NOW + Duration::from_millis(number.into()));
    }
    let now = NOW + Duration::from_secs(10);
    assert_eq!(scores.marked(now), Marked { poor: SCORED_PEERS_MAX - 1, banned: 1 });
    assert_eq!((scores.standing(&peer(0), now), scores.standing(&peer(1), now)), (Standing::Banned, Standing::Good));
}
