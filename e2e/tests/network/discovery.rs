//! How storage peers find each other: each way alone, and without whoever introduced them.

use e2e::cluster::Part;
use serde_json::json;

use crate::world::{FOUR, World};

/// Storage peers that know nobody but whom the scenario tells them.
fn strangers() -> World {
    let mut world = World::new(&FOUR);
    world.cluster.do_not_introduce();
    world
}

/// Waits until the node has met the other one; who told it of that.
async fn met(world: &mut World, index: usize, other: usize) -> String {
    let id = world.peer_id(other).await;
    let line = world.node(index).has_said(&format!("met a peer peer={id}")).unwrap();
    line.rsplit_once("by=").unwrap().1.to_owned()
}

/// Waits until these have met each other, and checks that of each two, one was told of the other so.
async fn met_by(world: &mut World, pairs: &[(usize, usize)], way: &str) {
    for (one, other) in pairs.iter().copied() {
        let ways = [met(world, one, other).await, met(world, other, one).await];
        assert!(ways.iter().any(|by| by == way), "{one} and {other}: {ways:?}");
        assert!(ways.iter().all(|by| by == way || by == "inbound"), "{one} and {other}: {ways:?}");
    }
}

#[tokio::test]
async fn a_node_that_knows_one_peer_finds_all_others_and_needs_the_boot_node_no_more() {
    let mut world = strangers();
    world.start(&[0]);
    let boot_node = world.storage_address(0).await;
    for index in [1, 2] {
        world.start_with(index, &["--bootnodes", &boot_node]);
        assert_eq!(met(&mut world, index, 0).await, "bootnode");
    }
    // Of this one the boot node has never heard, and it not of the boot node.
    let second = world.storage_address(1).await;
    world.start_with(3, &["--bootnodes", &second]);
    met_by(&mut world, &[(1, 2), (0, 3), (2, 3)], "kademlia").await;

    world.kill(&[0]);
    let late = world.add(Part::Full);
    world.start_with(late, &["--bootnodes", &second]);
    met_by(&mut world, &[(late, 2), (late, 3)], "kademlia").await;
    // It is told of nobody who is there.
    world.stop(2);
    world.start_with(2, &["--bootnodes", &boot_node, "--no-kademlia"]);
    for other in [1, 3] {
        assert_eq!(met(&mut world, 2, other).await, "store");
    }
}

#[tokio::test]
async fn nodes_that_know_a_rendezvous_point_find_each_other_and_need_it_no_more() {
    let mut world = strangers();
    world.start_with(0, &["--rendezvous-server", "--no-kademlia"]);
    let point = world.storage_address(0).await;
    for index in [1, 2, 3] {
        world.start_with(index, &["--rendezvous", &point, "--no-kademlia"]);
        assert_eq!(met(&mut world, index, 0).await, "rendezvous");
    }
    met_by(&mut world, &[(1, 2), (1, 3), (2, 3)], "rendezvous").await;

    world.kill(&[0]);
    world.stop(1);
    world.start_with(1, &["--rendezvous", &point, "--no-kademlia"]);
    for other in [2, 3] {
        assert_eq!(met(&mut world, 1, other).await, "store");
    }
    let peers = world.node(1).ok("system_peers", json!([])).await.unwrap();
    assert_eq!(peers.as_array().unwrap().len(), 2, "{peers}");
}

#[tokio::test]
async fn validators_that_know_a_boot_node_alone_agree_and_others_follow_them() {
    let mut world = strangers();
    world.cluster.name_no_consensus_peers();
    world.start(&[0]);
    let boot_node = world.storage_address(0).await;
    for index in 1..4 {
        world.start_with(index, &["--bootnodes", &boot_node]);
    }
    world.reaches(3, 2).await;
    let late = world.add(Part::Full);
    world.start_with(late, &["--bootnodes", &boot_node]);
    world.are_recorded(&[0, 1, 2, 3]);
    let head = world.head(0).await;
    world.reaches(late, head).await;
    let receipt = world.submit(late, b"agreed on").await;
    assert_eq!(world.retrieve(late, &receipt["fileId"]).await, b"agreed on");

    // Nobody is told of anybody any more; each has written down whom it met.
    let everybody = [0, 1, 2, 3, late];
    let files = everybody.map(|index| world.cluster.members()[index].base.join("chains/local/network/peers"));
    while !files.iter().all(|file| file.exists()) {
        let head = world.head(0).await;
        world.reaches(0, head + 1).await;
    }
    world.kill(&[0, 1, 2, 3, late]);
    world.start(&[0, 1, 2, 3]);
    let head = world.head(2).await;
    world.reaches(2, head + 2).await;
    world.start(&[late]);
    world.reaches(late, head + 2).await;
    world.agree(&[0, 1, 2, 3, late]).await;
}

#[tokio::test]
async fn a_second_node_with_a_validators_key_stops_and_the_first_goes_on() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1]);
    let twin = world.add(Part::Validator(1));
    let mut twin = world.cluster.spawn(twin).unwrap();
    twin.has_said("another node votes with this validator's key and was there first").unwrap();
    assert!(!world.node(1).has_ended().unwrap());
}
