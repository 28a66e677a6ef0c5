//! Peers that tell of transactions which are none, or which nobody can use.

use e2e::bytes;
use futures::StreamExt as _;
use libp2p::Swarm;
use libp2p::swarm::SwarmEvent;
use parity_scale_codec::Encode as _;
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Signature};
use runtime::types::{AccountsCall, BlockHash, Call, SignedTransaction, Transaction, TransferCall};
use tokio::task::JoinHandle;

use super::{ATTACKED, Besieged, MIB, runs};
use crate::intruders::{Spammer, spammer_at, topic};
use crate::world::FOUR;

/// Transactions of a flood.
const FLOOD: u64 = 2_000;
/// What a peer may send at once is judged, 256 by docs/limits.md, and 64 more each second.
const JUDGED: u64 = 256 + 10 * 64;
/// Stands behind a transaction: how often it was told of before.
const FIRST: u8 = 0;
const REJECTED: &str = "piecewise_gossip_judged_total{outcome=\"rejected\"}";
const THROTTLED: &str = "piecewise_gossip_judged_total{outcome=\"throttled\"}";
const BANNED: &str = "piecewise_dsn_refused_peers_total{reason=\"spam\"}";

/// A transfer of somebody whom the ledger does not know, not signed yet.
fn transfer(number: u64) -> (KeyPair, Transaction) {
    let pair = KeyPair::from_seed(&bytes(number, 32).try_into().unwrap());
    let (signer, nonce, tip, expires_at_ms) = (pair.account(), 0, 0, 0);
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to: signer, amount: 1 }));
    (pair, Transaction::Signed { version: 1, signer, nonce, tip, expires_at_ms, call })
}

/// Runs a spammer until so many connections of it were closed.
fn until_closed(mut spammer: Swarm<Spammer>, mut connections: usize) -> JoinHandle<Swarm<Spammer>> {
    tokio::spawn(async move {
        while connections > 0 {
            if let SwarmEvent::ConnectionClosed { .. } = spammer.select_next_some().await {
                connections -= 1;
            }
        }
        spammer
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_invalid_transactions_is_cut_off_by_every_node_it_comes_to() {
    let mut besieged = Besieged::start().await;
    let genesis = besieged.world.genesis(ATTACKED).await;
    let mut addresses = Vec::new();
    for index in 0..FOUR.len() {
        addresses.push(besieged.storage_address(index).await);
    }
    let mut spammer = spammer_at(&genesis, &addresses).await;
    let peer = spammer.local_peer_id().to_string();
    for number in 0..FLOOD {
        let forged = SignedTransaction { transaction: transfer(number).1, signature: Signature::ZERO };
        let forged = (forged, FIRST).encode();
        let invalid = if number % 2 == 0 { forged } else { bytes(number, 200) };
        // Its own queue may be full.
        drop(spammer.behaviour_mut().gossip.publish(topic(&genesis), invalid));
    }
    let closed = until_closed(spammer, FOUR.len());
    besieged.goes_on().await;
    let refusal = format!("the peer sent invalid transactions: it is left alone for a while peer={peer}");
    for index in 0..FOUR.len() {
        besieged.world.node(index).has_said(&refusal).unwrap();
        assert_eq!(besieged.world.metric(index, BANNED).await, 1, "node {index} blames others too");
        let rejected = besieged.world.metric(index, REJECTED).await;
        assert!((3..=256).contains(&rejected), "node {index} judged {rejected}");
    }
    drop(closed.await.unwrap());
    besieged.goes_on().await;
    besieged.cost_at_most(32 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_long_and_a_flood_that_nobody_can_pay_for_are_not_passed_on() {
    let mut besieged = Besieged::start().await;
    let genesis = besieged.world.genesis(ATTACKED).await;
    let chain = BlockHash::from_bytes(hex::decode(&genesis).unwrap().try_into().unwrap());
    let mut spammer = spammer_at(&genesis, &[besieged.storage_address(ATTACKED).await]).await;
    for number in 0..FLOOD {
        let (pair, transfer) = transfer(number);
        let unpaid = (transfer.sign(&chain, &pair, OsRng), FIRST).encode();
        drop(spammer.behaviour_mut().gossip.publish(topic(&genesis), unpaid));
    }
    let floods = runs(spammer);
    besieged.counts(ATTACKED, THROTTLED, FLOOD - JUDGED).await;
    besieged.goes_on().await;
    assert_eq!(besieged.world.metric(ATTACKED, BANNED).await, 0, "its transactions may be valid elsewhere");
    drop(floods);

    // Longer than the protocol lets a message be: not even read. Longer than a transaction: refused unjudged.
    let mut shouter = spammer_at(&genesis, &[besieged.storage_address(ATTACKED).await]).await;
    for number in 0..8 {
        drop(shouter.behaviour_mut().gossip.publish(topic(&genesis), bytes(number, 8 << 20)));
    }
    let _shouts = runs(shouter);
    besieged.goes_on().await;
    assert_eq!(besieged.world.metric(ATTACKED, REJECTED).await, 0);
    let mut spammer = spammer_at(&genesis, &[besieged.storage_address(ATTACKED).await]).await;
    for number in 0..4 {
        spammer.behaviour_mut().gossip.publish(topic(&genesis), bytes(number, (512 << 10) + 1000)).unwrap();
    }
    drop(until_closed(spammer, 1).await.unwrap());
    assert_eq!(besieged.world.metric(ATTACKED, BANNED).await, 1);
    besieged.goes_on().await;
    besieged.cost_at_most(96 * MIB);
}
