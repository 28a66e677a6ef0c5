//! What a node holds against a peer outlives the node's process.

use std::path::PathBuf;

use e2e::bytes;
use futures::StreamExt as _;
use libp2p::Multiaddr;
use libp2p::swarm::{DialError, SwarmEvent};

use crate::intruders::{spammer_at, topic};
use crate::world::{FOUR, World};

/// The node that is killed.
const KILLED: usize = 0;
/// Far more blocks than there are in the second or so that a ban takes to be written down.
const BLOCKS: u64 = 60;
const BANNED: &str = "piecewise_dsn_refused_peers_total{reason=\"spam\"}";

/// Where a node writes down what it knows of other peers: one folder a chain is in its base path.
fn known_peers(world: &World, index: usize) -> PathBuf {
    let chains = std::fs::read_dir(world.cluster.members()[index].base.join("chains")).unwrap();
    let mut files = chains.map(|chain| chain.unwrap().path().join("network/peers"));
    files.find(|file| file.exists()).unwrap_or_default()
}

/// Waits until the node has written down something about this peer, looking at it once a block.
async fn is_written(world: &mut World, index: usize, peer: &[u8]) {
    let has = |world: &World| {
        let file = std::fs::read(known_peers(world, index)).unwrap_or_default();
        file.windows(peer.len()).any(|window| window == peer)
    };
    for _ in 0..BLOCKS {
        if has(world) {
            return;
        }
        let head = world.head(index).await;
        world.reaches(index, head + 1).await;
    }
    panic!("it is not written down within {BLOCKS} blocks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_does_not_forget_who_sent_spam_and_goes_on_with_the_others() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    let genesis = world.genesis(KILLED).await;
    let mut spammer = spammer_at(&genesis, &[world.storage_address(KILLED).await.parse().unwrap()]).await;
    let peer = *spammer.local_peer_id();
    for number in 0..100 {
        drop(spammer.behaviour_mut().gossip.publish(topic(&genesis), bytes(number, 200)));
    }
    while !matches!(spammer.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
    assert_eq!(world.metric(KILLED, BANNED).await, 1);
    is_written(&mut world, KILLED, &peer.to_bytes()).await;

    world.kill(&[KILLED]);
    world.start(&[KILLED]);
    world.node(KILLED).has_said("what peers did before this start is still held against them").unwrap();
    let address: Multiaddr = world.storage_address(KILLED).await.parse().unwrap();
    spammer.dial(address.clone()).unwrap();
    // The node closes what it does not want once it knows who it is.
    loop {
        match spammer.select_next_some().await {
            SwarmEvent::ConnectionClosed { .. } => break,
            SwarmEvent::OutgoingConnectionError { error: DialError::Transport(_), .. } => break,
            _ => {}
        }
    }
    let connected = world.node(KILLED).ok("system_peers", serde_json::json!([])).await.unwrap();
    assert!(!connected.to_string().contains(&peer.to_string()), "{connected}");
    assert_eq!(world.metric(KILLED, BANNED).await, 0, "it was not judged again");
    // Somebody else is let in and listened to, and the network goes on.
    drop(spammer_at(&genesis, &[address]).await);
    let data = bytes(1, 300_000);
    let receipt = world.submit(KILLED, &data).await;
    assert!(world.retrieve(2, &receipt["fileId"]).await == data);
}
