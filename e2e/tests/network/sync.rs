//! Nodes that are behind, and what they say of it.

use e2e::cluster::Part;
use serde_json::json;

use crate::world::{ALL, FOUR, World};

#[tokio::test]
async fn a_fresh_full_node_syncs_from_genesis_while_the_chain_grows() {
    let mut world = World::new(&FOUR);
    let full = world.start(&ALL).reaches(0, 12).await.join(Part::Full);
    let target = world.head(0).await;
    world.reaches(full, target + 3).await.agree(&[0, full]).await;
    let state = world.sync_state(full).await;
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
    let full = world.start(&ALL).reaches(0, LONG).await.join(Part::Full);
    // What it says while it is behind is true.
    let target = world.head(0).await;
    let mut kept = 0;
    for part in 1..=3 {
        let state = world.reaches(full, LONG * part / 4).await.sync_state(full).await;
        let current = state["currentBlock"].as_u64().unwrap();
        assert!(current >= kept && state["highestBlock"].as_u64().unwrap() >= current, "{state}");
        kept = current;
        let state = world.kill(&[full]).start(&[full]).sync_state(full).await;
        assert!(state["startingBlock"].as_u64().unwrap() >= kept, "{kept} blocks were there: {state}");
    }
    world.reaches(full, target).await.agree_at(&[0, full], target).await;
}

#[tokio::test]
async fn a_validator_that_was_away_catches_up_and_votes_again() {
    let mut world = World::new(&FOUR);
    world.start(&ALL).reaches(3, 2).await.kill(&[3]).grows(0, 10).await;
    world.start(&[3]).catches_up(3, 0).await;
    // Without its vote there would be no more blocks.
    world.stop(2).grows(0, 3).await.agree(&[0, 1, 3]).await;
}

#[tokio::test]
async fn a_node_that_does_not_know_the_head_says_so_instead_of_something_wrong() {
    let mut world = World::new(&FOUR);
    // It hears of nobody.
    let full = world.start(&ALL).reaches(0, 4).await.kill(&ALL).join(Part::Full);
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
    world.start(&ALL).reaches(full, 4).await.catches_up(full, 0).await;
    let error = world.node(full).err("storage_locate", json!([file])).await.unwrap();
    assert_eq!(error["code"], json!(1001), "{error}");
}
