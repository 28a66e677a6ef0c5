//! Whose word counts of where validators are, and where a validator says that it is.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use chain_spec::{ChainSpec, dev_keys};
use ledger::{Ledger, Mempool, MempoolLimits};

use super::*;
use crate::metrics::BlockMetrics;

struct World {
    meeting: Arc<Meeting>,
    heard: mpsc::Receiver<Change>,
    genesis: runtime::types::BlockHash,
    _folder: tempfile::TempDir,
}

/// Four validators, of which this node is the first.
fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger"), &ChainSpec::load("local").unwrap().genesis()).unwrap();
    let genesis = ledger.genesis_hash();
    let chain = Arc::new(Chain::new(ledger, Mempool::new(MempoolLimits::STANDARD), None, BlockMetrics::new()));
    let (meeting, heard) = Meeting::new(chain, Some(key("Alice").public_key()));
    World { meeting, heard, genesis, _folder: folder }
}

fn key(name: &str) -> KeyPair {
    dev_keys::consensus_key(name).unwrap()
}

fn address(port: u16) -> Text<128> {
    Text::new(format!("/ip4/192.0.2.1/tcp/{port}/p2p/{}", PeerKey::of_secret(&[1; 32]))).unwrap()
}

impl World {
    fn says(&self, name: &str, port: u16, at_ms: u64) -> Acceptance {
        self.meeting.hear(&Announcement::sign(&self.genesis, &key(name), vec![address(port)], at_ms, at_ms).encode())
    }
}

#[test]
fn a_validator_is_believed_to_be_where_it_said_last() {
    let mut world = world();
    let now = clock_ms();
    assert_eq!(world.says("Bob", 1, now), Acceptance::Accept);
    assert_eq!(world.says("Bob", 2, now + 999), Acceptance::Ignore, "too soon");
    assert_eq!(world.says("Bob", 2, now - 1), Acceptance::Ignore, "older");
    assert_eq!(world.says("Bob", 1, now + 1_000), Acceptance::Accept);
    assert_eq!(world.says("Bob", 2, now + 2_000), Acceptance::Accept);
    let changes = [world.heard.try_recv().unwrap(), world.heard.try_recv().unwrap()];
    assert_eq!((&changes[0].old, &changes[0].new), (&vec![], &vec![address(1)]));
    assert_eq!((&changes[1].old, &changes[1].new), (&vec![address(1)], &vec![address(2)]));
    assert!(world.heard.try_recv().is_err(), "what is said again changes nothing");
}

#[test]
fn nobody_else_is_heard() {
    let mut world = world();
    let now = clock_ms();
    assert_eq!(world.says("Eve", 1, now), Acceptance::Ignore, "she does not vote");
    assert_eq!(world.says("Alice", 1, now + 5_000), Acceptance::Ignore, "this node itself");
    assert_eq!(world.says("Bob", 1, now + 61_000), Acceptance::Ignore, "of the future");
    assert_eq!(world.says("Bob", 1, now - 3_601_000), Acceptance::Ignore, "of the past");
    let mut forged = Announcement::sign(&world.genesis, &key("Bob"), vec![address(1)], now, now);
    forged.key = key("Charlie").public_key();
    for wrong in [forged.encode(), vec![], vec![0; 100]] {
        assert_eq!(world.meeting.hear(&wrong), Acceptance::Reject);
    }
    assert!(world.heard.try_recv().is_err());
}

#[tokio::test]
async fn of_two_nodes_with_one_key_the_one_that_started_later_stops() {
    let world = world();
    let says = |since_ms, at_ms| {
        let announcement = Announcement::sign(&world.genesis, &key("Alice"), vec![address(7)], since_ms, at_ms);
        world.meeting.hear(&announcement.encode())
    };
    let now = clock_ms();
    let mut twin = std::pin::pin!(world.meeting.twin());
    assert_eq!(says(0, 1_000), Acceptance::Ignore, "of the past");
    assert_eq!(says(now - 1_000, world.meeting.own_at_ms.load(Ordering::Acquire)), Acceptance::Ignore, "its own word");
    assert_eq!(says(now + 1_000, now + 2_000), Acceptance::Ignore, "the other one stops");
    assert!(futures::poll!(twin.as_mut()).is_pending());
    assert_eq!(says(now - 1_000, now + 3_000), Acceptance::Ignore);
    assert_eq!(twin.await, address(7).as_str());
}

#[test]
fn no_more_changes_wait_than_may_and_none_of_those_is_lost() {
    let mut world = world();
    let now = clock_ms() - 1_000_000;
    let most = u64::try_from(CHANGES_MAX).unwrap();
    for number in 0..most {
        assert_eq!(world.says("Bob", u16::try_from(number).unwrap(), now + number * 1_000), Acceptance::Accept);
    }
    assert_eq!(world.says("Bob", 999, now + most * 1_000), Acceptance::Ignore);
    world.heard.try_recv().unwrap();
    // What was ignored is as if it had not been said.
    assert_eq!(world.says("Bob", 999, now + most * 1_000), Acceptance::Accept);
}

#[test]
fn a_validator_names_the_hosts_where_its_port_is_reached() {
    let of = |host: &str, external: &[&str], listening: &[&str]| -> Vec<String> {
        let peer_key = PeerKey::of_secret(&[1; 32]);
        let announcer = Announcer { key: key("Bob"), host: host.parse().unwrap(), port: 30333, peer_key };
        let parse = |list: &[&str]| list.iter().map(|address| address.parse().unwrap()).collect::<Vec<Multiaddr>>();
        let addresses = announcer.addresses(&parse(external), &parse(listening));
        let end = format!("/tcp/30333/p2p/{peer_key}");
        addresses.iter().map(|address| address.as_str().strip_suffix(&end).unwrap().to_owned()).collect()
    };
    let listening = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.5/tcp/1", "/ip4/10.0.0.5/udp/1/quic-v1", "/ip6/::1/tcp/1"];
    assert_eq!(of("127.0.0.1", &["/ip4/192.0.2.9/tcp/7"], &listening), ["/ip4/127.0.0.1"], "it listens nowhere else");
    assert_eq!(of("0.0.0.0", &[], &listening), ["/ip4/10.0.0.5"], "loopback is of no use to others");
    assert_eq!(of("0.0.0.0", &[], &listening[..1]), ["/ip4/127.0.0.1"], "unless there is nothing else");
    let external = ["/ip4/192.0.2.9/tcp/7", "/dns4/storage.example/tcp/7", "/ip6/2001:db8::1/tcp/7"];
    assert_eq!(of("0.0.0.0", &external, &[]), ["/ip4/192.0.2.9", "/dns4/storage.example"]);
    assert_eq!(of("10.0.0.5", &external[..1], &listening), ["/ip4/10.0.0.5", "/ip4/192.0.2.9"]);
    let relayed = format!("/ip4/192.0.2.8/tcp/1/p2p/{}/p2p-circuit", PeerKey::of_secret(&[2; 32]));
    assert_eq!(of("0.0.0.0", &[&relayed], &listening), ["/ip4/10.0.0.5"], "a relay does not pass it on");
    let many: Vec<String> = (1..9).map(|host| format!("/ip4/10.0.0.{host}/tcp/1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(of("0.0.0.0", &[], &many).len(), Announcement::ADDRESSES_MAX);
}
