//! One ledger and all files, whichever node is asked.

use chain_spec::dev_keys;
use e2e::bytes;
use e2e::cluster::Part;
use serde_json::{Value, json};

use crate::world::{FOUR, World};

#[tokio::test]
async fn four_validators_agree_and_any_node_serves_the_file() {
    let validators = (0..4).map(Part::Validator);
    let parts: Vec<Part> = validators.chain((0..4).map(Part::Provider)).collect();
    let mut world = World::new(&parts);
    world.start(&[0, 1, 2, 3, 4, 5, 6, 7]);
    world.are_recorded(&[4, 5, 6, 7]);
    let full = world.join(Part::Full);
    let everybody = [0, 1, 2, 3, 4, 5, 6, 7, full];
    // In at a validator, at a provider, and at one that only follows: their transactions reach all proposers.
    for (seed, from) in [(1, 1), (2, 6), (3, full)] {
        let data = bytes(seed, 300_000);
        let receipt = world.submit(from, &data).await;
        let height = receipt["height"].as_u64().unwrap();
        for at in everybody {
            world.reaches(at, height).await;
            let located = world.node(at).ok("storage_locate", json!([receipt["fileId"]])).await.unwrap();
            assert_eq!(located["segments"][0]["pieces"].as_array().unwrap().len(), 4);
            assert!(world.retrieve(at, &receipt["fileId"]).await == data, "node {at}");
        }
    }
    assert!(world.agree(&everybody).await >= 3);
    let validators = world.node(full).ok("validator_list", json!([])).await.unwrap();
    assert_eq!(validators.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_provider_that_the_genesis_does_not_know_registers_itself_and_gets_pieces() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    let late = world.add(Part::Provider(4));
    // A provider is drawn by what it offers: as much as the four others together, whatever this machine's disk has.
    let offered = 4_u64 << 40;
    world.start_with(late, &["--storage-quota", &offered.to_string()]);
    world.are_recorded(&[late]);
    let account = dev_keys::provider_account(4).unwrap().account().to_string();
    // Another node may be a block behind the one that says so.
    let head = world.head(late).await;
    world.reaches(0, head).await;
    let registered = world.node(0).ok("provider_get", json!([account])).await.unwrap();
    let status = world.provider_status(late);
    assert_eq!((&status["account"], &status["isThisNode"]), (&json!(account), &json!(true)), "{status}");
    assert_eq!(status["addresses"], status["listens"], "{status}");
    let epoch = world.epoch(0).await;
    while world.epoch(0).await == epoch {
        let head = world.head(0).await;
        world.reaches(0, head + 1).await;
    }
    assert_eq!(registered["capacityBytes"], json!(offered), "{registered}");
    let mut holders = Vec::new();
    // Each of them passes it by once in seventy times.
    for seed in 0..20 {
        let data = bytes(seed, 50_000);
        let receipt = world.submit(1, &data).await;
        let located = world.node(1).ok("storage_locate", json!([receipt["fileId"]])).await.unwrap();
        let pieces = located["segments"][0]["pieces"].as_array().unwrap().clone();
        holders.extend(pieces.iter().map(|piece| piece["peerId"].clone()));
        world.reaches(2, receipt["height"].as_u64().unwrap()).await;
        assert!(world.retrieve(2, &receipt["fileId"]).await == data);
        if holders.contains(&registered["peerId"]) {
            return;
        }
    }
    panic!("no piece of 20 files: {holders:?}");
}

#[tokio::test]
async fn a_provider_that_moves_is_recorded_and_read_at_its_new_address() {
    let mut world = World::new(&FOUR);
    world.start(&[0, 1, 2, 3]);
    world.are_recorded(&[0, 1, 2, 3]);
    let data = bytes(4, 300_000);
    let receipt = world.submit(0, &data).await;
    let account = dev_keys::provider_account(3).unwrap().account().to_string();
    let before = world.node(0).ok("provider_get", json!([account])).await.unwrap();
    world.stop(3);
    let port = world.cluster.move_storage(3).unwrap().to_string();
    world.start(&[3]);
    let is_moved = |provider: &Value| {
        let addresses = provider["addresses"].as_array().unwrap();
        !addresses.is_empty() && addresses.iter().all(|one| one.as_str().unwrap().split('/').any(|part| part == port))
    };
    assert!(!is_moved(&before), "{before}");
    world.node(3).has_said("the ledger has this provider and its addresses").unwrap();
    let head = world.head(3).await;
    world.reaches(0, head).await;
    let now = world.node(0).ok("provider_get", json!([account])).await.unwrap();
    assert!(is_moved(&now), "{now} instead of port {port}");
    assert_eq!(now["peerId"], before["peerId"]);
    // Two pieces are enough, and one of them is there.
    world.kill(&[1, 2]);
    assert!(world.retrieve(0, &receipt["fileId"]).await == data);
}
