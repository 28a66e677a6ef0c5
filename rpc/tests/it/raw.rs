//! Bytes on a socket, for what no client library would send.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::world::World;

pub struct Raw(pub BufReader<TcpStream>);

impl Raw {
    pub async fn connect(world: &World) -> Self {
        Self(BufReader::new(TcpStream::connect(world.addr()).await.unwrap()))
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Status line and headers of the next response.
    pub async fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).await.unwrap() > 0, "the connection ended within {head:?}");
        }
        head
    }

    /// The body that a head announces.
    pub async fn body(&mut self, head: &str) -> Vec<u8> {
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.expect("the head has a length")];
        self.0.read_exact(&mut body).await.unwrap();
        body
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends a connection too.
        let _ = self.0.read_to_end(&mut rest).await;
        rest
    }
}

/// One request, one response, as text.
pub async fn exchange(world: &World, request: &str) -> String {
    let mut raw = Raw::connect(world).await;
    raw.send(request).await;
    String::from_utf8(raw.rest().await).unwrap()
}
