//! What is too much is refused, early and with its limit.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::join_all;
use futures::stream;
use serde_json::{Value, json};

use crate::memory::{PENDING, READ_BYTES_MAX, id_of};
use crate::raw::{Raw, exchange};
use crate::world::{Refused, World};

const CALL_DATA_BYTES_MAX: usize = 8 * 1024 * 1024;
const JSON_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

fn batch(calls: usize) -> Value {
    let call = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "system_name", "params": [] });
    (0..calls).map(call).collect()
}

#[tokio::test]
async fn a_batch_has_at_most_fifty_calls() {
    let world = World::start().await;
    let (_, answers) = world.post(&batch(50)).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(|answer| answer["result"] == "memory"));
    let (_, answer) = world.post(&batch(51)).await;
    let refused = Refused::from_json(&answer["error"]);
    assert_eq!((refused.code, refused.data), (1004, json!({ "limit": 50 })));
    let bomb = world.http.post(world.url("/")).header("content-type", "application/json");
    let answer: Value = bomb.body(format!("[{}1]", "1,".repeat(100_000))).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["error"]["code"], 1004);
}

#[tokio::test]
async fn a_call_takes_eight_mebibytes_and_no_more() {
    let world = World::start().await;
    let most = vec![7; CALL_DATA_BYTES_MAX];
    let receipt = world.call("storage_submit", &json!([STANDARD.encode(&most)])).await.unwrap();
    assert_eq!(receipt["size"], CALL_DATA_BYTES_MAX);
    let back = world.call("storage_retrieve", &json!([receipt["fileId"]])).await.unwrap();
    assert_eq!(STANDARD.decode(back["data"].as_str().unwrap()).unwrap(), most);
    for more in 1..=3 {
        let refused =
            world.refusal("storage_submit", &json!([STANDARD.encode(vec![7; CALL_DATA_BYTES_MAX + more])])).await;
        assert_eq!((refused.code, refused.data), (1004, json!({ "limit": CALL_DATA_BYTES_MAX })), "{more} more");
    }
}

#[tokio::test]
async fn a_larger_file_is_retrieved_in_ranges() {
    let world = World::start().await;
    let file = world.memory.put(&vec![7; CALL_DATA_BYTES_MAX + 1], &Default::default()).file_id;
    let limit = json!({ "limit": CALL_DATA_BYTES_MAX });
    let whole = world.refusal("storage_retrieve", &json!([file])).await;
    assert_eq!((whole.code, &whole.data), (1004, &limit));
    let range = json!({ "offset": 0, "length": CALL_DATA_BYTES_MAX + 1 });
    let range = world.refusal("storage_retrieve", &json!([file, range])).await;
    assert_eq!((range.code, &range.data), (1004, &limit));
    let last = json!({ "offset": CALL_DATA_BYTES_MAX, "length": 1 });
    let last = world.call("storage_retrieve", &json!([file, last])).await.unwrap();
    assert_eq!(last["data"], STANDARD.encode([7]));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let world = World::start().await;
    let mut raw = Raw::connect(&world).await;
    let length = JSON_BODY_BYTES_MAX + 1;
    raw.send(format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let body: Value = serde_json::from_slice(&raw.body(&head).await).unwrap();
    assert_eq!(body["error"]["code"], 1004);
    assert_eq!(body["error"]["data"], json!({ "limit": JSON_BODY_BYTES_MAX }));
}

/// Many clients send all of it before they listen.
#[tokio::test]
async fn a_client_that_sends_too_large_a_body_to_its_end_hears_why() {
    let world = World::limited(|limits| limits.json_body_bytes = 100_000).await;
    let request = world.http.post(world.url("/")).header("content-type", "application/json");
    let response = request.body(vec![b' '; 10_000_000]).send().await.unwrap();
    assert_eq!(response.status(), 413);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["data"], json!({ "limit": 100_000 }));
}

#[tokio::test]
async fn a_batch_whose_answers_are_too_large_together_is_refused_with_the_limit() {
    let world = World::limited(|limits| limits.json_body_bytes = 100_000).await;
    let file = world.memory.put(&[7; 30_000], &Default::default()).file_id;
    let call = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "storage_retrieve", "params": [file] });
    let (status, answers) = world.post(&(0..2).map(call).collect()).await;
    assert_eq!((status, answers.as_array().map(Vec::len)), (200, Some(2)));
    let (status, answer) = world.post(&(0..4).map(call).collect()).await;
    let refused = Refused::from_json(&answer["error"]);
    assert_eq!((status, refused.code, refused.data), (200, 1004, json!({ "limit": 100_000 })));
}

#[tokio::test]
async fn a_body_without_a_length_is_counted() {
    let world = World::limited(|limits| limits.json_body_bytes = 100_000).await;
    let chunks = stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 20_000]))));
    let request = world.http.post(world.url("/")).header("content-type", "application/json");
    let response = request.body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(response.status(), 413);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["data"], json!({ "limit": 100_000 }));
}

#[tokio::test]
async fn bodies_in_flight_are_bounded_together() {
    let world = World::limited(|limits| limits.bodies_in_flight_bytes = 300_000).await;
    // One client has sent most of what fits and waits.
    let mut slow = Raw::connect(&world).await;
    slow.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 260000\r\n\r\n")
        .await;
    slow.send(vec![b' '; 250_000]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "storage_submit", "params": ["A".repeat(60_000)] });
    // The slow client's bytes are counted as they come, so this is refused from some moment on.
    let refused = loop {
        let (status, answer) = world.post(&body).await;
        if status == 503 {
            break answer;
        }
    };
    assert_eq!(refused["error"]["code"], 1007);
    assert_eq!(refused["error"]["data"]["reason"], "overloaded");
    let small = world.call("system_name", &json!([])).await.unwrap();
    assert_eq!(small, "memory");
    drop(slow);
    while world.post(&body).await.0 == 503 {}
}

#[tokio::test]
async fn an_upload_that_is_not_final_in_time_names_itself() {
    let world = World::limited(|limits| {
        limits.submit_wait = Duration::from_millis(50);
        limits.upload_wait = Duration::from_millis(50);
    })
    .await;
    let expected = json!({ "reason": "unfinished", "uploadId": "upload-7", "fileId": id_of(b"x"), "txHash": PENDING });
    let refused = world.refusal("storage_submit", &json!(["YWJj", { "profile": "never" }])).await;
    assert_eq!((refused.code, &refused.data), (1007, &expected));
    let response = world.http.put(world.url("/v1/files?profile=never")).body("abc").send().await.unwrap();
    let (status, refused) = crate::world::http_refusal(response).await;
    assert_eq!((status, refused.code, &refused.data), (503, 1007, &expected));
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let world = World::limited(|limits| limits.head_time = Duration::from_millis(50)).await;
    let mut idle = Raw::connect(&world).await;
    assert!(idle.rest().await.is_empty());
    let mut slow = Raw::connect(&world).await;
    slow.send("GET /health HTTP/1.1\r\nHost: loc").await;
    slow.rest().await;
}

#[tokio::test]
async fn idle_connections_keep_nobody_out() {
    let world = World::start().await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut raw = Raw::connect(&world).await;
        raw.send("POST / HTTP/1.1\r\n").await;
        idle.push(raw);
    }
    assert_eq!(world.call("system_name", &json!([])).await.unwrap(), "memory");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let world = World::limited(|limits| limits.connections = 1).await;
    let first = Raw::connect(&world).await;
    let answer = exchange(&world, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = std::pin::pin!(answer);
    assert!(futures::poll!(answer.as_mut()).is_pending());
    drop(first);
    assert!(answer.await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let world = World::limited(|limits| limits.write_stall = Duration::from_millis(50)).await;
    let file = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let mut raw = Raw::connect(&world).await;
    raw.send(format!("GET /v1/files/{file} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    // Nothing is read until the server has given up; then there is less than all.
    world.stop().await;
    let read = raw.rest().await.len();
    assert!(read < 32 * 1024 * 1024, "{read} bytes");
}

/// A client that asks for a file and does not read on.
async fn stalled(world: &World, path: &str) -> Raw {
    let mut raw = Raw::connect(world).await;
    raw.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
    raw
}

#[tokio::test]
async fn a_download_too_many_is_told_to_come_again() {
    let world = World::limited(|limits| {
        limits.downloads = 2;
        limits.download_wait = Duration::from_millis(50);
    })
    .await;
    let file = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let path = format!("/v1/files/{file}");
    let clients = [stalled(&world, &path).await, stalled(&world, &path).await];
    let third = world.http.get(world.url(&path)).send().await.unwrap();
    assert!(third.headers().contains_key("retry-after"));
    let (status, refused) = crate::world::http_refusal(third).await;
    assert_eq!((status, refused.code, &refused.data["reason"]), (503, 1007, &json!("overloaded")));
    let small = json!([file, { "offset": 0, "length": 1 }]);
    assert_eq!(world.refusal("storage_retrieve", &small).await.code, 1007);
    // What is known of the file does not need its bytes.
    assert_eq!(world.http.head(world.url(&path)).send().await.unwrap().status(), 200);
    drop(clients);
    while world.call("storage_retrieve", &small).await.is_err() {}
}

#[tokio::test]
async fn what_a_download_keeps_in_memory_counts_among_the_bodies_in_flight() {
    let two = u32::try_from(2 * READ_BYTES_MAX).unwrap();
    let world = World::limited(|limits| {
        limits.bodies_in_flight_bytes = two;
        limits.download_wait = Duration::from_millis(50);
    })
    .await;
    let file = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let path = format!("/v1/files/{file}");
    let clients = [stalled(&world, &path).await, stalled(&world, &path).await];
    let third = world.http.get(world.url(&path)).send().await.unwrap();
    let (status, refused) = crate::world::http_refusal(third).await;
    assert_eq!((status, refused.code, &refused.data["reason"]), (503, 1007, &json!("overloaded")));
    drop(clients);
    while world.http.get(world.url(&path)).send().await.unwrap().status() == 503 {}
}

#[tokio::test]
async fn a_download_waits_for_the_memory_of_those_before_it() {
    const READERS: u64 = 20;
    let world = World::limited(|limits| {
        limits.downloads_in_flight_bytes = u32::try_from(2 * READ_BYTES_MAX).unwrap();
        limits.bodies_in_flight_bytes = u32::try_from(3 * READ_BYTES_MAX).unwrap();
        limits.download_wait = Duration::from_secs(60);
    })
    .await;
    let small = world.memory.put(&[7; 10_000], &Default::default()).file_id;
    let large = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let path = format!("/v1/files/{large}");
    let clients = [stalled(&world, &path).await, stalled(&world, &path).await];
    // All that downloads may use is in use, and each of these takes it as long as it is read.
    let get = async || world.http.get(world.url(&format!("/v1/files/{small}"))).send().await.unwrap().status();
    let call = async || world.call("storage_retrieve", &json!([small])).await.is_ok();
    let gets = join_all((0..READERS).map(|_| get()));
    let calls = join_all((0..READERS).map(|_| call()));
    let end = async {
        // Others are not kept waiting by those who wait.
        world.call("storage_submit", &json!(["A".repeat(20_000)])).await.unwrap();
        drop(clients);
    };
    let (gets, calls, ()) = futures::join!(gets, calls, end);
    assert!(gets.iter().all(|status| *status == 200), "{gets:?}");
    assert!(calls.iter().all(|is_ok| *is_ok), "{calls:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_gives_its_place_to_the_next() {
    let world = World::limited(|limits| {
        limits.downloads = 1;
        limits.download_wait = Duration::from_secs(60);
        limits.write_stall = Duration::from_millis(50);
    })
    .await;
    let file = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let path = format!("/v1/files/{file}");
    let _stalled = stalled(&world, &path).await;
    assert_eq!(world.http.get(world.url(&path)).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stopped_server_does_not_wait_for_a_head() {
    let world = World::limited(|limits| {
        (limits.stop_grace, limits.head_time) = (Duration::from_secs(3600), Duration::from_secs(3600));
    })
    .await;
    let mut slow = Raw::connect(&world).await;
    // The second head begins in the same bytes as the first, so that it has come when that one is answered.
    slow.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: loc").await;
    assert!(slow.head().await.starts_with("HTTP/1.1 200 "));
    let stopped = tokio::time::timeout(Duration::from_secs(60), world.stop());
    stopped.await.expect("it stops long before its grace ends");
}

#[tokio::test]
async fn whoever_is_in_a_hurry_waits_for_no_client() {
    let world = World::limited(|limits| {
        (limits.stop_grace, limits.write_stall) = (Duration::from_secs(3600), Duration::from_secs(3600));
    })
    .await;
    let file = world.memory.put(&vec![7; 32 * 1024 * 1024], &Default::default()).file_id;
    let mut client = stalled(&world, &format!("/v1/files/{file}")).await;
    let stopped = tokio::time::timeout(Duration::from_secs(60), world.stop_at_once());
    stopped.await.expect("it stops long before its grace ends");
    assert!(client.rest().await.len() < 32 * 1024 * 1024);
}

#[tokio::test]
async fn a_stopped_server_lets_go_of_its_port_and_its_clients() {
    let world = World::start().await;
    let addr = world.addr();
    let mut idle = Raw::connect(&world).await;
    idle.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(idle.head().await.starts_with("HTTP/1.1 200 "));
    world.stop().await;
    idle.rest().await;
    let again = World::with(|config| config.listen = addr).await;
    assert_eq!(again.call("system_name", &json!([])).await.unwrap(), "memory");
}
