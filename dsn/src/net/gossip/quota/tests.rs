#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::Quotas;
use libp2p::PeerId;
use std::time::Duration;

#[test]
fn a_peer_beyond_its_quota_waits_and_the_others_do_not() {
    let (mut quotas, greedy, modest) = (Quotas::new(10, 20), PeerId::random(), PeerId::random());
    let at = Duration::from_millis;
    let taken = (0..100).filter(|_| quotas.take(greedy, at(0))).count();
    assert_eq!(taken, 20);
    assert!(quotas.take(modest, at(0)));
    // One more each tenth of a second,
    assert!(!quotas.take(greedy, at(99)));
    assert!(quotas.take(greedy, at(100)) && !quotas.take(greedy, at(100)));
    // and never more than a burst.
    assert_eq!((0..100).filter(|_| quotas.take(greedy, at(1_000_000))).count(), 20);
    quotas.forget(&greedy);
    assert_eq!(quotas.buckets.len(), 1);
}
