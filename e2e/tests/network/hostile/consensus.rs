//! Floods of whoever has a connection or a key, at the consensus ports of all validators at once.

mod attackers;

use std::net::Ipv4Addr;

use libp2p::Multiaddr;

use self::attackers::{Flood, Way};
use super::{ATTACKED, Besieged, MIB};
use crate::world::{FOUR, World};

/// Peers that a consensus port of these scenarios takes, by `--limit`, and connections of one address.
const PEERS_IN: usize = 25;
/// Connections of strangers that it takes, by docs/limits.md.
const STRANGERS: usize = 2 * PEERS_IN;
/// Sockets of a connection in the node: of the port, and both of the way from there to the engine.
const SOCKETS: usize = 3;
/// Addresses of a flood: together they may have more connections than there are.
const ADDRESSES: u8 = 5;
/// Connections of honest peers and clients that may come and go meanwhile.
const HONEST: usize = 40;

/// A network whose consensus ports a small flood fills.
async fn with_few_places() -> Besieged {
    let mut world = World::new(&FOUR);
    for limit in ["consensus_peers_in", "consensus_connections_per_host"] {
        world.cluster.give(&["--limit", &format!("{limit}={PEERS_IN}")]);
    }
    Besieged::of(world).await
}

fn consensus_address(world: &World, index: usize) -> Multiaddr {
    world.cluster.members()[index].consensus_address().unwrap().parse().unwrap()
}

async fn a_validator_is_killed_in_a_flood_and_comes_back(way: Way) {
    let mut besieged = with_few_places().await;
    let before = besieged.world.node(ATTACKED).sockets().unwrap();
    let from: Vec<_> = (2..2 + ADDRESSES).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    let ports: Vec<_> = (0..FOUR.len()).map(|index| consensus_address(&besieged.world, index)).collect();
    let mut flood = Flood::begin(way, &from, PEERS_IN, &ports);
    flood.was_sent_away(PEERS_IN).await;
    let most = besieged.world.node(ATTACKED).sockets().unwrap();
    println!("sockets: {before} before, {most} in the flood");
    assert!(most <= before + SOCKETS * STRANGERS + HONEST, "{most} sockets, {before} before");
    besieged.goes_on().await;

    let world = &mut besieged.world;
    world.kill(&[3]).grows(ATTACKED, 2).await.start(&[3]).catches_up(3, ATTACKED).await;
    // Without its vote there would be no more blocks.
    world.stop(2).grows(ATTACKED, 3).await.agree(&[0, 1, 3]).await;
    besieged.cost_at_most(64 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_killed_comes_back_through_a_flood_of_silent_connections() {
    a_validator_is_killed_in_a_flood_and_comes_back(Way::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_is_killed_comes_back_through_a_flood_of_peers_with_keys() {
    a_validator_is_killed_in_a_flood_and_comes_back(Way::Keyed).await;
}
