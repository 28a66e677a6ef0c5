//! A server on a free port, and ways to talk to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rpc::limits::Limits;
use rpc::{Client, RunningServer, Server, ServerConfig};
use serde_json::{Value, json};

use crate::memory::{self, Memory};

pub struct World {
    pub memory: Arc<Memory>,
    pub http: reqwest::Client,
    server: RunningServer,
}

/// `code`, `message`, `data` of an error.
#[derive(Debug)]
pub struct Refused {
    pub code: i64,
    pub message: String,
    pub data: Value,
}

impl Refused {
    pub fn from_json(error: &Value) -> Self {
        Self {
            code: error["code"].as_i64().unwrap_or_else(|| panic!("not an error: {error}")),
            message: error["message"].as_str().unwrap().to_owned(),
            data: error["data"].clone(),
        }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let mut config = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        change(&mut config);
        let memory = Arc::new(Memory::default());
        let server = Server::start(config, memory::backend(&memory)).await.unwrap();
        // Each call on a connection of its own: one that is kept may be ended by the server just when it is used again.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        Self { memory, http, server }
    }

    pub async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| change(&mut config.limits)).await
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url("")).unwrap()
    }

    /// Stops without waiting for what is under way.
    pub async fn stop_at_once(self) {
        self.server.stop_unless(std::future::ready(())).await;
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// Posts JSON to `/`.
    pub async fn post(&self, body: &Value) -> (u16, Value) {
        let response = self.http.post(self.url("/")).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    /// Calls a method.
    pub async fn call(&self, method: &str, params: &Value) -> Result<Value, Refused> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, response) = self.post(&request).await;
        assert_eq!(status, 200, "{response}");
        match response.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(Refused::from_json(&response["error"])),
        }
    }

    /// The error of a call that must fail.
    pub async fn refusal(&self, method: &str, params: &Value) -> Refused {
        self.call(method, params).await.expect_err("this call must fail")
    }
}

/// Status and error of a plain HTTP response.
pub async fn http_refusal(response: reqwest::Response) -> (u16, Refused) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, Refused::from_json(&body["error"]))
}
