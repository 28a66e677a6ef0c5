//! What a node answers with a proof can be checked without it, and cannot be changed unnoticed.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::{Network, Node, bytes, node_binary};
use parity_scale_codec::{DecodeAll, Encode};
use rand_core::OsRng;
use runtime::crypto::KeyPair;
use runtime::types::{Call, SignedTransaction, StorageCall, Transaction};
use serde_json::{Value, json};

use crate::submit;

/// An answer of a dev chain of long ago, and the hash of that chain's block 0.
const GOLDEN: &str = include_str!("../golden/located.json");
const GOLDEN_GENESIS: &str = include_str!("../golden/genesis.txt");

/// What `node verify-proof - ...` says of a JSON text: whether it ended with 0, and the line it printed.
fn verify(json: &str, trust: [&str; 2]) -> (bool, String) {
    let mut child = Command::new(node_binary())
        .args(["verify-proof", "-"])
        .args(trust)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(json.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    assert!([0, 1].contains(&code), "it ended with {code}");
    (code == 0, String::from_utf8(output.stdout).unwrap())
}

/// Every value inside that is neither an object nor a list, by its JSON pointer.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &format!("{path}/{at}"), found))
        }
        _ => found.push(path.to_owned()),
    }
}

/// Something else of the same kind.
fn another(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_u64().unwrap() + 1),
        Value::String(text) if text == "live" => json!("lost"),
        // The last digit but one: the last of an address is part of its checksum alone, and any change is refused alike.
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let at = chars.len() - 2;
            chars[at] = if chars[at] == '1' { '2' } else { '1' };
            json!(chars.into_iter().collect::<String>())
        }
        Value::Null => json!("0x01"),
        other => panic!("{other} is shown nowhere"),
    }
}

async fn genesis(node: &Node) -> String {
    node.ok("chain_getBlockHash", json!([0])).await.unwrap().as_str().unwrap().to_owned()
}

async fn located(node: &Node, file: &Value, options: Value) -> Value {
    node.ok("storage_locate", json!([file, options])).await.unwrap()
}

/// Checks that each value shown, one at a time, changed or left out, makes the answer invalid.
fn no_shown_value_can_change(shown: &Value, trust: [&str; 2]) {
    let mut paths = Vec::new();
    leaves(shown, "", &mut paths);
    for path in paths {
        let mut changed = shown.clone();
        let value = changed.pointer_mut(&path).unwrap();
        *value = another(value);
        let (valid, said) = verify(&changed.to_string(), trust);
        assert!(!valid && said.starts_with("invalid: ") && said.lines().count() == 1, "{path}: {said}");
    }
}

#[tokio::test]
async fn what_locate_shows_is_proven_and_nothing_of_it_can_change() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let receipt = submit(&node, &bytes(40, 200_000)).await;
    let (genesis, file) = (genesis(&node).await, &receipt["fileId"]);
    let trust = ["--genesis", genesis.as_str()];
    let shown = located(&node, file, json!({ "proof": true })).await;
    assert!(!shown["segments"][0]["pieces"][0]["commitment"].is_null());
    // All of what is shown without a proof is shown with one.
    let mut plain = located(&node, file, json!({})).await;
    plain["proof"] = shown["proof"].clone();
    plain["height"] = shown["height"].clone();
    assert_eq!(plain, shown);

    let header = node.ok("chain_getHeader", json!([shown["height"]])).await.unwrap();
    let (valid, said) = verify(&shown.to_string(), trust);
    assert!(valid, "{said}");
    let time = said.strip_prefix(&format!("valid at height {}, time ", shown["height"])).unwrap().trim_end();
    assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
    let ms = header["timestampMs"].as_u64().unwrap();
    assert!(time.ends_with(&format!("{:02}.{:03}Z", ms / 1_000 % 60, ms % 1_000)), "{time} is not {ms}");
    let response = json!({ "jsonrpc": "2.0", "id": 7, "result": shown });
    assert_eq!(verify(&response.to_string(), trust), (true, said.clone()), "the whole response");
    let path = network.base().join("located.json");
    std::fs::write(&path, shown.to_string()).unwrap();
    let of_file = Command::new(node_binary()).arg("verify-proof").arg(&path).args(trust).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&of_file.stdout), said);

    let block = format!("{}:{}", header["height"], header["hash"].as_str().unwrap());
    assert!(verify(&shown.to_string(), ["--trusted", &block]).0, "the block itself is trusted");
    no_shown_value_can_change(&shown, trust);
}

#[tokio::test]
async fn parts_cannot_be_left_out_exchanged_or_added() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = submit(&node, &bytes(41, 100_000)).await["fileId"].clone();
    let other = submit(&node, &bytes(42, 100_000)).await["fileId"].clone();
    let genesis = genesis(&node).await;
    let trust = ["--genesis", genesis.as_str()];
    let shown = located(&node, &file, json!({ "proof": true })).await;
    let other = located(&node, &other, json!({ "proof": true })).await;
    assert!(verify(&shown.to_string(), trust).0 && verify(&other.to_string(), trust).0);

    let invalid = |change: &dyn Fn(&mut Value), named: &str| {
        let mut changed = shown.clone();
        change(&mut changed);
        let (valid, said) = verify(&changed.to_string(), trust);
        assert!(!valid && said.starts_with("invalid: ") && said.contains(named), "{named}: {said}");
    };
    invalid(&|shown| shown["proof"] = other["proof"].clone(), "does not store file");
    invalid(&|shown| shown["segments"] = other["segments"].clone(), "segments[0]");
    invalid(&|shown| shown["segments"][0]["pieces"].as_array_mut().unwrap().swap(0, 1), "segments[0].pieces[0]");
    invalid(&|shown| shown["segments"][0]["pieces"].as_array_mut().unwrap().truncate(3), "segments[0].pieces");
    invalid(&|shown| shown["segments"][0]["pieces"][0]["addresses"] = json!([]), "addresses");
    invalid(&|shown| shown["segments"][0]["pieces"][0]["commitment"] = Value::Null, "commitment is null");
    invalid(&|shown| shown["segments"] = json!([]), "segments");
    invalid(&|shown| shown["nextSegment"] = json!(1), "nextSegment");
    invalid(&|shown| shown["segments"][0]["pieces"][0]["note"] = json!("trust me"), "note");
    invalid(&|shown| shown["proof"]["transaction"] = other["proof"]["transaction"].clone(), "transaction");
    invalid(&|shown| drop(shown["proof"]["entries"].as_array_mut().unwrap().pop()), "says nothing of key");
    invalid(&|shown| drop(shown.as_object_mut().unwrap().remove("proof")), "no proof");
    invalid(&|shown| drop(shown.as_object_mut().unwrap().remove("size")), "size is missing");
    let twice = shown.to_string().replacen("\"size\":", "\"size\":1,\"size\":", 1);
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{}}"#;
    for (text, named) in [("", "not JSON"), ("[]", "no proof"), (error, "error"), (twice.as_str(), "twice")] {
        let (valid, said) = verify(text, trust);
        assert!(!valid && said.starts_with("invalid: ") && said.contains(named), "{text}: {said}");
    }
}

#[tokio::test]
async fn a_commitment_that_no_service_key_signed_is_refused() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = submit(&node, &bytes(43, 1_000)).await["fileId"].clone();
    let genesis = genesis(&node).await;
    let mut shown = located(&node, &file, json!({ "proof": true })).await;
    // The owner itself signs another Store of the same deal, with a promise that the provider never made.
    let encoded = hex::decode(&shown["proof"]["transaction"].as_str().unwrap()[2..]).unwrap();
    let mut signed = SignedTransaction::decode_all(&mut encoded.as_slice()).unwrap();
    let Transaction::Signed { call: Call::Storage(StorageCall::Store(store)), .. } = &mut signed.transaction else {
        panic!("a Store records a file")
    };
    let holders = &mut store.holders[0];
    (holders[0].signature, holders[1].signature) = (holders[1].signature, holders[0].signature);
    let signatures: Vec<_> = holders.iter().map(|holder| json!(holder.signature)).collect();
    let alice = KeyPair::from_secret_text("//Alice").unwrap();
    let signed = signed.transaction.sign(&genesis.parse().unwrap(), &alice, OsRng);
    shown["proof"]["transaction"] = json!(format!("0x{}", hex::encode(signed.encode())));
    let pieces = shown["segments"][0]["pieces"].as_array_mut().unwrap();
    for (piece, signature) in pieces.iter_mut().zip(signatures) {
        piece["commitment"]["txHash"] = json!(signed.hash());
        piece["commitment"]["signature"] = signature;
    }
    let (valid, said) = verify(&shown.to_string(), ["--genesis", &genesis]);
    assert!(!valid && said.starts_with("invalid: segments[0].pieces[0].commitment: "), "{said}");
}

#[tokio::test]
async fn a_state_proof_shows_values_and_absence_at_any_height() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let receipt = submit(&node, b"something").await;
    let genesis = genesis(&node).await;
    let trust = ["--genesis", genesis.as_str()];
    let key = format!("0x06{}", receipt["fileId"].as_str().unwrap().strip_prefix("0x").unwrap());
    let height = receipt["height"].as_u64().unwrap();
    let (there, not_yet) = ([json!(key), json!(height)], [json!(key), json!(height - 1)]);
    let there = node.ok("state_getProof", json!(there)).await.unwrap();
    assert_eq!(there["value"], node.ok("state_get", json!([key])).await.unwrap());
    let not_yet = node.ok("state_getProof", json!(not_yet)).await.unwrap();
    assert!(there["value"].is_string() && not_yet["value"].is_null());
    for (shown, height) in [(&there, height), (&not_yet, height - 1)] {
        let (valid, said) = verify(&shown.to_string(), trust);
        assert!(valid && said.starts_with(&format!("valid at height {height}, time ")), "{said}");
        no_shown_value_can_change(shown, trust);
    }
    // No value of one height is one of another.
    let mut mixed = not_yet.clone();
    mixed["value"] = there["value"].clone();
    assert!(verify(&mixed.to_string(), trust).1.contains("value is "));
    let of_genesis = node.ok("state_getProof", json!({ "key": "0x01", "height": 0 })).await.unwrap();
    let (valid, said) = verify(&of_genesis.to_string(), trust);
    assert!(valid && said == "valid at height 0, time 2026-01-01T00:00:00.000Z\n", "{said}");
}

#[tokio::test]
async fn trust_is_in_one_hash_and_in_that_alone() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let receipt = submit(&node, b"trusted").await;
    let (genesis, file) = (genesis(&node).await, &receipt["fileId"]);
    let early = located(&node, file, json!({ "proof": true })).await.to_string();
    submit(&node, b"one more block").await;
    let (height, hash) = (receipt["height"].as_u64().unwrap(), receipt["blockHash"].as_str().unwrap());
    let shown = located(&node, file, json!({ "proof": true, "trusted": height })).await.to_string();
    let trusted = format!("{height}:{hash}");
    assert!(verify(&shown, ["--trusted", &trusted]).0);
    assert!(verify(&shown, ["--genesis", &genesis]).0, "block 0 is part of every proof");
    assert!(verify(&early, ["--trusted", &format!("0:{genesis}")]).0);

    let zero = format!("0x{}", "00".repeat(32));
    let refusals = [
        (["--genesis", hash], "of the chain of genesis"),
        (["--genesis", &zero], "of the chain of genesis"),
        (["--trusted", &format!("{height}:{genesis}")], "not 0x"),
        (["--trusted", &format!("{}:{hash}", height + 100)], "\"trusted\": "),
    ];
    for (trust, named) in refusals {
        let (valid, said) = verify(&shown, trust);
        assert!(!valid && said.starts_with("invalid: ") && said.contains(named), "{trust:?}: {said}");
    }
    for wrong in
        [&["--genesis", "0x12"][..], &["--trusted", hash], &["--genesis", &genesis, "--trusted", &trusted], &[]]
    {
        let output = Command::new(node_binary()).args(["verify-proof", "-"]).args(wrong).stdin(Stdio::null()).output();
        assert_eq!(output.unwrap().status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn proofs_that_cannot_be_get_their_code() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = submit(&node, b"file").await["fileId"].clone();
    let long = format!("0x{}", "00".repeat(1_025));
    let cases = [
        ("state_getProof", json!(["0x01", 1_000_000]), 1001, "1000000"),
        ("state_getProof", json!([long]), -32602, "key"),
        ("state_getProof", json!(["0x"]), -32602, "key"),
        ("state_getProof", json!(["0x01", 0, 1]), -32602, "trusted"),
        ("state_getProof", json!([]), -32602, "key"),
        ("storage_locate", json!([file, { "proof": true, "trusted": 1_000_000 }]), -32602, "trusted"),
        ("storage_locate", json!([file, { "trusted": 1 }]), -32602, "trusted"),
        ("storage_locate", json!([file, { "proof": true, "fromSegment": 1 }]), -32602, "fromSegment"),
    ];
    for (method, params, code, named) in cases {
        let error = node.err(method, params.clone()).await.unwrap();
        assert_eq!(error["code"], code, "{method} {params}: {error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{method} {params}: {error}");
    }
}

#[tokio::test]
async fn an_empty_file_is_proven_too() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let file = node.ok("storage_submit", json!([BASE64_STANDARD.encode(b"")])).await.unwrap()["fileId"].clone();
    let shown = located(&node, &file, json!({ "proof": true })).await;
    let genesis = genesis(&node).await;
    assert!(verify(&shown.to_string(), ["--genesis", &genesis]).0);
    no_shown_value_can_change(&shown, ["--genesis", &genesis]);
}

#[test]
fn a_proof_of_long_ago_is_still_valid() {
    let (valid, said) = verify(GOLDEN, ["--genesis", GOLDEN_GENESIS.trim()]);
    assert!(valid, "{said}");
    let height = serde_json::from_str::<Value>(GOLDEN).unwrap()["height"].clone();
    assert!(said.starts_with(&format!("valid at height {height}, time ")), "{said}");
}
