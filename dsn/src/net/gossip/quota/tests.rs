#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{QUOTAS_MAX, Quotas};
use libp2p::PeerId;
use std::time::Duration;

#[test]
fn a_peer_beyond_its_quota_waits_and_the_others_do_not() {
    let (mut quotas, greedy, modest) = (Quotas::per_second(10, 20), PeerId::random(), PeerId::random());
    let at = Duration::from_millis;
    let taken = (0..100).filter(|_| quotas.take(greedy, at(0))).count();
    assert_eq!(taken, 20);
    assert!(quotas.take(modest, at(0)));
    // One more each tenth of a second,
    assert!(!quotas.has(&greedy, at(99)) && !quotas.take(greedy, at(99)));
    assert!(quotas.has(&greedy, at(100)) && quotas.take(greedy, at(100)) && !quotas.take(greedy, at(100)));
    // and never more than a burst.
    assert_eq!((0..100).filter(|_| quotas.take(greedy, at(1_000_000))).count(), 20);
    quotas.forget(&greedy);
    assert_eq!(quotas.buckets.len(), 1);
}

#[test]
fn a_quota_of_an_hour_comes_back_within_the_hour() {
    let (mut quotas, minute) = (Quotas::per_hour(6), Duration::from_secs(60));
    assert_eq!((0..100).filter(|_| quotas.take(1, minute)).count(), 6);
    assert!(!quotas.has(&1, 10 * minute) && quotas.has(&1, 11 * minute) && quotas.has(&2, minute));
    assert_eq!((0..100).filter(|_| quotas.take(1, 61 * minute)).count(), 6);
}

#[test]
fn the_largest_numbers_are_no_limit_and_none_is_none() {
    let mut none = [Quotas::per_second(u32::MAX, u32::MAX), Quotas::per_hour(u32::MAX)];
    for quotas in &mut none {
        assert!((0..1_000_000).all(|_| quotas.take(1, Duration::ZERO)));
    }
    let mut three = Quotas::per_second(0, 3);
    assert_eq!((0..100).filter(|second| three.take(1, Duration::from_secs(second * 1000))).count(), 3);
    assert!(!Quotas::per_hour(0).take(1, Duration::ZERO));
}

#[test]
fn so_many_hosts_are_remembered_and_those_that_sent_the_most_are_forgotten_last() {
    let (mut quotas, second) = (Quotas::per_second(1, 10), Duration::from_secs(1));
    (0..10).for_each(|_| assert!(quotas.take(0, second)));
    for host in 1..=2 * QUOTAS_MAX {
        assert!(quotas.take(host, second));
    }
    assert_eq!(quotas.buckets.len(), QUOTAS_MAX);
    assert!(!quotas.has(&0, second));
    // By then all but the first have as much as they ever had.
    assert!(quotas.take(usize::MAX, 2 * second));
    assert_eq!(quotas.buckets.len(), 2);
}
