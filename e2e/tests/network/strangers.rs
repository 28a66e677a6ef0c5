//! Nodes that do not belong here.

use e2e::cluster::Part;
use futures::StreamExt as _;
use libp2p::swarm::SwarmEvent;

use crate::intruders::{claims, stranger};
use crate::world::{FOUR, World};

#[tokio::test]
async fn a_node_of_another_chain_is_refused_in_words_on_both_sides() {
    let (mut ours, mut theirs) = (World::new(&FOUR[..1]), World::new(&[Part::Full]));
    ours.start(&[0]);
    // Peers say as much of it as tells chains apart.
    let (genesis, boot_node) = (ours.genesis(0).await[..16].to_owned(), ours.storage_address(0).await);
    theirs.start_with(0, &["--bootnodes", &boot_node]);
    let other = theirs.genesis(0).await[..16].to_owned();
    assert_ne!(genesis, other);
    let (here, there) = (ours.peer_id(0).await, theirs.peer_id(0).await);
    let refusal = |peer: &str, theirs: &str, ours: &str| {
        format!(
            "the peer is of the chain with genesis {theirs}, ours is {ours}: it is left alone for a while peer={peer}"
        )
    };
    ours.node(0).has_said(&refusal(&there, &other, &genesis)).unwrap();
    theirs.node(0).has_said(&refusal(&here, &genesis, &other)).unwrap();
}

#[tokio::test]
async fn a_validator_of_another_chain_is_refused_in_words_on_both_sides() {
    let (mut ours, mut theirs) = (World::new(&FOUR[..1]), World::new(&FOUR[1..2]));
    ours.start(&[0]);
    let address = ours.cluster.members()[0].consensus_address().unwrap();
    theirs.start_with(0, &["--consensus-peers", &address]);
    let (genesis, other) = (ours.genesis(0).await, theirs.genesis(0).await);
    assert_ne!(genesis, other);
    for (world, refused) in [(&mut ours, other), (&mut theirs, genesis)] {
        let line = world.node(0).has_said("Incompatible protocol version, disconnecting peer").unwrap();
        assert!(line.contains(&format!("/piecewise/{refused}/consensus/1")), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_speaks_another_version_is_refused_in_words() {
    let mut world = World::new(&FOUR[..1]);
    world.start(&[0]);
    let genesis = world.genesis(0).await;
    let (mut newer, _) = stranger(claims(&format!("/piecewise/2/{}", &genesis[..16]))).await;
    newer.dial(world.storage_address(0).await.parse::<libp2p::Multiaddr>().unwrap()).unwrap();
    let id = newer.local_peer_id().to_string();
    while !matches!(newer.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
    let said = "the peer speaks version 2 of the protocol, ours is 1: it is left alone for a while";
    world.node(0).has_said(&format!("{said} peer={id}")).unwrap();
}
