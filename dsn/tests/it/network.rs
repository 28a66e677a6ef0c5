//! Peers that are not there, not of this chain, or too many.

use crate::support::{Chain, GENESIS, LIMITS, MIB, Provider, bytes_of, client, config, open, open_store, wait_until};
use crate::transfer::{code_of, files_in};
use bytes::Bytes;
use dsn::{AlreadyServing, HaveError, OpenError, Peer, PeerTarget, PieceService, PutError, RefusalCode, ServiceLimits};
use dsn::{StartError, Timeouts};
use pieces::PieceHash;
use runtime::types::BlockHash;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_genesis_is_told_apart_by_the_protocol_name() {
    let provider = Provider::start(1).await;
    let stranger = Peer::start(config(BlockHash::from_bytes([1; 32]))).await.unwrap();
    let error = stranger.have(&provider.target(), vec![PieceHash::ZERO]).await.unwrap_err();
    // Whichever comes first: what it says it is, or the name that it does not know.
    match error {
        HaveError::Open { source: OpenError::NotSpoken { protocol }, .. } => {
            assert_eq!(protocol, format!("/piecewise/{}/have/1", "01".repeat(32)));
        }
        HaveError::Open { source: OpenError::Refused { reason }, .. } => assert!(reason.contains("0101"), "{reason}"),
        error => panic!("{error:?}"),
    }
    wait_until(|| stranger.peer_count() == 0).await;
    let friend = Peer::start(config(GENESIS)).await.unwrap();
    assert_eq!(friend.have(&provider.target(), vec![PieceHash::ZERO]).await.unwrap(), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_store_speaks_no_protocol_until_it_serves() {
    let (silent, client) = (client().await, client().await);
    let target = silent.target();
    let ask = || client.have(&target, vec![PieceHash::ZERO]);
    assert!(matches!(ask().await, Err(HaveError::Open { source: OpenError::NotSpoken { .. }, .. })));
    let dir = tempfile::tempdir().unwrap();
    let service = PieceService::new(open_store(dir.path(), LIMITS), Arc::new(Chain::new(1)));
    silent.serve(service.clone()).unwrap();
    assert_eq!(silent.serve(service), Err(AlreadyServing));
    assert_eq!(ask().await.unwrap(), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_fails_with_its_reason() {
    let (gone, client) = (client().await, client().await);
    let target = gone.target();
    gone.stop().await;
    let error = client.have(&target, vec![]).await.unwrap_err();
    let HaveError::Open { source: OpenError::Dial { reason, .. }, .. } = error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("refused"), "{reason}");
    let nowhere = PeerTarget { addresses: Vec::new(), ..target };
    let error = client.have(&nowhere, vec![]).await.unwrap_err();
    assert!(matches!(error, HaveError::Open { source: OpenError::Dial { .. }, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_at_the_address_is_noticed() {
    let (provider, other, client) = (Provider::start(1).await, client().await, client().await);
    let wrong = PeerTarget { peer_key: other.peer_key(), addresses: provider.target().addresses };
    let error = client.have(&wrong, vec![]).await.unwrap_err();
    let HaveError::Open { source: OpenError::Dial { reason, .. }, .. } = error else {
        panic!("{error:?}");
    };
    assert!(reason.contains("another peer"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_peer_frees_its_port_and_can_start_again() {
    let first = config(GENESIS);
    let peer = Peer::start(first.clone()).await.unwrap();
    let address = peer.listen_addresses()[0].clone();
    peer.stop().await;
    let again = Peer::start(dsn::PeerConfig { listen: vec![address.clone()], ..first.clone() }).await.unwrap();
    assert_eq!((again.peer_key(), again.listen_addresses()), (peer.peer_key(), vec![address.clone()]));
    assert!(matches!(peer.have(&again.target(), vec![]).await, Err(HaveError::Open { .. })));
    let taken = Peer::start(dsn::PeerConfig { listen: vec![address], ..config(GENESIS) }).await;
    assert!(matches!(taken, Err(StartError::Listen { .. })), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_was_restarted_elsewhere_is_reached_again() {
    let mut first = config(GENESIS);
    let client = client().await;
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let peer = Peer::start(first.clone()).await.unwrap();
        let store = open_store(dir.path(), LIMITS);
        peer.serve(PieceService::new(store, Arc::new(Chain::new(1)))).unwrap();
        let held = client.have(&peer.target(), vec![PieceHash::ZERO]).await;
        assert_eq!(held.unwrap(), [false], "round {round}");
        peer.stop().await;
        first.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_at_once_all_come_through() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let asked = (0..400_u32).map(|number| {
        let (client, target) = (client.clone(), provider.target());
        async move { client.have(&target, vec![PieceHash::of(&number.to_le_bytes())]).await }
    });
    let answers = futures::future::join_all(asked).await;
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    // 64 are answered at once; the others may be told that it is busy, but none is lost.
    for error in &failed {
        let HaveError::Refused { refusal, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(refusal.code, RefusalCode::Busy);
    }
    assert!(failed.len() < 400);
    assert_eq!(client.peer_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_put_too_many_is_refused_as_busy_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (peer, client) = (client().await, client().await);
    let limits = ServiceLimits { puts: 2, ..ServiceLimits::default() };
    let store = open_store(dir.path(), LIMITS);
    peer.serve(PieceService::with_limits(store, Arc::new(Chain::new(1)), limits)).unwrap();
    let first = client.open_put(&peer.target(), open(0, 10)).await.unwrap();
    let mut second = client.open_put(&peer.target(), open(1, 10)).await.unwrap();
    let third = client.open_put(&peer.target(), open(2, 10)).await.unwrap_err();
    assert_eq!(code_of(third), RefusalCode::Busy);
    let piece = bytes_of(1, 10);
    second.send(&piece.clone().into()).await.unwrap();
    second.finish(PieceHash::of(&piece)).await.unwrap();
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_nothing_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let idle = Duration::from_millis(300);
    let impatient = dsn::PeerConfig { timeouts: Timeouts { idle, ..config(GENESIS).timeouts }, ..config(GENESIS) };
    let (peer, client) = (Peer::start(impatient).await.unwrap(), client().await);
    peer.serve(PieceService::new(Arc::clone(&store), Arc::new(Chain::new(1)))).unwrap();
    let mut put = client.open_put(&peer.target(), open(0, 10 * MIB)).await.unwrap();
    // The first byte goes out and nothing follows; the provider ends the stream, and sending more fails at some point.
    put.send(&Bytes::from_static(&[1])).await.unwrap();
    wait_until(|| files_in(dir.path()) == 0).await;
    let unit = Bytes::from(vec![0; MIB]);
    let mut error = None;
    for _ in 0..9 {
        error = put.send(&unit).await.err().or(error);
    }
    let error = error.expect("ten MiB do not fit into buffers of a stream that is closed");
    assert!(matches!(error, PutError::Wire { .. }), "{error:?}");
}
