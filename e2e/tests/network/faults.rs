//! Validators that stop, and come back.

use e2e::bytes;
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
    world.kill(&[0]);
    world.start(&[0]);
    let pending = world.node(0).ok("author_pendingTransactions", json!([])).await.unwrap();
    assert!(pending.as_array().unwrap().iter().any(|waiting| waiting["hash"] == hash), "{pending}");
    world.start(&[2, 3]);
    let mut status = Value::Null;
    while status["status"] != "final" {
        let head = world.head(0).await;
        world.reaches(0, head + 1).await;
        status = world.node(0).ok("chain_getTransaction", json!([hash])).await.unwrap();
    }
    assert_eq!(status["result"]["ok"], json!(true), "{status}");
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
