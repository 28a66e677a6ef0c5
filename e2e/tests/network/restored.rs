//! Validators whose disks are lost, and whose keys are put on others.

use std::fs;

use chain_spec::dev_keys;
use e2e::cluster::Part;
use serde_json::json;

use crate::world::World;

/// What a node says of another that it saw contradict itself.
const CONTRADICTED: &str = "validators contradicted themselves";

impl World {
    /// Takes a node that does not run everything but its keys; what it said goes too.
    fn loses(&mut self, index: usize) {
        let base = &self.cluster.members()[index].base;
        fs::remove_dir_all(base).unwrap();
        fs::create_dir(base).unwrap();
    }
}

#[tokio::test]
async fn a_validator_restored_by_its_key_alone_does_not_vote_where_it_may_have_voted_before() {
    let validators: Vec<Part> = (0..4).map(Part::Validator).collect();
    let mut world = World::new(&validators);
    world.start(&[0, 1, 2, 3]);
    world.reaches(3, 4).await;
    world.kill(&[3]);
    world.loses(3);
    let mut live = 0;
    for index in 0..3 {
        live = live.max(world.head(index).await + 1);
    }
    world.start(&[3]);
    let said = world.node(3).has_said("this validator does not vote before height").unwrap();
    let from = said.split("before height ").nth(1).and_then(|rest| rest.split(':').next()).unwrap();
    let from: u64 = from.parse().unwrap();
    assert!(from > live, "{said}: {live} was being decided when it started");
    world.node(3).has_said(&format!("consensus ready height={from}")).unwrap();
    // Without its vote there would be no more blocks.
    world.stop(2);
    let without = world.head(0).await.max(from);
    for index in [0, 1, 3] {
        world.reaches(index, without + 3).await;
    }
    world.agree(&[0, 1, 3]).await;
    let restored = dev_keys::account(dev_keys::NAMES[3]).unwrap().account().to_string();
    for height in live..from {
        let certificate = world.node(0).ok("chain_getCertificate", json!([height])).await.unwrap();
        assert!(!certificate.to_string().contains(&restored), "height {height}: {certificate}");
    }
    for index in 0..4 {
        let log = world.log(index);
        assert!(log.contains("height decided"), "node {index} says what it does");
        assert!(!log.contains(CONTRADICTED), "node {index}");
    }
}
