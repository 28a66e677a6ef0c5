//! The same methods over a WebSocket, spoken by hand.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::{Raw, exchange};
use crate::world::World;

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub struct Socket(pub Raw);

impl Socket {
    pub async fn open(world: &World) -> Self {
        let mut raw = Raw::connect(world).await;
        raw.send(format!("{UPGRADE}\r\n")).await;
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        // RFC 6455's own example.
        assert!(head.to_lowercase().contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self(raw)
    }

    /// As one text frame, masked with zeros.
    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        let length = text.len() as u64;
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => frame.extend([&[0x80 | 126][..], &u16::try_from(length).unwrap().to_be_bytes()].concat()),
            _ => frame.extend([&[0x80 | 127][..], &length.to_be_bytes()].concat()),
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.0.write_all(&frame).await.unwrap();
    }

    /// The next text frame; pings are passed over.
    pub async fn receive(&mut self) -> Value {
        loop {
            let stream = &mut self.0.0;
            let kind = stream.read_u8().await.unwrap() & 0x0f;
            let length = match stream.read_u8().await.unwrap() {
                126 => u64::from(stream.read_u16().await.unwrap()),
                127 => stream.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut payload).await.unwrap();
            if kind == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    pub async fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], 7);
        answer
    }
}

#[tokio::test]
async fn calls_are_answered_over_a_websocket() {
    let world = World::start().await;
    let mut socket = Socket::open(&world).await;
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
    let refused = socket.call("storage_file", &json!(["0x12"])).await;
    assert_eq!(refused["error"]["code"], -32602);
    let receipt = socket.call("storage_submit", &json!(["A".repeat(4_000_000)])).await;
    assert_eq!(receipt["result"]["size"], 3_000_000);
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "system_name", "params": [] });
    socket.send(&(0..51).map(|_| call.clone()).collect()).await;
    assert!(socket.receive().await["error"].is_object(), "51 calls are too many here too");
}

#[tokio::test]
async fn bodies_over_a_websocket_are_counted() {
    let world = World::limited(|limits| limits.bodies_in_flight_bytes = 100_000).await;
    let mut socket = Socket::open(&world).await;
    let refused = socket.call("storage_submit", &json!(["A".repeat(200_000)])).await;
    assert_eq!(refused["error"]["code"], 1007);
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
}

#[tokio::test]
async fn other_pages_cannot_open_one() {
    let world = World::start().await;
    let foreign = exchange(&world, &format!("{UPGRADE}Origin: https://evil.com\r\nConnection: close\r\n\r\n")).await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "{foreign}");
}

#[tokio::test]
async fn stopping_closes_websockets() {
    let world = World::start().await;
    let mut socket = Socket::open(&world).await;
    assert_eq!(socket.call("system_name", &json!([])).await["result"], "memory");
    world.stop().await;
    socket.0.rest().await;
}

#[tokio::test]
async fn websockets_have_a_limit_of_their_own() {
    let world = World::limited(|limits| limits.websockets = 1).await;
    let _first = Socket::open(&world).await;
    let mut second = Raw::connect(&world).await;
    second.send(format!("{UPGRADE}\r\n")).await;
    let head = second.head().await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    assert_eq!(world.call("system_name", &json!([])).await.unwrap(), "memory", "calls go on");
}
