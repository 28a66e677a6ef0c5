//! Call a node: the table of methods from the other side.

use std::time::Duration;

use jsonrpsee::core::JsonRawValue;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use serde_json::Value;
use thiserror::Error;

use crate::api::methods::Method;
use crate::limits::Limits;

/// Longer than the slowest call, which is `storage_submit` with 60 s.
const CALL_TIME: Duration = Duration::from_secs(90);
/// A node that is there accepts at once.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Calls one node over HTTP.
#[derive(Clone, Debug)]
pub struct Client(HttpClient);

/// Why a call gave nothing.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The node said no.
    #[error("{message} (code {code})")]
    Refused {
        /// As in `api.md`.
        code: i32,
        /// One sentence.
        message: String,
        /// What helps.
        data: Option<Value>,
    },
    /// The node did not answer, or not in JSON-RPC.
    #[error("cannot call {method}")]
    Failed {
        /// The method.
        method: &'static str,
        /// Why.
        #[source]
        source: Box<jsonrpsee::core::client::Error>,
    },
    /// Not an address of a node.
    #[error("{url:?} is not an http:// address")]
    Url {
        /// What was given.
        url: String,
        /// Why not.
        #[source]
        source: Box<jsonrpsee::core::client::Error>,
    },
}

/// Parameters that are JSON already.
struct Ready(Box<JsonRawValue>);

impl ToRpcParams for Ready {
    fn to_rpc_params(self) -> Result<Option<Box<JsonRawValue>>, serde_json::Error> {
        Ok(Some(self.0))
    }
}

impl Client {
    /// A client of the node at `url`, such as `http://127.0.0.1:9944`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let body_bytes = Limits::default().json_body_bytes;
        HttpClientBuilder::default()
            .max_request_size(body_bytes)
            .max_response_size(body_bytes)
            .request_timeout(CALL_TIME)
            .connect_timeout(CONNECT_TIME)
            .build(url)
            .map(Self)
            .map_err(|source| ClientError::Url { url: url.to_owned(), source: Box::new(source) })
    }

    /// Calls a method of the table: `client.call::<StorageFile>(&FileParams { file_id })`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the node's own words, [`ClientError::Failed`] without an answer.
    pub async fn call<M: Method>(&self, params: &M::Params) -> Result<M::Output, ClientError> {
        let failed = |source| ClientError::Failed { method: M::NAME, source: Box::new(source) };
        let json = serde_json::value::to_raw_value(params).map_err(|error| failed(error.into()))?;
        self.0.request(M::NAME, Ready(json)).await.map_err(|error| match error {
            jsonrpsee::core::client::Error::Call(object) => ClientError::Refused {
                code: object.code(),
                message: object.message().to_owned(),
                data: object.data().and_then(|data| serde_json::from_str(data.get()).ok()),
            },
            other => failed(other),
        })
    }
}
