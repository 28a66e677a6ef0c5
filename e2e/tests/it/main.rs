//! The stories that users are promised, on real processes over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where its claim breaks")]

mod ci;
mod cli;
mod crash;
mod dev_providers;
mod exits;
mod faults;
mod files;
mod http;
mod interop;
mod leases;
mod liar;
mod lies;
mod losses;
mod metrics;
mod parallel;
mod prolong;
mod proofs;
#[path = "../../../dsn/tests/it/proxy.rs"]
mod proxy;
mod put;
mod quickstart;
mod refusals;
mod resume;
mod transfer;
mod transports;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::Node;
use serde_json::{Value, json};

/// Submits `data` and returns the receipt.
async fn submit(node: &Node, data: &[u8]) -> Value {
    node.ok("storage_submit", json!([BASE64_STANDARD.encode(data)])).await.unwrap()
}

/// The whole file over HTTP.
async fn download(node: &Node, file: &Value) -> Vec<u8> {
    let path = format!("/v1/files/{}", file.as_str().unwrap());
    let answer = node.http(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

/// The whole file by `storage_retrieve`.
async fn retrieve(node: &Node, file: &Value) -> Vec<u8> {
    let answer = node.ok("storage_retrieve", json!([file])).await.unwrap();
    BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
}
