//! Several validators over loopback.

use std::time::Duration;

use consensus::EndReason;

use crate::network::Network;
use crate::support::{Fault, soon};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_without_a_key_that_nobody_named_follows_and_knows_how_far_others_are() {
    let mut network = Network::new(Duration::from_millis(200));
    network.follows(3);
    network.estrange(3);
    for index in 0..3 {
        network.start(index).await;
    }
    network.chains[0].reaches(3).await;
    network.start(3).await;
    let heights = network.engines[3].as_ref().unwrap().peer_heights().clone();
    soon(heights.above(2)).await;
    let behind = network.chains[0].height();
    network.chains[3].reaches(behind + 3).await;
    assert!(heights.best() >= Some(behind), "{:?}", heights.best());
    assert_eq!(network.chains[3].proposed(), []);
    network.stop().await;
    network.agree(&[0, 1, 2, 3], behind);
}

/// As many as read at the same time.
const READERS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heights_go_on_while_peers_wait_for_blocks_that_cannot_be_read() {
    let mut network = Network::new(Duration::from_millis(200));
    network.follows(3);
    for index in 0..3 {
        network.start(index).await;
    }
    network.chains[0].reaches(40).await;
    for chain in &network.chains[..3] {
        chain.slow_down(true);
    }
    network.start(3).await;
    // Whomever it asks first, and the rest once the first does not answer in time.
    let asked =
        futures::future::select_all(network.chains[..3].iter().map(|chain| Box::pin(chain.is_read_by(READERS))));
    let (_, asked, _) = asked.await;
    let before = network.chains[asked].height();
    for chain in &network.chains[..3] {
        chain.reaches(before + 20).await;
    }
    assert_eq!(network.chains[3].height(), 0);
    for chain in &network.chains[..3] {
        chain.slow_down(false);
    }
    network.chains[3].reaches(before + 20).await;
    network.stop().await;
    network.agree(&[0, 1, 2, 3], before + 20);
}
