//! Several engines over loopback, and the chains that they agree on.

use std::sync::Arc;
use std::time::Duration;

use consensus::{ConsensusConfig, ConsensusHandle, EndReason, peer_key, start};

use crate::support::{TestChain, config, free_address, soon};

const VALIDATORS: u8 = 4;

/// Four validators that know each other's addresses.
pub struct Network {
    pub chains: Vec<Arc<TestChain>>,
    pub configs: Vec<ConsensusConfig>,
    pub engines: Vec<Option<ConsensusHandle>>,
    _folders: Vec<tempfile::TempDir>,
}

impl Network {
    pub fn new(idle: Duration) -> Self {
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

    /// Takes a node its key: it follows.
    pub fn follows(&mut self, index: usize) {
        self.configs[index].validator = None;
    }

    /// Has all but `stranger` name only each other.
    pub fn estrange(&mut self, stranger: usize) {
        let id = peer_key(&self.configs[stranger].network_secret).to_string();
        for (_, config) in self.configs.iter_mut().enumerate().filter(|(index, _)| *index != stranger) {
            config.peers.retain(|address| !address.ends_with(&id));
        }
    }

    pub async fn start(&mut self, index: usize) {
        let chain = self.chains[index].clone();
        let engine = soon(start(chain.clone(), chain, self.configs[index].clone())).await.unwrap();
        self.engines[index] = Some(engine);
    }

    pub async fn stop(&mut self) {
        for engine in self.engines.iter_mut().filter_map(Option::take) {
            assert_eq!(soon(engine.stop()).await, EndReason::Stopped);
        }
    }

    pub fn agree(&self, indices: &[usize], heights: u64) {
        for chain in &self.chains {
            chain.verify();
        }
        for height in 1..=heights {
            let hashes: Vec<_> = indices.iter().map(|index| self.chains[*index].at(height).0.hash).collect();
            assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "height {height}: {hashes:?}");
        }
    }
}
