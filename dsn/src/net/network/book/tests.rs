#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::super::addresses::block;
use super::{ADDRESSES_KNOWN_MAX, FoundBy, Met, PeerBook};
use libp2p::{Multiaddr, PeerId};
use std::time::Duration;

const REDIAL: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

fn book(peers_max: usize) -> PeerBook {
    PeerBook::new(PeerId::random(), peers_max, REDIAL, LONGEST)
}

fn address(a: u8, b: u8, port: u16) -> Multiaddr {
    format!("/ip4/{a}.{b}.3.4/tcp/{port}").parse().unwrap()
}

fn due(book: &mut PeerBook, now_s: u64, room: usize) -> Vec<PeerId> {
    book.due(Duration::from_secs(now_s), room, &[], |_| false).into_iter().map(|(peer, _)| peer).collect()
}

#[test]
fn a_lost_boot_node_is_dialed_again_after_twice_as_long_each_time_and_never_forgotten() {
    let (mut book, boot) = (book(4), PeerId::random());
    book.pin(boot, address(1, 2, 3), FoundBy::BootNode);
    let mut now = Duration::ZERO;
    for expected_s in [2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(book.due(now, 0, &[], |_| false).len(), 1);
        book.failed(&boot, now);
        let wait = Duration::from_secs(expected_s);
        assert!(book.due(now + wait - Duration::from_millis(1), 0, &[], |_| false).is_empty(), "{expected_s}");
        now += wait;
    }
    book.met(boot, None, &[], FoundBy::Inbound, 1);
    book.failed(&boot, now);
    assert_eq!(book.due(now + REDIAL, 0, &[], |_| false).len(), 1);
    assert!(book.due(now + REDIAL * 2, 0, &[], |peer| *peer == boot).is_empty());
}

#[test]
fn a_peer_that_is_never_reached_is_forgotten_and_one_that_was_is_not() {
    let (mut book, rumour, friend) = (book(10), PeerId::random(), PeerId::random());
    assert!(book.heard(rumour, &[address(1, 2, 3)], FoundBy::Kademlia));
    assert!(book.heard(friend, &[address(1, 2, 3)], FoundBy::Kademlia));
    book.met(friend, None, &[], FoundBy::Inbound, 7);
    for _ in 0..20 {
        book.failed(&rumour, Duration::ZERO);
        book.failed(&friend, Duration::ZERO);
    }
    assert!(book.get(&rumour).is_none() && book.get(&friend).is_some());
}

#[test]
fn a_flood_of_made_up_peers_pushes_nobody_out_who_was_seen() {
    let mut book = book(50);
    let boot = PeerId::random();
    book.pin(boot, address(9, 9, 9), FoundBy::BootNode);
    let friends: Vec<_> = (0..10).map(|_| PeerId::random()).collect();
    for friend in &friends {
        book.heard(*friend, &[address(1, 2, 3)], FoundBy::Rendezvous);
        book.met(*friend, None, &[], FoundBy::Inbound, 5);
    }
    for round in 0..100_000_u32 {
        let made_up = PeerId::random();
        book.heard(made_up, &[address(6, 6, 6)], FoundBy::Kademlia);
        if round % 3 == 0 {
            book.failed(&made_up, Duration::ZERO);
        }
    }
    assert_eq!(book.len(), 50);
    // There is room for who was seen, however many were made up.
    let met = book.met(PeerId::random(), None, &[address(1, 2, 3)], FoundBy::Inbound, 6);
    assert_eq!(met, Met { is_new: true, first_by: Some(FoundBy::Inbound) });
    assert_eq!(book.len(), 50);
    assert!(friends.iter().chain([&boot]).all(|peer| book.get(peer).is_some()));
}

#[test]
fn who_came_by_itself_pushes_nobody_out_who_was_reached() {
    let mut book = book(50);
    let friends: Vec<_> = (0..20).map(|_| PeerId::random()).collect();
    for friend in &friends {
        book.met(*friend, Some(&address(1, 2, 3)), &[], FoundBy::Kademlia, 5);
    }
    // Each new identity was seen later than all before it.
    for unix_s in 6..10_000 {
        book.met(PeerId::random(), None, &[address(6, 6, 6)], FoundBy::Inbound, unix_s);
    }
    assert_eq!(book.len(), 50);
    assert!(friends.iter().all(|peer| book.get(peer).is_some()));
    // Where all were reached, one that is reached now takes the place of the one that was seen longest ago.
    for unix_s in 10_000..10_050 {
        book.met(PeerId::random(), Some(&address(1, 2, 3)), &[], FoundBy::Kademlia, unix_s);
    }
    assert!(friends.iter().all(|peer| book.get(peer).is_none()));
    assert_eq!(book.met(PeerId::random(), None, &[address(6, 6, 6)], FoundBy::Inbound, 20_000), Met::default());
}

#[test]
fn dials_go_to_many_blocks_of_the_internet_first() {
    let mut book = book(100);
    let crowd: Vec<_> = (0..20).map(|_| PeerId::random()).collect();
    for (port, peer) in (1..).zip(&crowd) {
        book.heard(*peer, &[address(1, 2, port)], FoundBy::Kademlia);
    }
    let alone = PeerId::random();
    book.heard(alone, &[address(7, 7, 7)], FoundBy::Kademlia);
    let connected = [block(&address(1, 2, 99)).unwrap(); 3];
    let first: Vec<_> = book.due(Duration::ZERO, 1, &connected, |_| false);
    assert_eq!(first[0].0, alone);
}

#[test]
fn a_peer_that_is_being_dialed_is_not_due_again_at_once() {
    let mut book = book(10);
    book.heard(PeerId::random(), &[address(1, 2, 3)], FoundBy::Mdns);
    assert_eq!((due(&mut book, 0, 8).len(), due(&mut book, 1, 8).len(), due(&mut book, 2, 8).len()), (1, 0, 1));
}

#[test]
fn addresses_are_few_and_those_that_worked_are_first_and_stay() {
    let (mut book, peer) = (book(10), PeerId::random());
    book.heard(peer, &[address(1, 1, 1)], FoundBy::Kademlia);
    book.met(peer, Some(&address(2, 2, 2)), &[], FoundBy::Inbound, 1);
    for port in 1..=1000 {
        book.heard(peer, &[address(6, 6, port)], FoundBy::Kademlia);
    }
    let known = book.list().pop().unwrap();
    assert_eq!(known.addresses.len(), ADDRESSES_KNOWN_MAX);
    assert_eq!(known.addresses[0], address(2, 2, 2));
    assert_eq!(known.addresses.last(), Some(&address(6, 6, 1000)));
    // However often it works.
    for port in 1..=20 {
        book.met(peer, Some(&address(3, 3, port)), &[], FoundBy::Inbound, 1);
        book.met(peer, Some(&address(3, 3, 1)), &[], FoundBy::Inbound, 1);
    }
    let known = book.list().pop().unwrap();
    assert_eq!((known.addresses.len(), &known.addresses[0]), (ADDRESSES_KNOWN_MAX, &address(3, 3, 1)));
}

#[test]
fn only_who_was_seen_is_written_down_and_only_after_a_change() {
    let (mut book, peer) = (book(10), PeerId::random());
    book.heard(PeerId::random(), &[address(1, 1, 1)], FoundBy::Kademlia);
    book.heard(peer, &[address(1, 1, 1)], FoundBy::Kademlia);
    assert!(!book.take_changed());
    book.met(peer, None, &[], FoundBy::Inbound, 42);
    assert!(book.take_changed() && !book.take_changed());
    assert_eq!(book.saved(), [(peer, vec![address(1, 1, 1)], 42)]);
    // One of another chain by now.
    book.leave_alone(&peer, Duration::from_secs(100));
    assert!(book.take_changed());
    assert_eq!(book.saved(), []);
    assert!(!due(&mut book, 99, 8).contains(&peer));
}

#[test]
fn nobody_tells_a_peer_of_itself() {
    let own = PeerId::random();
    let mut book = PeerBook::new(own, 10, REDIAL, LONGEST);
    assert!(!book.heard(own, &[address(1, 1, 1)], FoundBy::Kademlia));
    book.pin(own, address(1, 1, 1), FoundBy::BootNode);
    assert_eq!(book.len(), 0);
}
