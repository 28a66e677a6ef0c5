//! Validators that stop, and come back.

use e2e::bytes;
use e2e::cluster::Part;
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Purpose};
use serde_json::{Value, json};

use crate::world::{FOUR, World};

#[tokio::test]
async fn blocks_go_on_without_one_of_four_stop_without_two_and_there_is_never_a_fork() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.reaches(0, 2).await;

    world.stop(3);
    let without_one = world.head(0).await;
    world.reaches(0, without_one + 4).await;
    assert!(world.agree(&[0, 1, 2]).await >= without_one);

    world.stop(2);
    // What was under way with three may still be decided; then votes are sent again and again, and nothing is.
    let mut without_two = world.head(0).await;
    let mut sent_again = 0;
    while sent_again < 3 {
        world.node(0).wait_for("this node's own is sent again").unwrap();
        let head = world.head(0).await;
        sent_again = if head == without_two { sent_again + 1 } else { 0 };
        without_two = head;
    }
    assert_eq!(world.agree(&[0, 1]).await, without_two);

    world.start(&[2, 3]);
    for index in 0..4 {
        world.reaches(index, without_two + 3).await;
    }
    assert!(world.agree(&[0, 1, 2, 3]).await >= without_two + 3);
}

#[tokio::test]
async fn a_network_that_is_killed_all_at_once_goes_on_where_it_was() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    let data = bytes(7, 200_000);
    let receipt = world.submit(0, &data).await;
    let height = receipt["height"].as_u64().unwrap();
    for round in 0..3 {
        world.reaches(round, height + 2).await;
        world.kill(&[0, 1, 2, 3]);
        world.start(&[0, 1, 2, 3]);
        let head = world.head(round).await;
        assert!(head >= height + 2, "{head} is below {height} and 2 that node {round} had");
        for index in 0..4 {
            world.reaches(index, head + 2).await;
        }
    }
    world.agree(&[0, 1, 2, 3]).await;
    for index in 0..4 {
        assert!(world.retrieve(index, &receipt["fileId"]).await == data, "node {index}");
    }
}

#[tokio::test]
async fn a_transaction_waits_through_a_restart_until_there_are_enough_validators() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    world.kill(&[2, 3]);
    let hash = transfer(&mut world, 0).await;
    // The other one would tell it again.
    world.kill(&[0, 1]);
    world.start(&[0]);
    let pending = world.node(0).ok("author_pendingTransactions", json!([])).await.unwrap();
    assert!(pending.as_array().unwrap().iter().any(|waiting| waiting["hash"] == hash), "{pending}");
    world.start(&[1, 2, 3]);
    let mut status = Value::Null;
    while status["status"] != "final" {
        let head = world.head(0).await;
        world.reaches(0, head + 1).await;
        status = world.node(0).ok("chain_getTransaction", json!([hash])).await.unwrap();
    }
    assert_eq!(status["result"]["ok"], json!(true), "{status}");
}

#[tokio::test]
async fn who_joins_a_network_that_stands_still_hears_of_what_waits() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    world.kill(&[2, 3]);
    let hash = transfer(&mut world, 0).await;
    let late = world.join(Part::Full);
    let waits = |pending: &Value| pending.as_array().unwrap().iter().any(|waiting| waiting["hash"] == hash);
    while !waits(&world.node(late).ok("author_pendingTransactions", json!([])).await.unwrap()) {
        world.node(late).wait_for("status").unwrap();
    }
}

#[tokio::test]
async fn a_file_outlives_as_many_holders_as_the_ledger_says_it_does() {
    let validators = (0..4).map(Part::Validator);
    let parts: Vec<Part> = validators.chain((0..4).map(Part::Provider)).collect();
    let mut world = World::new(&parts);
    world.start(&[0, 1, 2, 3, 4, 5, 6, 7]);
    world.are_recorded(&[4, 5, 6, 7]);
    let data = bytes(9, 3_000_000);
    let receipt = world.submit_over_http(1, &data).await;
    let file = receipt["fileId"].as_str().unwrap().to_owned();
    let located = world.node(1).ok("storage_locate", json!([file])).await.unwrap();
    let survivable = located["survivableProviders"].as_u64().unwrap();
    assert_eq!(survivable, 2, "{located}");
    // The holders of the first pieces, whose bytes are those of the file itself.
    let pieces = located["segments"][0]["pieces"].as_array().unwrap();
    let mut gone = Vec::new();
    for holder in 4..8 {
        let id = world.peer_id(holder).await;
        if pieces[..2].iter().any(|piece| piece["peerId"] == json!(id)) {
            gone.push(holder);
        }
    }
    world.kill(&gone);
    let height = receipt["height"].as_u64().unwrap();
    let left: Vec<usize> = (0..8).filter(|index| !gone.contains(index)).collect();
    for at in left {
        world.reaches(at, height).await;
        let read = world.download_at_once(&[at], &file).await;
        assert!(read[0] == data, "node {at}");
    }
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
