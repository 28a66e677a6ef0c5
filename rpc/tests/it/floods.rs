//! Floods and broken requests: whoever comes beside them is served, and they end.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::memory::id_of;
use crate::raw::{Raw, exchange};
use crate::websocket::Socket;
use crate::world::{Refused, World};

const IDLE_SOCKETS: usize = 1000;
const DEEP: usize = 1024 * 1024;

#[tokio::test]
async fn a_thousand_idle_sockets_keep_nobody_out_and_end_in_their_time() {
    let world = World::limited(|limits| limits.head_time = Duration::from_secs(2)).await;
    let mut idle = Vec::new();
    for number in 0..IDLE_SOCKETS {
        let mut raw = Raw::connect(&world).await;
        // Some say nothing, some begin, some were answered once and stay.
        match number % 3 {
            0 => {}
            1 => raw.send("POST / HTTP/1.1\r\nHost: loc").await,
            _ => {
                raw.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
                assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
            }
        }
        idle.push(raw);
    }
    assert_eq!(world.call("system_name", &json!([])).await.unwrap(), "memory");
    let all_ended = async {
        for mut raw in idle {
            raw.rest().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_ended).await.expect("their time is two seconds");
    assert_eq!(world.call("system_name", &json!([])).await.unwrap(), "memory");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let world = World::start().await;
    for endless in ["GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", "GET /"] {
        let mut raw = Raw::connect(&world).await;
        raw.send(endless).await;
        let line = vec![b'x'; 16 * 1024];
        let mut sent = 0;
        while raw.0.get_mut().write_all(&line).await.is_ok() {
            sent += line.len();
            assert!(sent < 64 * 1024 * 1024, "the head is read for ever");
        }
    }
    assert_eq!(world.call("system_name", &json!([])).await.unwrap(), "memory");
}

struct Metrics;

impl rpc::MetricsSource for Metrics {
    fn node(&self) -> String {
        "up 1\n".into()
    }

    fn engine(&self) -> String {
        String::new()
    }
}

#[tokio::test]
async fn floods_of_the_metrics_port_are_bounded() {
    let any = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let server = rpc::MetricsServer::start(any, std::sync::Arc::new(Metrics)).await.unwrap();
    let addr = server.local_addr();
    let mut idle = Vec::new();
    for _ in 0..64 {
        idle.push(tokio::net::TcpStream::connect(addr).await.unwrap());
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let scrape = http.get(format!("http://{addr}/metrics")).send();
    let mut scrape = std::pin::pin!(scrape);
    // Those before it have all the places, and give them back when they go.
    assert!(tokio::time::timeout(Duration::from_millis(200), scrape.as_mut()).await.is_err());
    drop(idle);
    assert_eq!(scrape.await.unwrap().text().await.unwrap(), "up 1\n");
    server.stop().await;
}

#[tokio::test]
async fn a_hundred_thousand_calls_in_a_batch_are_none() {
    let world = World::start().await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "system_name", "params": [] });
    let batch: Value = vec![call; 100_000].into();
    let (_, answer) = world.post(&batch).await;
    assert_eq!(Refused::from_json(&answer["error"]).data, json!({ "limit": 50 }));
    let mut socket = Socket::open(&world).await;
    socket.send(&batch).await;
    assert!(socket.receive().await["error"]["code"].is_i64());
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
}

#[tokio::test]
async fn a_batch_whose_answers_are_too_large_together_is_refused_over_a_websocket_too() {
    let world = World::limited(|limits| limits.json_body_bytes = 100_000).await;
    let file = world.memory.put(&[7; 30_000], &Default::default()).file_id;
    let call = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "storage_retrieve", "params": [file] });
    let mut socket = Socket::open(&world).await;
    socket.send(&(0..2).map(call).collect()).await;
    assert_eq!(socket.receive().await.as_array().map(Vec::len), Some(2));
    socket.send(&(0..4).map(call).collect()).await;
    let refused = Refused::from_json(&socket.receive().await["error"]);
    assert_eq!((refused.code, refused.data), (1004, json!({ "limit": 100_000 })));
}

/// hyper answers these by itself, before there is a request: the status is right, the body is empty.
#[tokio::test]
async fn a_length_that_is_none_is_a_bad_request() {
    let world = World::start().await;
    let lengths = ["abc", "-1", "+5", "0x10", "5 5", "18446744073709551616", "5\r\nContent-Length: 6"];
    for length in lengths {
        for request in ["POST /", "PUT /v1/files"] {
            let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nhello");
            let answer = exchange(&world, &head).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{length:?}: {answer}");
            // As docs/limits.md says: if hyper ever lets us, there is a body in our words to be put here.
            assert!(answer.contains("content-length: 0\r\n") && answer.ends_with("\r\n\r\n"), "{length:?}: {answer}");
        }
    }
    assert!(world.memory.last_options.lock().unwrap().is_none(), "the gateway never heard of it");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_no_file_and_a_longer_one_ends_with_it() {
    let world = World::start().await;
    let mut short = Raw::connect(&world).await;
    short.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello").await;
    short.0.shutdown().await.unwrap();
    let answer = String::from_utf8(short.rest().await).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(world.refusal("storage_file", &json!([id_of(b"hello")])).await.code, 1001);

    let mut long = Raw::connect(&world).await;
    long.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello, world\r\n\r\n").await;
    let head = long.head().await;
    assert!(head.starts_with("HTTP/1.1 201 "), "{head}");
    let receipt: Value = serde_json::from_slice(&long.body(&head).await).unwrap();
    assert_eq!(receipt["fileId"], json!(id_of(b"hello")));
    let rest = String::from_utf8(long.rest().await).unwrap();
    assert!(rest.starts_with("HTTP/1.1 400 "), "what is left over is no request: {rest}");
}

#[tokio::test]
async fn an_upload_that_trickles_is_given_up_and_its_place_is_free() {
    let world = World::limited(|limits| {
        limits.upload_idle = Duration::from_millis(400);
        limits.upload_rate = 10_000;
        limits.uploads_in_flight_bytes = limits.upload_window_bytes;
    })
    .await;
    let mut slow = Raw::connect(&world).await;
    slow.send("PUT /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert!(slow.head().await.starts_with("HTTP/1.1 100 "));
    let other = world.http.put(world.url("/v1/files")).body("abc").send().await.unwrap();
    assert_eq!(other.status(), 503, "there is one place");
    // Never idle, and never fast enough.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let trickling = async {
        while slow.0.get_mut().write_all(b"x").await.is_ok() {
            pace.tick().await;
        }
    };
    let freed =
        async { while world.http.put(world.url("/v1/files")).body("abc").send().await.unwrap().status() == 503 {} };
    tokio::select! {
        () = trickling => panic!("the answer comes before the end"),
        () = freed => {}
    }
    let answer = String::from_utf8(slow.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("bytes a second"), "{answer}");
}

#[tokio::test]
async fn an_upload_that_the_node_is_slow_to_take_is_not_given_up() {
    let world = World::limited(|limits| {
        limits.upload_idle = Duration::from_millis(50);
        limits.upload_rate = u32::MAX / 2;
    })
    .await;
    // All of it is here at once, so that nothing was waited for.
    let response = world.http.put(world.url("/v1/files")).body(vec![7; 1000]).send().await.unwrap();
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn calls_have_room_while_downloads_take_all_they_may() {
    let file_bytes = 32 * 1024 * 1024;
    let window = u32::try_from(crate::memory::READ_BYTES_MAX).unwrap();
    let world = World::limited(|limits| {
        limits.bodies_in_flight_bytes = window + 100_000;
        limits.downloads_in_flight_bytes = window;
        limits.download_wait = Duration::from_millis(50);
    })
    .await;
    let file = world.memory.put(&vec![7; file_bytes], &Default::default()).file_id;
    let mut stalled = Raw::connect(&world).await;
    stalled.send(format!("GET /v1/files/{file} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    assert!(stalled.head().await.starts_with("HTTP/1.1 200 "));
    let second = world.http.get(world.url(&format!("/v1/files/{file}"))).send().await.unwrap();
    assert_eq!(second.status(), 503, "downloads have used what they may");
    let receipt = world.call("storage_submit", &json!(["A".repeat(20_000)])).await.unwrap();
    assert_eq!(receipt["size"], 15_000);
}

/// An error, or a batch of one.
fn is_refused(answer: &Value) -> bool {
    answer.get(0).unwrap_or(answer)["error"]["code"].is_i64()
}

#[tokio::test]
async fn what_nests_a_megabyte_deep_is_refused_and_nothing_falls_over() {
    let world = World::start().await;
    let nested = |open: &str, close: &str| open.repeat(DEEP / 2) + &close.repeat(DEEP / 2);
    let bombs = [
        nested("[", "]"),
        "[".repeat(DEEP),
        "{\"a\":".repeat(DEEP / 8),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"storage_file\",\"params\":{}}}", nested("[", "]")),
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"author_prepare\",\"params\":[{}]}}",
            nested("{\"call\":", "}")
        ),
    ];
    let mut socket = Socket::open(&world).await;
    for bomb in bombs {
        let request = world.http.post(world.url("/")).header("content-type", "application/json");
        let answer: Value = request.body(bomb.clone()).send().await.unwrap().json().await.unwrap();
        assert!(is_refused(&answer), "{answer}");
        socket.send_text(&bomb).await;
        assert!(is_refused(&socket.receive().await));
    }
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
}

#[tokio::test]
async fn a_transaction_that_claims_more_than_it_has_is_malformed() {
    let world = World::start().await;
    // SCALE's compact form of 2^30 - 1, alone, where a signer would be, and where a call's list would be.
    let claim = "feffffff";
    let deep = |byte: &str| byte.repeat(rpc::limits::TRANSACTION_BYTES_MAX);
    let bombs = [
        claim.to_owned(),
        format!("0001{}{claim}", "00".repeat(80)),
        format!("0001{}0200{}{claim}", "00".repeat(64), "00".repeat(200)),
        deep("00"),
        deep("01"),
        deep("ff"),
    ];
    for bomb in bombs {
        let refused = world.refusal("author_submitTransaction", &json!([format!("0x{bomb}")])).await;
        assert_eq!(refused.code, -32602, "{}: {}", &bomb[..bomb.len().min(40)], refused.message);
        assert!(refused.message.contains("transaction"), "{}", refused.message);
    }
}
