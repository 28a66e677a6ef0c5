#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{Overdue, Reason, RefusedPeers};
use crate::net::network::family::Mismatch;
use libp2p::PeerId;
use std::time::Duration;

const LASTS: Duration = Duration::from_secs(60);

fn stranger() -> Reason {
    Reason::Mismatch(Mismatch::Version { theirs: 2, ours: 1 })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_stranger_is_refused_once_ended_after_the_grace_and_forgiven_in_time() {
    let (mut refused, peer) = (RefusedPeers::new(10, LASTS), PeerId::random());
    assert_eq!(refused.refuse(peer, stranger(), seconds(5)), Some((seconds(65), None)));
    assert_eq!(refused.refuse(peer, stranger(), seconds(5)), None);
    assert!(refused.is_useless(&peer));
    assert_eq!(refused.overdue(seconds(5)), Overdue::default());
    assert_eq!(refused.overdue(seconds(6)), Overdue { end: vec![peer], forgiven: vec![] });
    assert_eq!(refused.overdue(seconds(7)), Overdue::default());
    // It came back, over a connection that was under way.
    assert_eq!(refused.refuse(peer, stranger(), seconds(7)), None);
    assert_eq!(refused.overdue(seconds(8)), Overdue { end: vec![peer], forgiven: vec![] });
    assert_eq!(refused.overdue(seconds(65)), Overdue { end: vec![], forgiven: vec![peer] });
    assert_eq!(refused.reason(&peer), None);
}

#[test]
fn who_sent_spam_ends_at_once_and_may_still_be_asked() {
    let (mut refused, peer) = (RefusedPeers::new(10, LASTS), PeerId::random());
    refused.refuse(peer, Reason::Spam, seconds(1));
    assert_eq!(refused.overdue(seconds(1)).end, [peer]);
    assert!(!refused.is_useless(&peer) && refused.reason(&peer).is_some());
}

#[test]
fn refused_peers_are_so_many_and_the_oldest_is_forgiven() {
    let mut refused = RefusedPeers::new(3, LASTS);
    let peers: Vec<_> = (0..1000).map(|_| PeerId::random()).collect();
    for (at, peer) in (0..).zip(&peers) {
        let (_, forgiven) = refused.refuse(*peer, stranger(), seconds(at)).unwrap();
        assert_eq!(forgiven, at.checked_sub(3).map(|oldest| peers[usize::try_from(oldest).unwrap()]));
    }
    assert_eq!(refused.peers.len(), 3);
}

#[test]
fn spammers_outlive_a_restart_for_what_was_left_and_strangers_do_not() {
    let mut refused = RefusedPeers::new(10, LASTS);
    let (spammer, other) = (PeerId::random(), PeerId::random());
    refused.refuse(spammer, Reason::Spam, seconds(5));
    refused.refuse(other, stranger(), seconds(5));
    assert_eq!(refused.spammers(seconds(25)).collect::<Vec<_>>(), [(spammer, seconds(40))]);
    let mut again = RefusedPeers::new(10, LASTS);
    assert_eq!(again.restore(spammer, seconds(40), seconds(1)), Some(seconds(41)));
    assert_eq!(again.overdue(seconds(40)), Overdue::default(), "it has no connection that is to end");
    assert_eq!(again.reason(&spammer), Some(&Reason::Spam));
    assert_eq!(again.overdue(seconds(41)).forgiven, [spammer]);
}

#[test]
fn what_is_restored_is_over_when_it_was_and_no_longer_or_more_than_any_ban() {
    let mut refused = RefusedPeers::new(3, LASTS);
    assert_eq!(refused.restore(PeerId::random(), seconds(0), seconds(1)), None);
    // The clock was put back.
    assert_eq!(refused.restore(PeerId::random(), seconds(1_000_000), seconds(1)), Some(seconds(61)));
    let restored = (0..1000).filter_map(|_| refused.restore(PeerId::random(), seconds(9), seconds(1)));
    assert_eq!(restored.count(), 2);
}
