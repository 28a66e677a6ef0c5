//! Every way to a peer does everything: TCP and QUIC, IPv4 and, where the host has it, IPv6.

use crate::loads::{WIDE, read, segment, targets};
use crate::support::{
    GENESIS, LIMITS, MIB, MemorySegment, Provider, bytes_of, client, config, open, open_store, wait_until,
};
use crate::transfer::code_of;
use crate::uploads::{columns, upload};
use dsn::{
    HaveError, OpenError, Peer, PeerConfig, PeerLimits, PeerTarget, PieceService, PutAnswer, PutError, RefusalCode,
};
use dsn::{StartError, upload_segment};
use pieces::PieceHash;
use std::sync::Arc;

const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const TCP: &str = "/ip4/127.0.0.1/tcp/0";
const BEGINS: [&str; 4] = ["/ip4/127.0.0.1/tcp/", "/ip4/127.0.0.1/udp/", "/ip6/::1/tcp/", "/ip6/::1/udp/"];

/// All that this host has.
fn ways() -> Vec<&'static str> {
    let has_ipv6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    let v6 = ["/ip6/::1/tcp/0", "/ip6/::1/udp/0/quic-v1"].into_iter().filter(|_| has_ipv6);
    [TCP, QUIC].into_iter().chain(v6).collect()
}

fn listening(on: &[&str]) -> PeerConfig {
    PeerConfig { listen: on.iter().map(|address| address.parse().unwrap()).collect(), ..config(GENESIS) }
}

/// A provider that is reached by one way alone.
async fn provider(number: u8, way: &str) -> Provider {
    Provider::start_on(number, Peer::start(listening(&[way])).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_alone_puts_and_gets_a_segment() {
    for way in ways() {
        let holders = futures::future::join_all((1..=WIDE.n).map(|number| provider(number, way))).await;
        let asked = Peer::start(listening(&[way])).await.unwrap();
        let stored = MemorySegment::new(WIDE, bytes_of(3, 3_000_000));
        upload_segment(&asked, upload(WIDE, columns(&holders, &[])), &stored).await.unwrap();
        let all = 0..WIDE.stripe_count(3_000_000);
        assert!(read(&asked, segment(&stored, targets(&holders)), all).await.unwrap() == stored.content, "{way}");
        let piece = stored.pieces().swap_remove(3);
        let held = asked.have(&holders[3].target(), vec![PieceHash::of(&piece)]).await.unwrap();
        assert_eq!((held, asked.peer_count()), (vec![true], 4), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_lists_all_its_ways_in_one_order_and_is_reached_by_each_that_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start(listening(&ways())).await.unwrap();
    peer.serve(PieceService::new(open_store(dir.path(), LIMITS), Arc::new(crate::support::Chain::new(1)))).unwrap();
    let all = peer.listen_addresses();
    let listed: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(listed.len(), ways().len());
    assert!(listed.iter().zip(BEGINS).all(|(address, begin)| address.starts_with(begin)), "{listed:?}");
    // Somebody else's port, as of a provider that has moved: what answers there is not asked.
    let gone = client().await;
    let dead = gone.listen_addresses();
    gone.stop().await;
    for address in all {
        let addresses = [dead.clone(), vec![address.clone()]].concat();
        let asked = client().await.have(&PeerTarget { addresses, ..peer.target() }, vec![PieceHash::ZERO]).await;
        assert_eq!(asked.unwrap(), [false], "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_alone_refuses_the_stream_that_is_one_too_many() {
    let few = PeerLimits { streams_per_peer: 2, ..PeerLimits::default() };
    let mut limited = listening(&[QUIC]);
    limited.limits = few;
    let provider = Provider::start_on(1, Peer::start(limited).await.unwrap());
    let asked = client().await;
    let first = asked.open_put(&provider.target(), open(0, 10)).await.unwrap();
    let mut second = asked.open_put(&provider.target(), open(1, 10)).await.unwrap();
    assert_eq!(code_of(asked.open_put(&provider.target(), open(2, 10)).await.unwrap_err()), RefusalCode::Busy);
    let piece = bytes_of(1, 10);
    second.send(&piece.clone().into()).await.unwrap();
    assert!(matches!(second.finish(PieceHash::of(&piece)).await.unwrap(), PutAnswer::Committed { .. }));
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_takes_no_more_connections_than_allowed() {
    for way in ways() {
        let mut limited = listening(&[way]);
        limited.limits.connections_in = 2;
        let provider = Provider::start_on(1, Peer::start(limited).await.unwrap());
        let clients = [client().await, client().await];
        for client in &clients {
            client.have(&provider.target(), vec![]).await.unwrap();
        }
        let third = client().await.have(&provider.target(), vec![]).await;
        assert!(matches!(third, Err(HaveError::Open { .. } | HaveError::Wire { .. })), "{way}: {third:?}");
        clients[0].stop().await;
        wait_until(|| provider.peer.peer_count() == 1).await;
        client().await.have(&provider.target(), vec![]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_what_a_peer_serves_are_closed_and_the_others_go_on() {
    for way in [TCP, QUIC] {
        let mut limited = listening(&[way]);
        limited.limits.streams_served = 2;
        let provider = Provider::start_on(1, Peer::start(limited).await.unwrap());
        let asked = client().await;
        let first = asked.open_put(&provider.target(), open(0, 10)).await.unwrap();
        let mut second = asked.open_put(&provider.target(), open(1, 10)).await.unwrap();
        let third = asked.open_put(&provider.target(), open(2, 10)).await;
        assert!(matches!(third, Err(PutError::Wire { .. })), "{way}: {third:?}");
        let piece = bytes_of(1, 10);
        second.send(&piece.clone().into()).await.unwrap();
        second.finish(PieceHash::of(&piece)).await.unwrap();
        drop(first);
    }
}

/// Streams that nobody reads from hold what a window is, and the connection has room for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn stalled_streams_of_a_quic_connection_do_not_stop_the_others() {
    let (provider, asked) = (provider(1, QUIC).await, client().await);
    let piece = bytes_of(1, 8 * MIB);
    provider.put(&asked, 0, &piece).await.unwrap();
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
    let mut stalled = Vec::new();
    for _ in 0..24 {
        let mut slices = asked.get(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
        slices.next().await.unwrap().unwrap();
        stalled.push(slices);
    }
    let read = asked.get_bytes(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
    assert!(read == piece);
    assert_eq!(asked.peer_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quic_port_that_is_taken_or_an_address_that_is_not_here_is_named() {
    let first = Peer::start(listening(&[QUIC])).await.unwrap();
    let taken = first.listen_addresses()[0].to_string();
    for address in [taken.as_str(), "/ip6/2001:db8::1/udp/0/quic-v1", "/ip6/2001:db8::1/tcp/0"] {
        let Err(StartError::Listen { address: named, .. }) = Peer::start(listening(&[address])).await else {
            panic!("{address} is listened on");
        };
        assert_eq!(named.to_string(), address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quic_peer_that_is_gone_fails_with_its_reason() {
    let (gone, asked) = (Peer::start(listening(&[QUIC])).await.unwrap(), client().await);
    let target = gone.target();
    gone.stop().await;
    let error = asked.have(&target, vec![]).await.unwrap_err();
    assert!(
        matches!(error, HaveError::Open { source: OpenError::Dial { .. } | OpenError::Timeout { .. }, .. }),
        "{error:?}"
    );
}
