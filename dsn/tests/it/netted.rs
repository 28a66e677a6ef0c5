//! Peers with a network around them.

use crate::support::{GENESIS, config, wait_until};
use dsn::{FoundBy, Multiaddr, NetworkConfig, NetworkIntervals, Peer, PeerConfig, PeerInfo};
use futures::StreamExt as _;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{PeerId, Swarm};
use std::time::Duration;

/// Short enough for tests that wait for them.
pub const OFTEN: NetworkIntervals = NetworkIntervals {
    tick: Duration::from_millis(50),
    redial: Duration::from_millis(100),
    redial_longest: Duration::from_millis(500),
    refused: Duration::from_secs(600),
    walk: Duration::from_millis(300),
    mdns: Duration::from_millis(500),
    discover: Duration::from_millis(300),
    registration: Duration::from_secs(7200),
    autonat: Duration::from_millis(300),
    store: Duration::from_millis(50),
};

pub fn netted_config(network: NetworkConfig) -> PeerConfig {
    PeerConfig { network: NetworkConfig { intervals: OFTEN, ..network }, ..config(GENESIS) }
}

pub async fn netted(network: NetworkConfig) -> Peer {
    Peer::start(netted_config(network)).await.unwrap()
}

/// Takes part in the table of peers, and begins with these.
pub fn table(bootnodes: Vec<Multiaddr>) -> NetworkConfig {
    NetworkConfig { kademlia: true, bootnodes, ..NetworkConfig::default() }
}

/// Where a peer listens, with its id.
pub fn address_of(peer: &Peer) -> Multiaddr {
    let id: PeerId = peer.peer_id().parse().unwrap();
    peer.listen_addresses()[0].clone().with_p2p(id).unwrap()
}

/// What a peer says about a connection with another.
pub fn seen(by: &Peer, other: &Peer) -> Option<PeerInfo> {
    by.peers().into_iter().find(|info| info.peer_id == other.peer_id())
}

/// Waits until a peer is connected with another of its chain, and returns who told of it.
pub async fn found(by: &Peer, other: &Peer) -> FoundBy {
    wait_until(|| seen(by, other).is_some_and(|info| info.verified)).await;
    seen(by, other).map_or(FoundBy::Inbound, |info| info.found)
}

/// Runs a stranger's swarm while something is waited for.
pub async fn meanwhile<B: NetworkBehaviour, T>(swarm: &mut Swarm<B>, awaited: impl Future<Output = T>) -> T {
    let mut awaited = std::pin::pin!(awaited);
    loop {
        tokio::select! {
            done = &mut awaited => return done,
            _ = swarm.select_next_some() => {}
        }
    }
}
