//! Nodes that are behind, and what they say of it.

use e2e::cluster::Part;
use serde_json::json;

use crate::world::{FOUR, World};

#[tokio::test]
async fn a_fresh_full_node_syncs_from_genesis_while_the_chain_grows() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.reaches(0, 12).await;
    let full = world.join(Part::Full);
    let target = world.head(0).await;
    world.reaches(full, target + 3).await;
    world.agree(&[0, full]).await;
    let state = world.node(full).ok("system_syncState", json!([])).await.unwrap();
    assert_eq!(state["startingBlock"], json!(0), "{state}");
    assert!(state["currentBlock"].as_u64().unwrap() > target, "{state}");
    assert!(state["highestBlock"].as_u64() >= state["currentBlock"].as_u64(), "{state}");
    let health = world.node(full).ok("system_health", json!([])).await.unwrap();
    assert_eq!(health["isSyncing"], json!(false), "{health}");
}

/// Blocks of a chain that takes a fresh node a while.
const LONG: u64 = 250;

#[tokio::test]
async fn a_node_that_is_killed_while_it_catches_up_goes_on_where_it_was() {
    let mut world = World::with(&FOUR, |spec| {
        // Empty blocks as fast as they come.
        let time = &mut spec["genesis"]["parameters"]["time"];
        (time["targetMs"], time["idleMs"]) = (json!(0), json!(1));
    });
    world.start(&[0, 1, 2, 3]);
    world.reaches(0, LONG).await;
    let full = world.join(Part::Full);
    // What it says while it is behind is true.
    let target = world.head(0).await;
    let mut kept = 0;
    for part in 1..=3 {
        world.reaches(full, LONG * part / 4).await;
        let state = world.node(full).ok("system_syncState", json!([])).await.unwrap();
        let current = state["currentBlock"].as_u64().unwrap();
        assert!(current >= kept && state["highestBlock"].as_u64().unwrap() >= current, "{state}");
        kept = current;
        world.kill(&[full]);
        world.start(&[full]);
        let state = world.node(full).ok("system_syncState", json!([])).await.unwrap();
        assert!(state["startingBlock"].as_u64().unwrap() >= kept, "{kept} blocks were there: {state}");
    }
    world.reaches(full, target).await;
    world.agree_at(&[0, full], target).await;
}

#[tokio::test]
async fn a_validator_that_was_away_catches_up_and_votes_again() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.reaches(3, 2).await;
    world.kill(&[3]);
    let head = world.head(0).await;
    world.reaches(0, head + 10).await;
    world.start(&[3]);
    let target = world.head(0).await;
    world.reaches(3, target).await;
    // Without its vote there would be no more blocks.
    world.stop(2);
    let without = world.head(0).await;
    world.reaches(0, without + 3).await;
    world.agree(&[0, 1, 3]).await;
}

#[tokio::test]
async fn a_node_that_does_not_know_the_head_says_so_instead_of_something_wrong() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.reaches(0, 4).await;
    world.kill(&[0, 1, 2, 3]);
    // It hears of nobody.
    let full = world.join(Part::Full);
    let health = world.node(full).ok("system_health", json!([])).await.unwrap();
    assert_eq!(health["isSyncing"], json!(true), "{health}");
    let file = format!("0x{}", "17".repeat(32));
    for (method, params) in [
        ("storage_locate", json!([file])),
        ("storage_submit", json!(["aGVsbG8="])),
        ("storage_retrieve", json!([file])),
        ("storage_quote", json!({ "size": 1 })),
    ] {
        let error = world.node(full).err(method, params).await.unwrap();
        assert_eq!(error["code"], json!(1007), "{method}: {error}");
        assert_eq!(error["message"], json!("the node is syncing"), "{method}: {error}");
    }
    // What is here it shows.
    assert_eq!(world.head(full).await, 0);
    world.start(&[0, 1, 2, 3]);
    world.reaches(full, 4).await;
    let head = world.head(0).await;
    world.reaches(full, head).await;
    let error = world.node(full).err("storage_locate", json!([file])).await.unwrap();
    assert_eq!(error["code"], json!(1001), "{error}");
}
