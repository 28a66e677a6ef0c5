#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{block, is_dialable, is_global, of_peer, split_peer};
use libp2p::{Multiaddr, PeerId};

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

#[test]
fn only_addresses_of_the_internet_are_global() {
    let local = [
        "/ip4/127.0.0.1/tcp/1",
        "/ip4/10.1.2.3/tcp/1",
        "/ip4/172.16.0.1/tcp/1",
        "/ip4/192.168.1.1/udp/1/quic-v1",
        "/ip4/169.254.1.1/tcp/1",
        "/ip4/100.64.0.1/tcp/1",
        "/ip4/198.18.0.1/tcp/1",
        "/ip4/203.0.113.1/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip4/0.0.0.0/tcp/1",
        "/ip4/255.255.255.255/tcp/1",
        "/ip6/::1/tcp/1",
        "/ip6/::/tcp/1",
        "/ip6/fe80::1/tcp/1",
        "/ip6/fd00::1/tcp/1",
        "/ip6/2001:db8::1/tcp/1",
        "/ip6/::ffff:127.0.0.1/tcp/1",
        "/unix/socket",
        "/memory/1",
    ];
    for text in local {
        assert!(!is_global(&address(text)), "{text}");
    }
    for text in
        ["/ip4/8.8.8.8/tcp/1", "/ip6/2606:4700::1/udp/1/quic-v1", "/ip4/100.128.0.1/tcp/1", "/dns4/example.org/tcp/1"]
    {
        assert!(is_global(&address(text)), "{text}");
    }
}

#[test]
fn what_stands_for_many_machines_or_none_is_not_dialed() {
    for text in ["/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1", "/ip6/ff02::1/tcp/1", "/ip6/::/tcp/1", "/memory/7"] {
        assert!(!is_dialable(&address(text)), "{text}");
    }
    assert!(is_dialable(&address("/ip4/127.0.0.1/tcp/1")));
}

#[test]
fn a_peer_id_is_split_off_and_another_peers_is_not_taken_for_it() {
    let (peer, other) = (PeerId::random(), PeerId::random());
    let plain = address("/ip4/127.0.0.1/tcp/1");
    let whole = plain.clone().with_p2p(peer).unwrap();
    assert_eq!(split_peer(&whole), Some((peer, plain.clone())));
    assert_eq!(split_peer(&plain), None);
    assert_eq!((of_peer(&whole, &peer), of_peer(&plain, &peer)), (Some(plain.clone()), Some(plain)));
    assert_eq!(of_peer(&whole, &other), None);
}

#[test]
fn neighbours_are_in_one_block() {
    assert_eq!(block(&address("/ip4/1.2.3.4/tcp/1")), block(&address("/ip4/1.2.99.9/udp/2/quic-v1")));
    assert_ne!(block(&address("/ip4/1.2.3.4/tcp/1")), block(&address("/ip4/1.3.3.4/tcp/1")));
    assert_eq!(block(&address("/ip6/2606:4700::1/tcp/1")), block(&address("/ip6/2606:4700:1::1/tcp/1")));
    assert_eq!(block(&address("/dns4/example.org/tcp/1")), None);
}
