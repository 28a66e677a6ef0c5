//! Peers that cannot be reached are reached through others.

use crate::netted::{address_of, netted, netted_config, seen};
use crate::support::{Provider, bytes_of, wait_until};
use dsn::{HaveError, Multiaddr, NetworkConfig, NetworkLimits, OpenError, Peer, PeerTarget, PutAnswer};
use libp2p::multiaddr::Protocol;
use pieces::PieceHash;

async fn relay_with(limits: NetworkLimits) -> Peer {
    netted(NetworkConfig { relay_server: true, limits, ..NetworkConfig::default() }).await
}

async fn relay() -> Peer {
    relay_with(NetworkLimits::default()).await
}

/// A peer that listens nowhere but through a relay.
async fn behind(relay: &Peer) -> Peer {
    let mut config = netted_config(NetworkConfig { relays: vec![address_of(relay)], ..NetworkConfig::default() });
    config.listen = vec![];
    Peer::start(config).await.unwrap()
}

/// Where a peer is reached through a relay.
fn through(relay: &Peer, peer: &Peer) -> PeerTarget {
    PeerTarget { peer_key: peer.peer_key(), addresses: vec![address_of(relay).with(Protocol::P2pCircuit)] }
}

fn circuits() -> NetworkConfig {
    NetworkConfig { circuits: true, ..NetworkConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_behind_a_relay_takes_and_gives_pieces() {
    let relay = relay().await;
    let hidden = behind(&relay).await;
    wait_until(|| !hidden.listen_addresses().is_empty()).await;
    assert_eq!(hidden.listen_addresses(), [address_of(&relay).with(Protocol::P2pCircuit)]);
    assert_eq!(hidden.network_counts().reservations, 1);
    assert!(!hidden.external_addresses().is_empty());
    let provider = Provider::start_on(1, hidden);
    let mut client = netted_config(circuits());
    client.listen = vec![];
    let client = Peer::start(client).await.unwrap();
    let piece = bytes_of(1, 3_000_000);
    assert_eq!(provider.target(), through(&relay, &provider.peer));
    assert!(matches!(provider.put(&client, 0, &piece).await.unwrap(), PutAnswer::Committed { .. }));
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
    let read = client.get_bytes(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
    assert!(read == piece);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_only_through_relays_dials_nobody_else() {
    let relay = relay().await;
    let provider =
        Provider::start_on(1, netted(NetworkConfig { relays: vec![address_of(&relay)], ..circuits() }).await);
    wait_until(|| provider.peer.network_counts().reservations == 1).await;
    let bootnodes = vec![address_of(&provider.peer)];
    let mut shy =
        netted_config(NetworkConfig { relay_only: true, relays: vec![address_of(&relay)], bootnodes, ..circuits() });
    shy.listen = vec![];
    let shy = Peer::start(shy).await.unwrap();
    // The provider's own address is not used, the relay is.
    let direct = PeerTarget { peer_key: provider.peer.peer_key(), addresses: provider.peer.listen_addresses() };
    wait_until(|| seen(&shy, &provider.peer).is_some_and(|info| info.verified)).await;
    assert_eq!(shy.have(&direct, vec![PieceHash::ZERO]).await.unwrap(), [false]);
    assert!(seen(&shy, &provider.peer).unwrap().relayed && seen(&provider.peer, &shy).unwrap().relayed);
    // Somebody who is at no relay is not reached at all.
    let elsewhere = Provider::start(2).await;
    let error = shy.have(&elsewhere.target(), vec![]).await.unwrap_err();
    assert!(matches!(error, HaveError::Open { source: OpenError::Dial { .. }, .. }), "{error:?}");
    assert_eq!(elsewhere.peer.peer_count(), 0);
    // Nor does it say where it is.
    let told = provider.peer.known_peers().into_iter().find(|known| known.peer_id == shy.peer_id());
    let addresses: Vec<Multiaddr> = told.into_iter().flat_map(|known| known.addresses).collect();
    assert!(addresses.iter().all(|address| address.iter().any(|part| part == Protocol::P2pCircuit)), "{addresses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_for_so_many_and_no_more() {
    let relay = relay_with(NetworkLimits { relay_reservations: 2, ..NetworkLimits::default() }).await;
    let peers = [behind(&relay).await, behind(&relay).await];
    for peer in &peers {
        wait_until(|| peer.network_counts().reservations == 1).await;
    }
    let third = behind(&relay).await;
    wait_until(|| seen(&third, &relay).is_some_and(|info| info.verified)).await;
    // It asks again and again, and is let in once there is room.
    let client = netted(circuits()).await;
    client.have(&through(&relay, &third), vec![]).await.unwrap_err();
    assert_eq!(third.network_counts().reservations, 0);
    // Nor do more than so many go through it at once.
    let crowd = relay_with(NetworkLimits { relay_circuits: 1, ..NetworkLimits::default() }).await;
    let hidden = behind(&crowd).await;
    wait_until(|| hidden.network_counts().reservations == 1).await;
    let hidden = Provider::start_on(1, hidden);
    let (one, other) = (netted(circuits()).await, netted(circuits()).await);
    assert_eq!(one.have(&through(&crowd, &hidden.peer), vec![PieceHash::ZERO]).await.unwrap(), [false]);
    other.have(&through(&crowd, &hidden.peer), vec![]).await.unwrap_err();
    peers[0].stop().await;
    wait_until(|| third.network_counts().reservations == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circuit_carries_so_many_bytes_and_no_more() {
    let relay = relay_with(NetworkLimits { relay_circuit_bytes: 300_000, ..NetworkLimits::default() }).await;
    let provider = Provider::start_on(1, behind(&relay).await);
    wait_until(|| provider.peer.network_counts().reservations == 1).await;
    let mut client = netted_config(circuits());
    client.listen = vec![];
    let client = Peer::start(client).await.unwrap();
    provider.put(&client, 0, &bytes_of(1, 100_000)).await.unwrap();
    provider.put(&client, 1, &bytes_of(2, 1_000_000)).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_through_a_relay_gets_rid_of_it_if_there_is_a_way() {
    let relay = relay().await;
    // Neither takes for granted that it is reached, and so both try what the relay says it sees of them.
    let unsure = |network| NetworkConfig { autonat: true, ..network };
    let open = netted(unsure(NetworkConfig { relays: vec![address_of(&relay)], ..circuits() })).await;
    wait_until(|| open.network_counts().reservations == 1).await;
    let provider = Provider::start_on(1, open);
    let client = netted(unsure(NetworkConfig { bootnodes: vec![address_of(&relay)], ..circuits() })).await;
    wait_until(|| seen(&client, &relay).is_some_and(|info| info.verified)).await;
    let asked = client.have(&through(&relay, &provider.peer), vec![PieceHash::ZERO]).await;
    assert_eq!(asked.unwrap(), [false]);
    let punched = || client.network_counts().holes_punched + provider.peer.network_counts().holes_punched > 0;
    wait_until(punched).await;
    wait_until(|| seen(&client, &provider.peer).is_some_and(|info| !info.relayed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_learns_from_others_that_it_is_reached() {
    let helper = netted(NetworkConfig { autonat: true, ..NetworkConfig::default() }).await;
    let asking = NetworkConfig { autonat: true, bootnodes: vec![address_of(&helper)], ..NetworkConfig::default() };
    let peer = netted(asking).await;
    let listens = peer.listen_addresses();
    wait_until(|| peer.external_addresses() == listens).await;
}
