//! `PUT /v1/files`: streams in, limits before and within the body.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, stream};
use rpc::types::{Health, SubmitOptions};
use serde_json::{Value, json};

use crate::memory::{SMALL_BYTES_MAX, id_of};
use crate::raw::Raw;
use crate::world::{World, http_refusal};

fn last_options(world: &World) -> SubmitOptions {
    world.memory.last_options.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn a_body_becomes_a_file_and_a_receipt() {
    let world = World::start().await;
    for method in [reqwest::Method::PUT, reqwest::Method::POST] {
        let path = "/v1/files?profile=dev&leaseEpochs=7&resumeKey=k%201";
        let request = world.http.request(method, world.url(path));
        let request = request.header("content-type", "text/plain; charset=utf-8");
        let request = request.header("content-disposition", "attachment; filename=\"a b.txt\"");
        let response = request.body("hello").send().await.unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["location"], format!("/v1/files/0x{}", id_of(b"hello")));
        let receipt: Value = response.json().await.unwrap();
        assert_eq!(receipt["fileId"], json!(id_of(b"hello")));
        assert_eq!(receipt["size"], 5);
        let options = last_options(&world);
        assert_eq!(options.name.unwrap().as_str(), "a b.txt");
        assert_eq!(options.media_type.unwrap().as_str(), "text/plain; charset=utf-8");
        assert_eq!((options.profile.as_deref(), options.lease_epochs), (Some("dev"), Some(7)));
        assert_eq!(options.resume_key.unwrap().as_str(), "k 1");
        assert_eq!(options.from, None);
    }
}

#[tokio::test]
async fn the_rest_of_a_file_says_where_it_begins_and_what_comes_before_it() {
    let world = World::start().await;
    let hash = "ab".repeat(32);
    let path = world.url(&format!("/v1/files?resumeKey=k&prefixHash=0x{hash}"));
    let put = world.http.put(path).header("content-range", "bytes 7-11/12").body("hello");
    assert_eq!(put.send().await.unwrap().status(), 201);
    let announced = world.memory.last_announced.lock().unwrap().take().unwrap();
    assert_eq!((announced.size, announced.offset), (Some(12), 7));
    assert_eq!(announced.prefix.unwrap().to_string(), hash);

    let table = [
        ("?resumeKey=k", "bytes 7-10/12", "content-range"),
        ("?resumeKey=k", "bytes 6-11/12", "content-length"),
        ("?resumeKey=k", "7-11", "content-range"),
        ("", "bytes 7-11/12", "resumeKey"),
        ("?resumeKey=k&prefixHash=0xab", "bytes 7-11/12", "prefixHash"),
        ("?resumeKey=k&prefixHash=0xHASH", "", "content-range"),
    ];
    for (query, range, named) in table {
        let path = world.url(&format!("/v1/files{}", query.replace("HASH", &hash)));
        let mut put = world.http.put(path).body("hello");
        if !range.is_empty() {
            put = put.header("content-range", range);
        }
        let (status, refused) = http_refusal(put.send().await.unwrap()).await;
        assert_eq!((status, refused.code), (400, -32602), "{query} {range}: {}", refused.message);
        assert!(refused.message.contains(named), "{query} {range}: {}", refused.message);
    }
    assert!(world.memory.last_announced.lock().unwrap().is_none(), "the gateway never heard of those");
}

#[tokio::test]
async fn what_curl_says_by_itself_says_nothing() {
    let world = World::start().await;
    for media_type in ["application/x-www-form-urlencoded", "Application/Octet-Stream", ""] {
        let request = world.http.put(world.url("/v1/files")).header("content-type", media_type);
        assert_eq!(request.body("x").send().await.unwrap().status(), 201);
        assert_eq!(last_options(&world).media_type, None, "{media_type:?}");
    }
    assert_eq!(world.http.put(world.url("/v1/files")).send().await.unwrap().status(), 201, "an empty file");
    assert_eq!(last_options(&world), SubmitOptions::default());
}

#[tokio::test]
async fn bytes_arrive_while_the_client_still_sends() {
    let world = World::start().await;
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Bytes, std::io::Error>>(0);
    let request = world.http.put(world.url("/v1/files")).body(reqwest::Body::wrap_stream(receiver));
    let sent = async move {
        for part in 0..200u8 {
            sender.send(Ok(Bytes::from(vec![part; 100_000]))).await.unwrap();
        }
    };
    let (response, ()) = tokio::join!(request.send(), sent);
    let receipt: Value = response.unwrap().json().await.unwrap();
    assert_eq!(receipt["size"], 20_000_000);
}

#[tokio::test]
async fn a_length_beyond_the_profile_is_refused_before_the_body() {
    let world = World::start().await;
    let mut raw = Raw::connect(&world).await;
    let length = SMALL_BYTES_MAX + 1;
    raw.send("PUT /v1/files?profile=small HTTP/1.1\r\nHost: localhost\r\n").await;
    raw.send(format!("Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n")).await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "no 100 before it: {head}");
    let body: Value = serde_json::from_slice(&raw.rest().await).unwrap();
    assert_eq!(body["error"]["code"], 1004);
    assert_eq!(body["error"]["data"], json!({ "limit": SMALL_BYTES_MAX }));
    assert!(world.memory.last_options.lock().unwrap().is_none(), "the gateway never heard of it");
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on() {
    let world = World::start().await;
    let mut raw = Raw::connect(&world).await;
    raw.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    raw.send("hello").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 201 "));
}

#[tokio::test]
async fn a_refused_client_that_sends_anyway_reads_why() {
    let world = World::start().await;
    let body = vec![7u8; 4_000_000];
    let response = world.http.put(world.url("/v1/files?profile=small")).body(body).send().await.unwrap();
    let (status, refused) = http_refusal(response).await;
    assert_eq!((status, refused.code), (413, 1004));
}

#[tokio::test]
async fn chunks_are_counted_against_the_profile() {
    let world = World::start().await;
    let chunks = |count| {
        let chunks = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![7; 10_000])));
        reqwest::Body::wrap_stream(stream::iter(chunks))
    };
    let put = |body| world.http.put(world.url("/v1/files?profile=small")).body(body).send();
    assert_eq!(put(chunks(10)).await.unwrap().status(), 201, "as much as is allowed");
    let (status, refused) = http_refusal(put(chunks(11)).await.unwrap()).await;
    assert_eq!((status, refused.code, refused.data), (413, 1004, json!({ "limit": SMALL_BYTES_MAX })));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_file() {
    let world = World::start().await;
    let mut raw = Raw::connect(&world).await;
    raw.send(
        "PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno length\r\n",
    )
    .await;
    let answer = String::from_utf8(raw.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let missing = world.refusal("storage_file", &json!([id_of(b"hello")])).await;
    assert_eq!(missing.code, 1001);
}

/// An upload that has begun, of which more is to come.
async fn begun(world: &World, request: &str) -> Raw {
    let mut raw = Raw::connect(world).await;
    raw.send(format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")).await;
    raw.send("Content-Length: 10\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
    raw.send("hello").await;
    raw
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_the_rest_of_a_body() {
    let hour = Duration::from_secs(3600);
    let world = World::limited(|limits| {
        (limits.stop_grace, limits.upload_idle, limits.json_body_time) = (hour, hour, hour);
    })
    .await;
    let (mut upload, mut call) = (begun(&world, "PUT /v1/files").await, begun(&world, "POST /").await);
    tokio::time::timeout(Duration::from_secs(60), world.stop()).await.expect("it stops long before its grace ends");
    for raw in [&mut upload, &mut call] {
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        let body: Value = serde_json::from_slice(&raw.rest().await).unwrap();
        assert_eq!(body["error"]["code"], 1007);
        assert_eq!(body["error"]["message"], "the node is stopping");
        assert_eq!(body["error"]["data"], json!({ "reason": "stopping" }));
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let world = World::limited(|limits| limits.upload_idle = Duration::from_millis(50)).await;
    let mut raw = Raw::connect(&world).await;
    raw.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello").await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn errors_have_their_status() {
    let world = World::start().await;
    let table = [
        ("profile=full", 507, 1005, ""),
        ("profile=foreign", 401, 1006, ""),
        ("profile=syncing", 503, 1007, "syncing"),
        ("profile=refused", 400, 1003, ""),
        ("profile=broken", 500, -32603, ""),
        ("profile=unknown", 400, -32602, "profile"),
        ("profil=dev", 400, -32602, "profil"),
        ("leaseEpochs=x", 400, -32602, "leaseEpochs"),
        ("leaseEpochs=0", 400, -32602, "leaseEpochs"),
        ("resumeKey=", 400, -32602, "resumeKey"),
        ("name=x", 400, -32602, "name"),
    ];
    for (query, expected, code, named) in table {
        let put = world.http.put(world.url(&format!("/v1/files?{query}"))).body("abc");
        let response = put.send().await.unwrap();
        assert_eq!(response.headers().contains_key("retry-after"), expected == 503, "{query}");
        let (status, refused) = http_refusal(response).await;
        assert_eq!((status, refused.code), (expected, code), "{query}: {}", refused.message);
        assert!(refused.message.contains(named), "{query}: {}", refused.message);
        assert!(!refused.message.contains("query string"), "{query}: {}", refused.message);
    }
    let headers = [("content-type", "x".repeat(128)), ("content-disposition", "attachment; filename".into())];
    for (name, value) in headers {
        let put = world.http.put(world.url("/v1/files")).header(name, value).body("abc");
        let (status, refused) = http_refusal(put.send().await.unwrap()).await;
        assert_eq!((status, refused.code), (400, -32602));
        assert!(refused.message.starts_with(name), "{}", refused.message);
    }
}

#[tokio::test]
async fn uploads_count_among_the_bodies_in_flight() {
    let world = World::limited(|limits| limits.upload_window_bytes = limits.uploads_in_flight_bytes).await;
    let mut first = Raw::connect(&world).await;
    first.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(first.head().await.starts_with("HTTP/1.1 100 "));
    let second = world.http.put(world.url("/v1/files")).body("abc").send().await.unwrap();
    let (status, refused) = http_refusal(second).await;
    assert_eq!((status, refused.code, &refused.data["reason"]), (503, 1007, &json!("overloaded")));
    first.send("hello").await;
    assert!(first.head().await.starts_with("HTTP/1.1 201 "));
    let third = world.http.put(world.url("/v1/files")).body("abc").send().await.unwrap();
    assert_eq!(third.status(), 201);
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let world = World::start().await;
    let ask = async |path: &str| world.http.get(world.url(path)).send().await.unwrap();
    assert_eq!(ask("/health/readiness").await.status(), 200);
    let health: Value = ask("/health").await.json().await.unwrap();
    assert_eq!(health, json!({ "peers": 4, "isSyncing": false, "shouldHavePeers": true }));
    let table = [
        (Health { peers: 4, is_syncing: true, should_have_peers: true }, 503),
        (Health { peers: 0, is_syncing: false, should_have_peers: true }, 503),
        (Health { peers: 0, is_syncing: false, should_have_peers: false }, 200),
    ];
    for (health, expected) in table {
        *world.memory.health.lock().unwrap() = Some(health);
        assert_eq!(ask("/health/readiness").await.status(), expected, "{health:?}");
        assert_eq!(ask("/health").await.status(), 200, "it is alive");
    }
}
