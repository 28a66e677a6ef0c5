//! Whoever comes to consensus ports with a key: in numbers, without ears, and with words that are none.

mod attackers;

use std::net::Ipv4Addr;

use e2e::bytes;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Stream, StreamProtocol};
use parity_scale_codec::Encode as _;

use self::attackers::{Flood, Way, gossiper_at, parts, votes};
use super::{ATTACKED, Besieged, MIB, runs};
use crate::intruders::stranger;
use crate::world::{FOUR, World};

/// Where those that gossip sit.
const GOSSIPER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Messages of a flood of each topic.
const MESSAGES: u64 = 1_500;
/// Bytes of a long one that is not too long.
const LONG_BYTES: usize = 60_000;
/// Peers that read nothing: as many as a peer gossips with of its own accord.
const DEAF: usize = 12;
/// Lines that the attacked node may print for each attack, whatever is sent.
const LINES: usize = 500;

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

impl Besieged {
    /// Waits until the attacked node has heard so many messages of a topic, looking at it once a block.
    async fn hears(&mut self, topic: &str, least: u64) {
        let labels = format!("moniker=\"{}\",hash=\"{topic}\"", self.world.cluster.members()[ATTACKED].name);
        let name = format!("malachitebft_network_gossipsub_topic_msg_recv_counts_total{{{labels}}}");
        while self.world.node(ATTACKED).engine_metric(&name).await.unwrap() < least {
            self.world.grows(ATTACKED, 1).await;
        }
    }
}

/// A gossip stream to the peer at this address, on which these bytes are sent; what is said on it until it ends.
async fn says(address: Multiaddr, frame: &[u8]) -> usize {
    let (mut swarm, _) = stranger(|_| libp2p_stream::Behaviour::new()).await;
    let mut control = swarm.behaviour().new_control();
    swarm.dial(address).unwrap();
    let peer = loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
            break peer_id;
        }
    };
    let _runs = runs(swarm);
    let mut stream: Stream = control.open_stream(peer, StreamProtocol::new("/meshsub/1.1.0")).await.unwrap();
    // The node may have closed the stream before all of it is written.
    drop(stream.write_all(frame).await);
    drop(stream.flush().await);
    let mut said = Vec::new();
    // A reset is as good as an end.
    drop(stream.read_to_end(&mut said).await);
    said.len()
}

/// A vote for a block that nobody proposed, signed by nobody.
fn vote(height: u64, number: u64) -> Vec<u8> {
    let block: [u8; 32] = bytes(number, 32).try_into().unwrap();
    let signature: [u8; 64] = bytes(number, 64).try_into().unwrap();
    (0u8, 0u8, height, 0u32, Some(block), block, signature).encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_long_undecodable_or_of_nobody_known_stop_nobody() {
    let mut besieged = Besieged::start().await;
    let genesis = besieged.world.genesis(ATTACKED).await;
    let address = consensus_address(&besieged.world, ATTACKED);
    // Longer than any message may be, and no message at all.
    let too_long = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], bytes(1, 1 << 20).as_slice()].concat();
    let none = [&[64][..], &[0xff; 64]].concat();
    for frame in [too_long, none] {
        assert_eq!(says(address.clone(), &frame).await, 0);
    }
    let mut gossiper = gossiper_at(&genesis, GOSSIPER, &address).await;
    let height = besieged.world.head(ATTACKED).await + 2;
    for number in 0..MESSAGES {
        let gossip = &mut gossiper.behaviour_mut().gossip;
        let none = if number % 2 == 0 { vote(height, number) } else { bytes(number, LONG_BYTES) };
        gossip.publish(votes(), none).unwrap();
        gossip.publish(parts(), bytes(number, LONG_BYTES)).unwrap();
    }
    let _floods = runs(gossiper);
    besieged.goes_on().await;
    besieged.hears("/consensus", MESSAGES).await;
    besieged.hears("/proposal_parts", MESSAGES).await;
    besieged.goes_on().await;
    besieged.cost_at_most(64 * MIB);
    let log = std::fs::read_to_string(besieged.world.cluster.members()[ATTACKED].base.join("node.log")).unwrap();
    println!("{} lines", log.lines().count());
    assert!(log.lines().count() < LINES, "{}", &log[..20_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_never_read_what_they_are_told_cost_little_while_much_is_told() {
    let mut besieged = Besieged::start().await;
    let genesis = besieged.world.genesis(ATTACKED).await;
    let address = consensus_address(&besieged.world, ATTACKED);
    let mut deaf = Vec::new();
    for _ in 0..DEAF {
        // Nothing is read but by who asks for it.
        deaf.push(gossiper_at(&genesis, GOSSIPER, &address).await);
    }
    besieged.goes_on().await;
    let mut gossiper = gossiper_at(&genesis, GOSSIPER, &address).await;
    for number in 0..MESSAGES {
        gossiper.behaviour_mut().gossip.publish(votes(), bytes(number, LONG_BYTES)).unwrap();
    }
    let _floods = runs(gossiper);
    besieged.goes_on().await;
    besieged.hears("/consensus", MESSAGES).await;
    besieged.goes_on().await;
    besieged.cost_at_most(64 * MIB);
    drop(deaf);
}
