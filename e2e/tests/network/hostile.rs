//! Whole nodes among peers that do not wish them well: each attack stands while the network goes on, and what it may cost
//! the attacked node is said.

mod consensus;
mod peers;
mod ports;
mod sync;
mod transactions;

use e2e::bytes;
use futures::StreamExt as _;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, Swarm};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use crate::world::{FOUR, World};

/// The node that is attacked, unless all are.
const ATTACKED: usize = 0;
/// Bytes of each file of these scenarios.
const FILE_BYTES: usize = 300_000;
const MIB: u64 = 1024 * 1024;

/// Four validators that are providers too, one of them attacked.
struct Besieged {
    world: World,
    /// A file from before the attack.
    file: (Value, Vec<u8>),
    /// Files that were put in, each with bytes of its own.
    files: u64,
    /// Most memory that the attacked node had before the attack.
    before_bytes: u64,
}

impl Besieged {
    /// The network, before anybody attacks it.
    async fn start() -> Self {
        Self::of(World::new(&FOUR)).await
    }

    /// This network of four, before anybody attacks it.
    async fn of(mut world: World) -> Self {
        world.start(&[0, 1, 2, 3]);
        world.are_recorded(&[0, 1, 2, 3]);
        let data = bytes(0, FILE_BYTES);
        let receipt = world.submit(ATTACKED, &data).await;
        let mut besieged = Self { world, file: (receipt["fileId"].clone(), data), files: 0, before_bytes: 0 };
        // What a node needs for this anyway is not the attack's.
        besieged.goes_on().await;
        besieged.before_bytes = besieged.peak_bytes();
        besieged
    }

    /// Every node gets new blocks, a file goes in at the attacked one and comes out of another, and that one gives the
    /// file from before the attack.
    async fn goes_on(&mut self) {
        let head = self.world.head(ATTACKED).await;
        self.files += 1;
        let data = bytes(self.files, FILE_BYTES);
        let receipt = self.world.submit(ATTACKED, &data).await;
        let height = receipt["height"].as_u64().unwrap().max(head + 2);
        for index in 0..FOUR.len() {
            self.world.reaches(index, height).await;
        }
        assert!(self.world.retrieve(2, &receipt["fileId"]).await == data, "file {}", self.files);
        let (file, data) = &self.file;
        assert!(self.world.retrieve(ATTACKED, file).await == *data, "the file from before the attack");
    }

    fn peak_bytes(&mut self) -> u64 {
        self.world.node(ATTACKED).peak_memory_bytes().unwrap()
    }

    /// The attacked node never had more memory than before the attack and this much.
    fn cost_at_most(&mut self, bytes: u64) {
        let (peak, before) = (self.peak_bytes(), self.before_bytes);
        println!("memory: {before} bytes before, at most {peak}");
        assert!(peak <= before + bytes, "{before} bytes before the attack, {peak} in it");
    }

    /// Waits until a counter of the node has come to `least`, looking at it once a block.
    async fn counts(&mut self, index: usize, counter: &str, least: u64) {
        while self.world.metric(index, counter).await < least {
            let head = self.world.head(index).await;
            self.world.reaches(index, head + 1).await;
        }
    }

    async fn storage_address(&mut self, index: usize) -> Multiaddr {
        self.world.storage_address(index).await.parse().unwrap()
    }
}

/// Lets a swarm run until this is dropped.
fn runs<B: NetworkBehaviour + Send>(mut swarm: Swarm<B>) -> AbortOnDropHandle<()>
where
    B::ToSwarm: Send,
{
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    }))
}
