//! The network in one command.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::bytes;
use serde_json::{Value, json};

#[tokio::test]
async fn one_command_starts_four_validators_and_eight_providers_and_stops_them_all() {
    let mut testnet = Command::new(env!("CARGO_BIN_EXE_testnet"));
    let mut testnet = testnet.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(testnet.stdout.take().unwrap()).lines();
    let nodes: Vec<Value> =
        (0..12).map(|_| serde_json::from_str(&lines.next().expect("a line for each node").unwrap()).unwrap()).collect();
    for (index, node) in nodes.iter().enumerate() {
        assert_eq!(node["role"], json!(if index < 4 { "validator" } else { "provider" }), "{node}");
        let keys: Vec<&String> = node.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["basePath", "name", "pid", "role", "rpc"]);
        assert!(Path::new(node["basePath"].as_str().unwrap()).is_dir(), "{node}");
        assert!(is_running(node), "{node}");
    }
    let data = bytes(1, 500_000);
    let receipt = call(&nodes[2], "storage_submit", json!([BASE64_STANDARD.encode(&data)])).await;
    // Any other one, as soon as it has the block.
    let other = &nodes[9];
    while call(other, "chain_getHeader", json!([])).await["height"].as_u64() < receipt["height"].as_u64() {}
    let located = call(other, "storage_locate", json!([receipt["fileId"]])).await;
    assert_eq!(located["code"], json!({ "k": 4, "n": 8, "unit": 65536 }));
    let read = call(other, "storage_retrieve", json!([receipt["fileId"]])).await;
    assert!(BASE64_STANDARD.decode(read["data"].as_str().unwrap()).unwrap() == data);

    // As Ctrl-C does.
    assert!(Command::new("kill").args(["-INT", &testnet.id().to_string()]).status().unwrap().success());
    assert!(testnet.wait().unwrap().success());
    assert!(nodes.iter().all(|node| !is_running(node)));
}

fn is_running(node: &Value) -> bool {
    Path::new(&format!("/proc/{}", node["pid"])).exists()
}

async fn call(node: &Value, method: &str, params: Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = client.post(node["rpc"].as_str().unwrap()).json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["error"].is_null(), "{method}: {answer}");
    answer["result"].clone()
}
