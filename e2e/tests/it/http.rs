//! Files over plain HTTP.

use e2e::{Network, bytes};
use reqwest::{Method, StatusCode};
use serde_json::Value;

#[tokio::test]
async fn a_put_file_comes_back_whole_and_by_range() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    // More than one window of stripes, and a last stripe that is not full.
    let data = bytes(10, 9_000_001);
    let put = node.http(Method::PUT, "/v1/files").header("content-type", "image/png").body(data.clone());
    let response = put.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let receipt: Value = response.json().await.unwrap();
    let path = format!("/v1/files/{}", receipt["fileId"].as_str().unwrap());

    let whole = node.http(Method::GET, &path).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "image/png");
    assert!(whole.bytes().await.unwrap() == data);

    let part = node.http(Method::GET, &path).header("range", "bytes=4194303-4194305").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 4194303-4194305/9000001");
    assert!(part.bytes().await.unwrap() == data[4_194_303..=4_194_305]);

    let beyond = node.http(Method::GET, &path).header("range", "bytes=9000001-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let pieces: Value = node.http(Method::GET, &format!("{path}/pieces")).send().await.unwrap().json().await.unwrap();
    assert_eq!(pieces["segments"][0]["pieces"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let limit = 16u64 << 30;
    // Only headers are sent: an answer shows that the body was not waited for.
    let address = node.url().strip_prefix("http://").unwrap().to_owned();
    let request = format!("PUT /v1/files HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", limit + 1);
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 4_096];
        let length = socket.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}
