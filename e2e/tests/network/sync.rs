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
