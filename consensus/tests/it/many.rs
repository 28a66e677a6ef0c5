//! Several validators over loopback.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consensus::{ConsensusConfig, ConsensusHandle, EndReason, peer_key, start};

use crate::support::{Fault, TestChain, config, free_address, soon};

const VALIDATORS: u8 = 4;

struct Network {
    chains: Vec<Arc<TestChain>>,
    configs: Vec<ConsensusConfig>,
    engines: Vec<Option<ConsensusHandle>>,
    _folders: Vec<tempfile::TempDir>,
}

impl Network {
    fn new(idle: Duration) -> Self {
        let folders: Vec<_> = (0..VALIDATORS).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut configs: Vec<_> =
            (0..).zip(&folders).map(|(index, folder)| config(index, folder.path(), idle)).collect();
        for config in &mut configs {
            config.listen = free_address();
        }
        let address = |config: &ConsensusConfig| {
            format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", config.listen.port(), peer_key(&config.network_secret))
        };
        let addresses: Vec<String> = configs.iter().map(address).collect();
        for (index, config) in configs.iter_mut().enumerate() {
            let others = addresses.iter().enumerate().filter(|(other, _)| *other != index);
            config.peers = others.map(|(_, address)| address.clone()).collect();
        }
        let chains = (0..VALIDATORS).map(|index| TestChain::new(VALIDATORS, index)).collect();
        Self { chains, configs, engines: (0..VALIDATORS).map(|_| None).collect(), _folders: folders }
    }

    async fn start(&mut self, index: usize) {
        let chain = self.chains[index].clone();
        let engine = soon(start(chain.clone(), chain, self.configs[index].clone())).await.unwrap();
        self.engines[index] = Some(engine);
    }

    async fn stop(&mut self) {
        for engine in self.engines.iter_mut().filter_map(Option::take) {
            assert_eq!(soon(engine.stop()).await, EndReason::Stopped);
        }
    }

    fn agree(&self, indices: &[usize], heights: u64) {
        for chain in &self.chains {
            chain.verify();
        }
        for height in 1..=heights {
            let hashes: Vec<_> = indices.iter().map(|index| self.chains[*index].at(height).0.hash).collect();
            assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "height {height}: {hashes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_validators_agree_on_five_heights() {
    let mut network = Network::new(Duration::from_millis(200));
    for index in 0..4 {
        network.start(index).await;
    }
    // Blocks of many parts, with work that every validator knows.
    for chain in &network.chains {
        chain.submit(1500);
    }
    for chain in &network.chains {
        chain.reaches(5).await;
    }
    network.stop().await;
    network.agree(&[0, 1, 2, 3], 5);
    let most = (1..=5).map(|height| network.chains[0].transactions(height)).max();
    assert_eq!(most, Some(1500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_validator_that_comes_late_catches_up_and_three_go_on_without_it() {
    let mut network = Network::new(Duration::from_millis(200));
    for index in 0..3 {
        network.start(index).await;
    }
    for index in 0..3 {
        network.chains[index].reaches(3).await;
    }
    network.start(3).await;
    let behind = network.chains[0].height();
    network.chains[3].reaches(behind + 2).await;
    network.stop().await;
    network.agree(&[0, 1, 2, 3], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_validator_that_restarts_rejoins() {
    let mut network = Network::new(Duration::from_millis(200));
    for index in 0..4 {
        network.start(index).await;
    }
    network.chains[3].reaches(2).await;
    let engine = network.engines[3].take().unwrap();
    assert_eq!(soon(engine.stop()).await, EndReason::Stopped);
    let left = network.chains[3].height();
    network.chains[0].reaches(left + 3).await;
    network.start(3).await;
    let behind = network.chains[0].height();
    network.chains[3].reaches(behind + 3).await;
    network.stop().await;
    network.agree(&[0, 1, 2, 3], left + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_calls_a_certified_block_invalid_ends() {
    let mut network = Network::new(Duration::from_millis(200));
    for index in 0..3 {
        network.start(index).await;
    }
    network.chains[0].reaches(3).await;
    network.chains[3].break_at(Fault::RefuseSynced);
    network.start(3).await;
    let reason = soon(network.engines[3].take().unwrap().ended()).await;
    let hash = network.chains[0].at(1).0.hash;
    assert_eq!(reason, EndReason::Diverged { height: 1, hash });
    network.stop().await;
    network.agree(&[0, 1, 2], 3);
}

/// Prints and never asserts: the machine may be busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn latency_of_four_validators_is_measured() {
    let mut network = Network::new(Duration::from_secs(3600));
    for index in 0..4 {
        network.start(index).await;
    }
    for chain in &network.chains {
        chain.reaches(1).await;
    }
    let mut took = Vec::new();
    for height in 2..=41 {
        let begun = Instant::now();
        for chain in &network.chains {
            chain.submit(1);
        }
        for chain in &network.chains {
            chain.reaches(height).await;
        }
        took.push(begun.elapsed());
    }
    network.stop().await;
    took.sort();
    println!("four validators, work -> decided on all: p50 {:?}, p90 {:?}, max {:?}", took[20], took[36], took[39]);
}
