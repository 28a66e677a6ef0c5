//! Validators that stop, and come back.

use e2e::bytes;
use e2e::cluster::Part;
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Purpose};
use serde_json::{Value, json};

use crate::world::{ALL, FOUR, World};

#[tokio::test]
async fn blocks_go_on_without_one_of_four_stop_without_two_and_there_is_never_a_fork() {
    let mut world = World::new(&FOUR);
    world.start(&ALL).reaches(0, 2).await.stop(3);
    let without_one = world.head(0).await;
    assert!(world.grows(0, 4).await.agree(&[0, 1, 2]).await >= without_one);

    let without_two = world.stop(2).stands_still(0).await;
    assert_eq!(world.agree(&[0, 1]).await, without_two);

    world.start(&[2, 3]).all_reach(&ALL, without_two + 3).await;
    assert!(world.agree(&ALL).await >= without_two + 3);
}

#[tokio::test]
async fn a_network_that_is_killed_all_at_once_goes_on_where_it_was() {
    let mut world = World::new(&FOUR);
    let file = world.start(&ALL).are_recorded(&ALL).puts(0, bytes(7, 200_000)).await;
    for round in 0..3 {
        let before = file.height + 2;
        let head = world.reaches(round, before).await.kill(&ALL).start(&ALL).head(round).await;
        assert!(head >= before, "{head} is below {before} that node {round} had");
        world.all_reach(&ALL, head + 2).await;
    }
    world.agree(&ALL).await;
    for index in ALL {
        world.retrieves(index, &file).await;
    }
}

#[tokio::test]
async fn a_transaction_waits_through_a_restart_until_there_are_enough_validators() {
    let mut world = World::new(&FOUR);
    world.start(&ALL).are_recorded(&ALL).kill(&[2, 3]);
    let hash = transfer(&mut world, 0).await;
    // The other one would tell it again.
    world.kill(&[0, 1]).start(&[0]);
    assert!(has_waiting(&mut world, 0, &hash).await, "node 0 has lost {hash}");
    world.start(&[1, 2, 3]);
    let mut status = Value::Null;
    while status["status"] != "final" {
        let asked = json!([hash]);
        status = world.grows(0, 1).await.node(0).ok("chain_getTransaction", asked).await.unwrap();
    }
    assert_eq!(status["result"]["ok"], json!(true), "{status}");
}

#[tokio::test]
async fn who_joins_a_network_that_stands_still_hears_of_what_waits() {
    let mut world = World::new(&FOUR);
    world.start(&ALL).are_recorded(&ALL).kill(&[2, 3]);
    let hash = transfer(&mut world, 0).await;
    let late = world.join(Part::Full);
    while !has_waiting(&mut world, late, &hash).await {
        world.node(late).wait_for("status").unwrap();
    }
}

#[tokio::test]
async fn a_file_outlives_as_many_holders_as_the_ledger_says_it_does() {
    let parts: Vec<Part> = (0..4).map(Part::Validator).chain((0..4).map(Part::Provider)).collect();
    let mut world = World::new(&parts);
    let (everybody, providers) = ([0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7]);
    let file = world.start(&everybody).are_recorded(&providers).puts(1, bytes(9, 3_000_000)).await;
    let located = world.node(1).ok("storage_locate", json!([file.id])).await.unwrap();
    assert_eq!(located["survivableProviders"], json!(2), "{located}");
    // The holders of the first pieces, whose bytes are those of the file itself.
    let pieces = located["segments"][0]["pieces"].as_array().unwrap();
    let mut gone = Vec::new();
    for holder in providers {
        let id = world.peer_id(holder).await;
        if pieces[..2].iter().any(|piece| piece["peerId"] == json!(id)) {
            gone.push(holder);
        }
    }
    world.kill(&gone);
    for left in everybody.into_iter().filter(|index| !gone.contains(index)) {
        world.retrieves(left, &file).await;
    }
}

/// Whether this transaction waits at the node.
async fn has_waiting(world: &mut World, index: usize, hash: &Value) -> bool {
    let pending = world.node(index).ok("author_pendingTransactions", json!([])).await.unwrap();
    pending.as_array().unwrap().iter().any(|waiting| waiting["hash"] == *hash)
}

/// Sends a little from Eve, whom no node uses, at this node; the transaction's hash.
async fn transfer(world: &mut World, index: usize) -> Value {
    let eve = KeyPair::from_secret_text("//Eve").unwrap();
    let ferdie = KeyPair::from_secret_text("//Ferdie").unwrap();
    let args = json!({ "to": ferdie.account().to_string(), "amount": "1000000000" });
    let call = json!({ "module": "accounts", "name": "transfer", "args": args });
    let asked = json!([{ "from": eve.account().to_string(), "call": call }]);
    let prepared = world.node(index).ok("author_prepare", asked).await.unwrap();
    let payload = prepared["payload"].as_str().unwrap().strip_prefix("0x").unwrap();
    let signature = eve.sign(Purpose::Account, &hex::decode(payload).unwrap(), OsRng);
    let params = json!([prepared["transaction"], format!("0x{signature}")]);
    let sent = world.node(index).ok("author_submitTransaction", params).await.unwrap();
    sent["txHash"].clone()
}
