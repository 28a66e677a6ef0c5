#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::PathBuf;

use runtime::crypto::{AccountId, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::config::ValidatorKey;

const NAMED: &str = "/ip4/127.0.0.9/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

async fn open(per_host: usize) -> Port {
    let validator = ValidatorKey { account: AccountId::from_bytes([1; 32]), key: KeyPair::from_seed(&[2; 32]) };
    let mut config = ConsensusConfig::dev(([127, 0, 0, 1], 0).into(), PathBuf::new(), validator, [3; 32]);
    config.peers = vec![NAMED.into()];
    config.limits = ConsensusLimits { consensus_connections_per_host: per_host, consensus_peers_in: 2 };
    Port::open(&config).await.unwrap()
}

fn stranger(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

#[tokio::test]
async fn strangers_take_half_of_the_places_and_the_hosts_of_named_peers_find_theirs() {
    let port = open(3).await;
    let named = stranger(9);
    let mut places: Vec<Place> = (1..=4).map(|last| port.place(stranger(last)).unwrap()).collect();
    assert!(port.place(stranger(5)).is_none());
    let of_named: Vec<Place> = (0..3).map(|_| port.place(named).unwrap()).collect();
    assert!(port.place(named).is_none(), "it has as many as one host may have");
    places.pop();
    assert!(port.place(stranger(5)).is_some());
    drop((places, of_named));
    assert_eq!(format!("{:?}", lock(&port.taken)), format!("{:?}", Taken::default()));
}

#[tokio::test]
async fn no_host_takes_all_places_and_one_that_is_named_no_more_is_a_stranger() {
    let port = open(1).await;
    let place = port.place(stranger(1)).unwrap();
    assert!(port.place(stranger(1)).is_none());
    drop(place);
    assert!(port.place(stranger(1)).is_some());
    let address: Multiaddr = NAMED.parse().unwrap();
    assert!(port.place(stranger(9)).unwrap().is_named);
    port.named().remove(&address);
    assert!(!port.place(stranger(9)).unwrap().is_named);
    port.named().add(&address);
    assert!(port.place(stranger(9)).unwrap().is_named);
}

#[test]
fn a_party_has_one_address_of_ipv4_and_many_of_ipv6() {
    let of = |text: &str| network(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}

#[tokio::test]
async fn what_comes_in_reaches_the_engine_and_whoever_it_sends_away_has_a_place_no_more() {
    let port = open(1).await;
    let (number, to, taken) = (port.listener.local_addr().unwrap(), port.engine(), Arc::clone(&port.taken));
    let inside = TcpSocket::new_v4().unwrap();
    inside.set_reuseaddr(true).unwrap();
    inside.bind(to).unwrap();
    let inside = inside.listen(8).unwrap();
    let served = tokio::spawn(port.serve());
    let mut outside = TcpStream::connect(number).await.unwrap();
    outside.write_all(b"to the engine").await.unwrap();
    let (mut engine, _) = inside.accept().await.unwrap();
    let mut said = [0; 13];
    engine.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"to the engine");
    engine.write_all(b"and back").await.unwrap();
    drop(engine);
    let mut said = Vec::new();
    outside.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"and back");
    // It never closes its own side, and yet the next one of the same host comes in.
    let _next = TcpStream::connect(number).await.unwrap();
    inside.accept().await.unwrap();
    assert_eq!(lock(&taken).strangers, 1);
    served.abort();
}
