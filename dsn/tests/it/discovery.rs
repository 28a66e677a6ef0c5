//! Peers find one another in each way alone, remember one another, and leave those of other chains alone.

use crate::intruders::{claims, stranger};
use crate::netted::{address_of, found, meanwhile, netted, netted_config, seen, table};
use crate::support::{Chain, GENESIS, LIMITS, config, open_store, wait_until};
use dsn::{FoundBy, HaveError, Multiaddr, NetworkConfig, NetworkLimits, OpenError, Peer, PeerConfig, PieceService};
use dsn::{StartError, Timeouts};
use pieces::PieceHash;
use runtime::types::BlockHash;
use std::sync::Arc;
use std::time::Duration;

fn bootnodes(bootnodes: Vec<Multiaddr>) -> NetworkConfig {
    NetworkConfig { bootnodes, ..NetworkConfig::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_share_a_boot_node_find_each_other_in_the_table() {
    let boot = netted(table(vec![])).await;
    let one = netted(table(vec![address_of(&boot)])).await;
    let two = netted(table(vec![address_of(&boot)])).await;
    assert_eq!((found(&one, &boot).await, found(&two, &boot).await), (FoundBy::BootNode, FoundBy::BootNode));
    wait_until(|| seen(&one, &two).is_some_and(|info| info.verified)).await;
    let ways = [seen(&one, &two).unwrap().found, found(&two, &one).await];
    assert!(ways.contains(&FoundBy::Kademlia), "{ways:?}");
    // Each knows where the other listens.
    let known = one.known_peers().into_iter().find(|known| known.peer_id == two.peer_id()).unwrap();
    assert!(known.addresses.contains(&two.listen_addresses()[0]) && known.last_seen_s > 0, "{known:?}");
    assert_eq!(boot.network_counts().connected[8], 2);
    assert_eq!(seen(&boot, &one).unwrap().agent.unwrap(), concat!("piecewise/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_node_is_kept_although_nothing_goes_on_there_and_dialed_again_when_it_is_back() {
    let idle = Duration::from_millis(200);
    let brief = |mut config: PeerConfig| {
        config.timeouts = Timeouts { connection_idle: idle, ..config.timeouts };
        config
    };
    let boot_config = brief(netted_config(table(vec![])));
    let boot = Peer::start(boot_config.clone()).await.unwrap();
    let peer = Peer::start(brief(netted_config(bootnodes(vec![address_of(&boot)])))).await.unwrap();
    let passer_by = Peer::start(brief(config(GENESIS))).await.unwrap();
    found(&peer, &boot).await;
    let dials = peer.network_counts().dials;
    // One that the boot node's network has no reason to keep goes idle in the meantime, three times over.
    for _ in 0..3 {
        passer_by.have(&boot.target(), vec![]).await.unwrap_err();
        wait_until(|| passer_by.peer_count() == 0).await;
    }
    assert_eq!((peer.network_counts().dials, peer.peer_count()), (dials, 1));
    let listen = boot.listen_addresses();
    boot.stop().await;
    wait_until(|| peer.network_counts().dials_failed >= 2).await;
    let again = Peer::start(PeerConfig { listen, ..boot_config }).await.unwrap();
    assert_eq!(found(&peer, &again).await, FoundBy::BootNode);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_peers_are_found_by_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let boot = netted(table(vec![])).await;
    let friend = netted(table(vec![address_of(&boot)])).await;
    let network = NetworkConfig { peer_store: Some(path.clone()), ..table(vec![address_of(&boot)]) };
    let first = netted_config(network);
    let peer = Peer::start(first.clone()).await.unwrap();
    found(&peer, &friend).await;
    peer.stop().await;
    boot.stop().await;
    let mut second = first;
    second.network = NetworkConfig { bootnodes: vec![], kademlia: false, ..second.network };
    let again = Peer::start(second.clone()).await.unwrap();
    assert_eq!(found(&again, &friend).await, FoundBy::Store);
    again.stop().await;
    // A file that is damaged costs what it held, not the start.
    std::fs::write(&path, b"nonsense").unwrap();
    let without = Peer::start(second).await.unwrap();
    assert_eq!(without.known_peers(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_chain_is_refused_on_both_sides_and_not_dialed_again() {
    let boot = netted(table(vec![])).await;
    let mut other = netted_config(bootnodes(vec![address_of(&boot)]));
    other.genesis = BlockHash::from_bytes([1; 32]);
    let other = Peer::start(other).await.unwrap();
    wait_until(|| other.network_counts().refused_chain == 1 && boot.network_counts().refused_chain == 1).await;
    wait_until(|| other.peer_count() == 0 && boot.peer_count() == 0).await;
    let dials = other.network_counts().dials;
    let error = other.have(&boot.target(), vec![]).await.unwrap_err();
    let HaveError::Open { source: OpenError::Refused { reason }, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(reason, "is of the chain with genesis 6e6e6e6e6e6e6e6e, ours is 0101010101010101");
    // Many ticks of somebody who would be dialed again if he were not refused.
    let friend = netted(bootnodes(vec![address_of(&boot)])).await;
    found(&friend, &boot).await;
    boot.stop().await;
    wait_until(|| friend.network_counts().dials_failed >= 3).await;
    assert_eq!((other.network_counts().dials, other.network_counts().refused_chain), (dials, 1));
    assert!(other.known_peers().iter().all(|known| known.last_seen_s == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_another_version_is_refused_and_another_program_is_served() {
    let peer = netted(table(vec![])).await;
    let dir = tempfile::tempdir().unwrap();
    peer.serve(PieceService::new(open_store(dir.path(), LIMITS), Arc::new(Chain::new(1)))).unwrap();
    let (mut newer, _) = stranger(claims("/piecewise/2/6e6e6e6e6e6e6e6e")).await;
    newer.dial(address_of(&peer)).unwrap();
    meanwhile(&mut newer, wait_until(|| peer.network_counts().refused_version == 1 && peer.peer_count() == 0)).await;
    // Denied at the door from now on.
    newer.dial(address_of(&peer)).unwrap();
    let (mut foreign, _) = stranger(claims("ipfs/0.1.0")).await;
    foreign.dial(address_of(&peer)).unwrap();
    let foreign_id = foreign.local_peer_id().to_string();
    let there = || peer.peers().into_iter().any(|info| info.peer_id == foreign_id && !info.verified);
    meanwhile(&mut foreign, wait_until(there)).await;
    assert_eq!((peer.network_counts().refused_chain, peer.network_counts().refused_version), (0, 1));
    assert_eq!(peer.known_peers(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendezvous_point_alone_brings_peers_together() {
    let point = netted(NetworkConfig { rendezvous_server: true, ..NetworkConfig::default() }).await;
    let meeting = || NetworkConfig { rendezvous: vec![address_of(&point)], ..NetworkConfig::default() };
    let (one, two) = (netted(meeting()).await, netted(meeting()).await);
    let ways = [found(&one, &two).await, found(&two, &one).await];
    assert!(ways.contains(&FoundBy::Rendezvous), "{ways:?}");
    assert!(one.network_counts().registrations >= 1);
    assert_eq!(found(&one, &point).await, FoundBy::Rendezvous);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_on_the_same_link_find_each_other_by_mdns_alone() {
    // Somewhere the packet would leave by: mDNS leaves loopback out.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    let link = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()).map(|local| local.ip());
    let Ok(std::net::IpAddr::V4(link)) = link else {
        println!("this host has no link but loopback: nothing to find peers on");
        return;
    };
    let on_link = || {
        let mut config = netted_config(NetworkConfig { mdns: true, ..NetworkConfig::default() });
        config.listen = vec![format!("/ip4/{link}/tcp/0").parse().unwrap()];
        config
    };
    let (one, two) = (Peer::start(on_link()).await.unwrap(), Peer::start(on_link()).await.unwrap());
    let ways = [found(&one, &two).await, found(&two, &one).await];
    assert!(ways.contains(&FoundBy::Mdns), "{ways:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_peers_are_dialed_than_wanted_and_the_others_stay_known() {
    let point = netted(NetworkConfig { rendezvous_server: true, ..NetworkConfig::default() }).await;
    let meeting = || NetworkConfig { rendezvous: vec![address_of(&point)], ..NetworkConfig::default() };
    let mut peers = Vec::new();
    for _ in 0..5 {
        peers.push(netted(meeting()).await);
    }
    let mut few = netted_config(meeting());
    // It listens nowhere, so that nobody comes.
    few.listen = vec![];
    few.network.limits = NetworkLimits { peers_out: 2, ..few.network.limits };
    let few = Peer::start(few).await.unwrap();
    wait_until(|| few.known_peers().len() == 6 && few.peers().len() == 3).await;
    // A round later.
    let late = netted(meeting()).await;
    wait_until(|| few.known_peers().iter().any(|known| known.peer_id == late.peer_id())).await;
    assert_eq!((few.network_counts().dials, few.peers().len()), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_not_of_the_internet_are_forgotten_where_that_is_asked() {
    let mut boot = netted_config(table(vec![]));
    boot.listen = vec!["/ip4/127.0.0.2/tcp/0".parse().unwrap()];
    let boot = Peer::start(boot).await.unwrap();
    let hidden = netted(table(vec![address_of(&boot)])).await;
    found(&hidden, &boot).await;
    // The boot node is in the configuration; of the other one it hears, and hears nothing that it could dial.
    let mut peer = netted_config(NetworkConfig { global_only: true, ..table(vec![address_of(&boot)]) });
    peer.listen = vec![];
    let peer = Peer::start(peer).await.unwrap();
    found(&peer, &boot).await;
    let other = netted(table(vec![address_of(&boot)])).await;
    found(&other, &hidden).await;
    assert_eq!(peer.known_peers().len(), 1);
    let error = peer.have(&hidden.target(), vec![PieceHash::ZERO]).await.unwrap_err();
    assert!(matches!(error, HaveError::Open { source: OpenError::Dial { .. }, .. }), "{error:?}");
    assert_eq!(peer.known_peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_names_no_peer_is_refused_at_the_start() {
    let plain: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
    let only = NetworkConfig { relay_only: true, ..NetworkConfig::default() };
    let rendezvous = NetworkConfig { rendezvous: vec![plain.clone()], ..NetworkConfig::default() };
    for network in [bootnodes(vec![plain]), rendezvous, only] {
        let error = Peer::start(netted_config(network)).await.unwrap_err();
        assert!(matches!(error, StartError::Network { .. }), "{error:?}");
    }
}
