//! Peers of the consensus network that say they are further than anybody, or ask for blocks without an end.

use std::path::PathBuf;

use chain_spec::dev_keys;
use consensus::assembly::{identity, settings};
use consensus::formats::app::config::NodeConfig as _;
use consensus::formats::app::engine::network::{NetworkMsg, NetworkRef, Status};
use consensus::formats::app::metrics::SharedRegistry;
use consensus::formats::app::spawn::spawn_network_actor;
use consensus::formats::app::types::PeerId;
use consensus::formats::app::types::sync::Request;
use consensus::formats::{ChainContext, ConsensusHeight, ValueRequest, WireCodec};
use consensus::{ConsensusConfig, ValidatorKey};
use e2e::cluster::Part;
use serde_json::json;

use super::{ATTACKED, Besieged, MIB};
use crate::world::World;

/// Peers that ask for blocks; each may have 5 requests under way.
const GREEDY: u8 = 8;
/// What each of them asks for at once.
const REQUESTS: usize = 100;
/// Blocks that come while they ask.
const BLOCKS: u64 = 10;

/// A peer of the consensus network that is no node.
struct Raw {
    network: NetworkRef<ChainContext>,
    /// Whom it is connected with.
    other: PeerId,
}

impl Raw {
    /// One that is connected with a validator.
    async fn at(world: &mut World, index: usize, number: u8) -> Self {
        let address = world.cluster.members()[index].consensus_address().unwrap();
        let other = address.rsplit_once('/').unwrap().1.parse().unwrap();
        let key = dev_keys::consensus_key(dev_keys::NAMES[0]).unwrap();
        let validator = ValidatorKey { account: key.account(), key };
        let mut config = ConsensusConfig::dev(([127, 0, 0, 1], 0).into(), PathBuf::new(), validator, [number; 32]);
        config.validator = None;
        config.moniker = format!("raw-{number}");
        config.peers = vec![address];
        let settings = settings(&config, &world.genesis(index).await.parse().unwrap()).unwrap();
        let identity = identity(&config, None).await.unwrap();
        let registry = SharedRegistry::global().with_moniker(&config.moniker);
        let network =
            spawn_network_actor(settings.consensus(), settings.value_sync(), identity, &registry, WireCodec).await;
        let raw = Self { network: network.unwrap(), other };
        while !raw.is_connected().await {
            let head = world.head(index).await;
            world.reaches(index, head + 1).await;
        }
        raw
    }

    async fn is_connected(&self) -> bool {
        let dump = self.network.call(NetworkMsg::DumpState, None).await.unwrap().unwrap();
        dump.is_some_and(|dump| dump.peers.keys().any(|peer| peer.to_string() == self.other.to_string()))
    }

    fn says(&self, height: u64) {
        let status = Status::new(ConsensusHeight(height), ConsensusHeight(1));
        self.network.cast(NetworkMsg::BroadcastStatus(status)).unwrap();
    }

    async fn asks(&self, from: u64, to: u64) {
        let range = ConsensusHeight(from)..=ConsensusHeight(to);
        let request = Request::ValueRequest(ValueRequest::new(range));
        let asks = |reply| NetworkMsg::OutgoingRequest(self.other, request, reply);
        self.network.call(asks, None).await.unwrap().unwrap();
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.network.stop(None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_says_it_is_as_far_as_can_be_makes_nobody_think_to_be_behind() {
    let mut besieged = Besieged::start().await;
    // One that names nobody hears everybody.
    let full = besieged.world.join(Part::Full);
    let liar = Raw::at(&mut besieged.world, ATTACKED, 200).await;
    let heard = format!("height={}", u64::MAX);
    while !besieged.world.log(ATTACKED).contains(&heard) {
        liar.says(u64::MAX);
        let head = besieged.world.head(ATTACKED).await;
        besieged.world.reaches(ATTACKED, head + 1).await;
    }
    let file = besieged.file.0.clone();
    for index in [ATTACKED, 1, full] {
        let head = besieged.world.head(ATTACKED).await;
        besieged.world.reaches(index, head).await;
        let node = besieged.world.node(index);
        let health = node.ok("system_health", json!([])).await.unwrap();
        assert_eq!(health["isSyncing"], json!(false), "node {index}: {health}");
        let state = node.ok("system_syncState", json!([])).await.unwrap();
        assert!(state["highestBlock"].as_u64().unwrap() < 1_000_000, "node {index}: {state}");
        // Not 1007.
        node.ok("storage_locate", json!([file])).await.unwrap();
    }
    besieged.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heights_go_on_in_their_first_round_while_strangers_ask_for_blocks_without_an_end() {
    let mut besieged = Besieged::start().await;
    let mut greedy = Vec::new();
    for number in 0..GREEDY {
        greedy.push(Raw::at(&mut besieged.world, ATTACKED, 210 + number).await);
    }
    let before = besieged.world.head(ATTACKED).await;
    let mut head = before;
    while head < before + BLOCKS {
        for peer in &greedy {
            for _ in 0..REQUESTS {
                peer.asks(1, u64::MAX).await;
            }
        }
        besieged.world.reaches(ATTACKED, head + 1).await;
        head = besieged.world.head(ATTACKED).await;
    }
    for height in before + 1..=head {
        let certificate = besieged.world.node(1).ok("chain_getCertificate", json!([height])).await.unwrap();
        assert_eq!(certificate["round"], json!(0), "height {height}: {certificate}");
    }
    // Who catches up from those that are asked does so all the same.
    let late = besieged.world.join(Part::Full);
    besieged.world.reaches(late, head).await;
    besieged.goes_on().await;
    besieged.cost_at_most(128 * MIB);
}
