//! Many at once, by one account: nothing is left out, nothing stalls, nothing is paid twice.

use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::{Network, Node, bytes, node_binary};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{retrieve, submit};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

/// Nonce and free balance.
async fn account(node: &Node) -> (u64, u128) {
    let account = node.ok("account_get", json!([ALICE])).await.unwrap();
    (account["nonce"].as_u64().unwrap(), account["free"].as_str().unwrap().parse().unwrap())
}

#[tokio::test]
async fn fifty_submits_at_once_by_one_account_leave_neither_a_gap_nor_a_stall() {
    const SUBMITS: u64 = 50;
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let (nonce, _) = account(&node).await;
    let files: Vec<Vec<u8>> = (0..SUBMITS).map(|seed| bytes(seed, 20_000)).collect();
    let receipts = join_all(files.iter().map(|file| submit(&node, file))).await;
    assert_eq!(account(&node).await.0, nonce + SUBMITS, "each is one transaction, and none is missing");
    assert_eq!(node.ok("author_pendingTransactions", json!([])).await.unwrap(), json!([]));
    let mut nonces = Vec::new();
    for (file, receipt) in files.iter().zip(&receipts) {
        let transaction = node.ok("chain_getTransaction", json!([receipt["txHash"]])).await.unwrap();
        assert_eq!((&transaction["status"], &transaction["height"]), (&json!("final"), &receipt["height"]));
        let block = node.ok("chain_getBlock", json!([receipt["height"]])).await.unwrap();
        let landed = block["transactions"].as_array().unwrap().iter().find(|sent| sent["hash"] == receipt["txHash"]);
        nonces.push(landed.unwrap()["nonce"].as_u64().unwrap());
        assert!(retrieve(&node, &receipt["fileId"]).await == *file);
    }
    nonces.sort_unstable();
    assert_eq!(nonces, (nonce..nonce + SUBMITS).collect::<Vec<_>>());
    // The account goes on as if nothing had been.
    submit(&node, b"one more").await;
    assert_eq!(account(&node).await.0, nonce + SUBMITS + 1);
}

/// With the limits as they are: the memory of downloads is enough for 36 readers at once.
#[tokio::test]
async fn fifty_readers_at_once_all_get_the_file_within_the_memory_of_downloads() {
    const READERS: usize = 50;
    const MIB: u64 = 1024 * 1024;
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(50, 20_000_000);
    let put = node.http(Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
    let file = put.json::<Value>().await.unwrap()["fileId"].clone();
    let small = submit(&node, &data[..1024 * 1024]).await["fileId"].clone();
    let before = node.peak_memory_bytes().unwrap();
    let get = async || {
        let answer = node.http(Method::GET, &format!("/v1/files/{}", file.as_str().unwrap())).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        blake3::hash(&answer.bytes().await.unwrap())
    };
    let wanted = blake3::hash(&data);
    let hashes = join_all((0..READERS).map(|_| get())).await;
    assert!(hashes.iter().all(|hash| *hash == wanted));
    // An answer in one piece waits five seconds for its room, which a busy machine may need for the others.
    let answers = join_all((0..READERS).map(|_| node.call("storage_retrieve", json!([small])))).await;
    let (whole, refused): (Vec<_>, Vec<_>) = answers.into_iter().map(Result::unwrap).partition(Result::is_ok);
    let encoded = json!(BASE64_STANDARD.encode(&data[..1024 * 1024]));
    assert!(!whole.is_empty() && whole.iter().all(|answer| answer.as_ref().unwrap()["data"] == encoded));
    assert!(refused.iter().all(|answer| answer.as_ref().unwrap_err()["data"]["reason"] == "overloaded"));
    // 64 MiB for reading, 128 MiB of bodies in all; the rest is sockets and what the allocator keeps.
    let more = node.peak_memory_bytes().unwrap() - before;
    assert!(more < 300 * MIB, "reading took {} MiB", more / MIB);
}

#[tokio::test]
async fn fifty_commands_at_once_all_get_the_file() {
    const COMMANDS: usize = 50;
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = bytes(51, 20_000_000);
    let put = node.http(Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
    let file = put.json::<Value>().await.unwrap()["fileId"].as_str().unwrap().to_owned();
    let (file, url) = (file.as_str(), node.url());
    let get = async |number: usize| {
        let output = network.base().join(number.to_string());
        let mut command = Command::new(node_binary());
        command.args(["file", "get", file, "--rpc", url, "-o"]).arg(&output).stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        std::fs::read(&output).unwrap() == data
    };
    assert!(join_all((0..COMMANDS).map(get)).await.into_iter().all(|is_same| is_same));
}

/// What one file of so many bytes costs its account.
async fn price_of_one(node: &Node, seed: u64, size: usize) -> u128 {
    let (_, before) = account(node).await;
    submit(node, &bytes(seed, size)).await;
    before - account(node).await.1
}

#[tokio::test]
async fn the_same_bytes_through_every_door_at_once_are_one_file_that_is_paid_once() {
    const SIZE: usize = 300_000;
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let price = price_of_one(&node, 1, SIZE).await;
    for (round, each) in [(2, 1_usize), (3, 4)] {
        let data = bytes(round, SIZE);
        let path = network.base().join("file");
        std::fs::write(&path, &data).unwrap();
        let (nonce, free) = account(&node).await;
        let put = async || -> Value {
            let answer = node.http(Method::PUT, "/v1/files").body(data.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 201);
            answer.json().await.unwrap()
        };
        let call = async || node.ok("storage_submit", json!([BASE64_STANDARD.encode(&data)])).await.unwrap();
        let (path, url) = (path.as_path(), node.url());
        let command = async || -> Value {
            let mut command = Command::new(node_binary());
            command.args(["file", "put"]).arg(path).args(["--rpc", url]).stdin(Stdio::null());
            let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let (puts, calls, commands) = tokio::join!(
            join_all((0..each).map(|_| put())),
            join_all((0..each).map(|_| call())),
            join_all((0..2).map(|_| command())),
        );
        let receipts: Vec<Value> = [puts, calls, commands].concat();
        assert_eq!(receipts.len(), 2 * each + 2);
        let file = &receipts[0]["fileId"];
        assert!(receipts.iter().all(|receipt| receipt["fileId"] == *file), "{receipts:?}");
        let (nonce_after, free_after) = account(&node).await;
        assert_eq!((nonce_after, free - free_after), (nonce + 1, price), "round {round}: one Store, one price");
        let info = node.ok("storage_file", json!([file])).await.unwrap();
        assert_eq!(info["leases"].as_array().unwrap().len(), 1);
        assert_eq!(info["names"], json!(["file"]), "the name that the command gave it, once");
        assert!(retrieve(&node, file).await == data);
    }
}

#[tokio::test]
async fn a_seventeenth_name_of_a_file_is_refused_before_anything_is_paid() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let data = BASE64_STANDARD.encode(bytes(5, 10_000));
    let named = |name: String| json!([data, { "name": name }]);
    let receipt = node.ok("storage_submit", named("0".into())).await.unwrap();
    for number in 1..16 {
        node.ok("storage_submit", named(number.to_string())).await.unwrap();
    }
    let before = account(&node).await;
    // Whoever pays already and whoever would have to.
    for from in [ALICE, BOB] {
        let free = node.ok("account_get", json!([from])).await.unwrap()["free"].clone();
        let refused = node.err("storage_submit", json!([data, { "name": "16", "from": from }])).await.unwrap();
        assert_eq!(refused["code"], -32602);
        assert!(refused["message"].as_str().unwrap().starts_with("name: "), "{refused}");
        assert_eq!(node.ok("account_get", json!([from])).await.unwrap()["free"], free, "{from} paid nothing");
    }
    // Known names and none at all are as good as before.
    node.ok("storage_submit", named("7".into())).await.unwrap();
    node.ok("storage_submit", json!([data])).await.unwrap();
    assert_eq!(account(&node).await, before);
    let info = node.ok("storage_file", json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(info["names"].as_array().unwrap().len(), 16);
}

#[tokio::test]
async fn uploads_that_are_begun_and_left_are_so_many_and_no_more() {
    const KEPT: usize = 1024;
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let begin = |number: usize| json!({ "size": 1000, "resumeKey": number.to_string() });
    for number in 0..KEPT {
        node.ok("storage_beginUpload", begin(number)).await.unwrap();
    }
    let refused = node.err("storage_beginUpload", begin(KEPT)).await.unwrap();
    assert_eq!((&refused["code"], &refused["data"]["reason"]), (&json!(1007), &json!("overloaded")));
    // Those that are known go on, files that come whole do too, and who cancels makes room.
    let known = node.ok("storage_beginUpload", begin(7)).await.unwrap();
    submit(&node, b"whole").await;
    node.ok("storage_cancelUpload", json!([known["uploadId"]])).await.unwrap();
    node.ok("storage_beginUpload", begin(KEPT)).await.unwrap();
}

#[tokio::test]
async fn begun_at_once_with_one_key_it_is_one_upload() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    for key in ["a", "b", "c"] {
        let begin = || node.ok("storage_beginUpload", json!({ "size": 1000, "resumeKey": key }));
        let begun = join_all((0..20).map(|_| begin())).await;
        let ids: Vec<Value> = begun.into_iter().map(|begun| begun.unwrap()["uploadId"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
