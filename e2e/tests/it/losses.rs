//! Providers lose their folders: two of four may, three may not, and submitting again mends it.

use e2e::{Network, bytes};
use serde_json::json;

use crate::{retrieve, submit};

#[tokio::test]
async fn any_two_providers_may_lose_their_folders() {
    for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let network = Network::dev().unwrap();
        let data = bytes(20, 400_000);
        let node = network.start().unwrap();
        let file = submit(&node, &data).await["fileId"].clone();
        node.terminate().unwrap();
        let folders = network.provider_folders().unwrap();
        for lost in [first, second] {
            std::fs::remove_dir_all(&folders[lost]).unwrap();
        }
        let node = network.start().unwrap();
        assert!(retrieve(&node, &file).await == data, "without {first} and {second}");
    }
}

#[tokio::test]
async fn three_lost_folders_are_an_error_that_names_the_segment_and_submitting_again_mends_it() {
    let network = Network::dev().unwrap();
    let data = bytes(21, 400_000);
    let node = network.start().unwrap();
    let file = submit(&node, &data).await["fileId"].clone();
    node.kill().unwrap();
    for folder in &network.provider_folders().unwrap()[1..] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let node = network.start().unwrap();
    let error = node.err("storage_retrieve", json!([file])).await.unwrap();
    assert_eq!(error["code"], 1002);
    assert_eq!(error["data"], json!({ "segment": 0, "live": 1, "needed": 2 }));

    assert_eq!(submit(&node, &data).await["fileId"], file);
    node.kill().unwrap();
    // Whole again: the provider that had kept its piece may go now, and one of the others.
    for folder in &network.provider_folders().unwrap()[..2] {
        std::fs::remove_dir_all(folder).unwrap();
    }
    let node = network.start().unwrap();
    assert!(retrieve(&node, &file).await == data);
}
