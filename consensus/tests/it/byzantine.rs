//! Validators that misbehave among ones that do not: real engines over loopback, Malachite's own Byzantine proxy.

mod locks;
mod poison;
mod proposals;
mod restored;
mod rogue;
mod strangers;
mod tap;
mod votes;

use std::sync::Arc;
use std::time::Duration;

use consensus::formats::{Address, ChainContext};
use consensus::{Application, EndReason};
use malachite::NetworkRequest;
use malachite::app::engine::network::NetworkRef;
use runtime::types::{BlockHash, Height};
use tokio::sync::{mpsc, watch};

use crate::network::Network;
use crate::support::{PATIENCE, TestChain, soon, validator, validators};

use rogue::Rogue;
use tap::{Seen, Tap};

/// Every random choice below follows from this; there is no other chance than that of the scheduler.
const SEED: u64 = 0x5eed;
/// Long enough that a height ends before the next begins, short enough that tests do not wait for it.
const IDLE: Duration = Duration::from_millis(100);

/// Four validators, some of them rogues, and what each engine was seen to do.
struct Stage {
    network: Network,
    taps: Vec<Arc<Tap>>,
    /// The network actors of rogues, which their engines do not stop.
    behind: Vec<Option<NetworkRef<ChainContext>>>,
}

impl Stage {
    fn new() -> Self {
        println!("seed {SEED:#x}");
        let mut network = Network::new(IDLE);
        // Their keys have signed nothing, and some of them say nothing of themselves.
        network.configs.iter_mut().for_each(|config| config.new_guard = true);
        let taps = network.chains.iter().map(|_| Arc::default()).collect();
        let behind = network.chains.iter().map(|_| None).collect();
        Self { network, taps, behind }
    }

    fn chain(&self, index: usize) -> &TestChain {
        &self.network.chains[index]
    }

    async fn honest(&mut self, index: usize) {
        let (chain, config) = (self.network.chains[index].clone(), self.network.configs[index].clone());
        let tap = Arc::clone(&self.taps[index]);
        let build = move |plan| tap::honest(plan, Arc::clone(&tap));
        let engine = soon(consensus::assembly::start_with(chain.clone(), chain, config, build)).await.unwrap();
        self.network.engines[index] = Some(engine);
    }

    async fn rogue(&mut self, index: usize, rogue: Rogue) {
        let (chain, config) = (self.network.chains[index].clone(), self.network.configs[index].clone());
        let tap = Arc::clone(&self.taps[index]);
        let (found, behind) = (watch::Sender::new(None), &mut self.behind[index]);
        let finder = found.clone();
        let build = move |plan| rogue::build(plan, rogue.clone(), Arc::clone(&tap), finder.clone());
        let engine = soon(consensus::assembly::start_with(chain.clone(), chain, config, build)).await.unwrap();
        *behind = found.borrow().clone();
        self.network.engines[index] = Some(engine);
    }

    /// Starts all but `rogues`, honest; rogues are started first.
    async fn others(&mut self, rogues: &[usize]) {
        for index in (0..4).filter(|index| !rogues.contains(index)) {
            self.honest(index).await;
        }
    }

    async fn stop_one(&mut self, index: usize) {
        let engine = self.network.engines[index].take().unwrap();
        assert_eq!(soon(engine.stop()).await, EndReason::Stopped, "validator {index}");
        if let Some(network) = self.behind[index].take() {
            soon(network.stop_and_wait(None, None)).await.unwrap();
        }
    }

    /// Stops everybody, none of whom may have ended before, and compares the chains.
    async fn end(&mut self, heights: Height) {
        for index in 0..4 {
            self.stop_one(index).await;
        }
        self.network.agree(&[0, 1, 2, 3], heights);
    }

    async fn all_reach(&self, height: Height) {
        for chain in &self.network.chains {
            chain.reaches(height).await;
        }
    }

    /// Waits until the engine was seen to do something.
    async fn sees(&self, index: usize, what: &str, is_so: impl FnMut(&Seen) -> bool) -> Seen {
        let mut watched = self.taps[index].seen.subscribe();
        let found = tokio::time::timeout(PATIENCE, watched.wait_for(is_so)).await;
        found.unwrap_or_else(|_| panic!("validator {index} never saw {what}")).unwrap().clone()
    }

    fn seen(&self, index: usize) -> Seen {
        let seen = self.taps[index].seen.borrow().clone();
        assert_eq!(seen.missed, 0, "the test was too slow to see everything");
        seen
    }

    /// The peer ids that an engine is connected to.
    async fn peers(&self, index: usize) -> Vec<String> {
        let requests: mpsc::Sender<NetworkRequest> = self.taps[index].requests.lock().unwrap().clone().unwrap();
        let dump = soon(NetworkRequest::dump_state(&requests)).await.unwrap().unwrap();
        dump.peers.keys().map(ToString::to_string).collect()
    }

    /// Whose turn it is.
    fn turn(&self, height: Height, round: u32) -> usize {
        turn(&self.chain(0).genesis(), height, round)
    }
}

fn turn(genesis: &BlockHash, height: Height, round: u32) -> usize {
    let proposer = validators(4).proposer(genesis, height, round).unwrap().account;
    (0..4u8).find(|index| validator(*index).account == proposer).unwrap().into()
}

fn address(index: usize) -> Address {
    Address(validator(index.try_into().unwrap()).account)
}
