//! The stories that users are promised, on real processes over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where its claim breaks")]

mod cli;
mod crash;
mod files;
mod http;
mod losses;
mod metrics;
mod quickstart;
mod refusals;
mod transfer;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use e2e::Node;
use serde_json::{Value, json};

/// Submits `data` and returns the receipt.
async fn submit(node: &Node, data: &[u8]) -> Value {
    node.ok("storage_submit", json!([BASE64_STANDARD.encode(data)])).await.unwrap()
}

/// The whole file by `storage_retrieve`.
async fn retrieve(node: &Node, file: &Value) -> Vec<u8> {
    let answer = node.ok("storage_retrieve", json!([file])).await.unwrap();
    BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
}
