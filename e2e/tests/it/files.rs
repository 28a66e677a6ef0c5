//! A file is submitted, located, and given back.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::{Network, bytes};
use parity_scale_codec::DecodeAll;
use runtime::crypto::{PublicKey, Signature};
use runtime::types::StorageCommitment;
use serde_json::{Value, json};

use crate::{retrieve, submit};

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

#[tokio::test]
async fn a_submitted_file_is_recorded_located_and_given_back() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(1, 300_000);
    let receipt = submit(&node, &data).await;
    assert_eq!(receipt["contentHash"], format!("0x{}", blake3::hash(&data).to_hex()));
    assert_eq!(receipt["size"], 300_000);

    let located = node.ok("storage_locate", json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(located["code"]["k"], 2);
    assert_eq!(located["survivableProviders"], 2);
    let pieces = located["segments"][0]["pieces"].as_array().unwrap();
    assert_eq!(pieces.len(), 4);
    let providers: BTreeSet<_> = pieces.iter().map(|piece| piece["provider"].as_str().unwrap()).collect();
    let peers: BTreeSet<_> = pieces.iter().map(|piece| piece["peerId"].as_str().unwrap()).collect();
    assert_eq!((providers.len(), peers.len()), (4, 4), "four different providers and peers");
    for piece in pieces {
        assert_eq!(piece["status"], "live");
        assert!(piece["addresses"][0].as_str().unwrap().starts_with("/ip4/127.0.0.1/tcp/"));
        let commitment = &piece["commitment"];
        let message = StorageCommitment::decode_all(&mut unhex(&commitment["message"]).as_slice()).unwrap();
        let key = PublicKey::from_bytes(unhex(&commitment["serviceKey"]).try_into().unwrap());
        let signature = Signature::from_bytes(unhex(&commitment["signature"]).try_into().unwrap());
        message.verify(&key, &signature).expect("the provider signed this piece");
        assert_eq!(piece["hash"], format!("0x{}", message.piece_hash));
        assert_eq!(piece["size"], message.piece_bytes);
        assert_eq!(commitment["txHash"], receipt["txHash"]);
    }

    let block = node.ok("chain_getBlock", json!([receipt["height"]])).await.unwrap();
    assert_eq!(block["header"]["hash"], receipt["blockHash"]);
    let call = &block["transactions"][0]["call"];
    assert_eq!((&call["module"], &call["name"]), (&json!("storage"), &json!("store")));
    assert_eq!(retrieve(&node, &receipt["fileId"]).await, data);
}

#[tokio::test]
async fn every_range_is_the_same_part_of_the_file() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(2, 700_001);
    let file = submit(&node, &data).await["fileId"].clone();
    for (offset, length) in [(0, 1), (0, 700_001), (131_071, 2), (65_536, 65_536), (700_000, 1), (699_000, 1_001)] {
        let range = json!({ "offset": offset, "length": length });
        let answer = node.ok("storage_retrieve", json!([file, range])).await.unwrap();
        let part = BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
        assert!(part == data[offset..offset + length], "{offset}+{length}");
        assert_eq!((&answer["offset"], &answer["size"]), (&json!(offset), &json!(700_001)));
    }
    let beyond = node.err("storage_retrieve", json!([file, { "offset": 700_000, "length": 2 }])).await.unwrap();
    assert_eq!(beyond["code"], -32602);
}

#[tokio::test]
async fn empty_and_one_byte_files_are_files() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    for data in [&b""[..], b"x"] {
        let receipt = submit(&node, data).await;
        assert_eq!(receipt["contentHash"], format!("0x{}", blake3::hash(data).to_hex()));
        assert_eq!(retrieve(&node, &receipt["fileId"]).await, data);
    }
}

#[tokio::test]
async fn the_same_bytes_again_are_the_same_file_and_paid_once() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(3, 10_000);
    let first = submit(&node, &data).await;
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let before = node.ok("account_get", json!([alice])).await.unwrap();
    let second = submit(&node, &data).await;
    assert_eq!(first, second);
    assert_eq!(node.ok("account_get", json!([alice])).await.unwrap(), before);
}

#[tokio::test]
async fn many_submits_at_once_are_all_recorded() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let submits = (0..12).map(|seed| {
        let (node, data) = (&node, bytes(100 + seed, 5_000));
        async move { (submit(node, &data).await["fileId"].clone(), data) }
    });
    for (file, data) in futures::future::join_all(submits).await {
        assert_eq!(retrieve(&node, &file).await, data);
    }
}
