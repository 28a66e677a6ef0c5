//! What may happen to a machine happens to a node: death at any step, a power cut, a full disk, one that is read only, a
//! clock that is wrong, files that are damaged or gone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where its claim breaks")]

mod damage;
mod deaths;
mod disks;
mod uploads;

use e2e::Node;
use serde_json::Value;

/// The whole file over HTTP.
async fn download(node: &Node, file: &Value) -> Vec<u8> {
    let path = format!("/v1/files/{}", file.as_str().unwrap());
    let answer = node.http(reqwest::Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

/// Puts a file; status and answer.
async fn put(node: &Node, body: Vec<u8>) -> (u16, Value) {
    let answer = node.http(reqwest::Method::PUT, "/v1/files").body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}
