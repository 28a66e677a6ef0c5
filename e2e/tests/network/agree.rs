//! One ledger and all files, whichever node is asked.

use e2e::bytes;
use e2e::cluster::Part;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn four_validators_agree_and_any_node_serves_the_file() {
    let validators = (0..4).map(Part::Validator);
    let parts: Vec<Part> = validators.chain((0..4).map(Part::Provider)).collect();
    let mut world = World::new(&parts);
    world.start(&[0, 1, 2, 3, 4, 5, 6, 7]);
    world.are_recorded(&[4, 5, 6, 7]);
    let full = world.join();
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
