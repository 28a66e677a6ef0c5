//! JSON-RPC over HTTP POST and over WebSocket.
//!
//! Bodies are read here and counted as they come; jsonrpsee gets them whole.

use std::fmt;

use super::words::Words;
use crate::api::{Context, OverWebSocket};
use crate::error::{ApiError, TryAgain, codes};
use crate::http::{Source, no_such_method};
use crate::limits::{BodyBudget, BodyPermit, Limits};
use crate::stopping::Stopping;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body::Body as _;
use jsonrpsee::RpcModule;
use jsonrpsee::core::middleware::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, PingConfig, ServerBuilder, ServerConfig, ServerHandle, TowerService, stop_channel,
};
use jsonrpsee::types::ErrorObjectOwned;
use serde::de::{Deserializer as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::json;
use tokio::time::timeout;
use tower::ServiceExt;
use tower::layer::util::{Identity, Stack};

type Service = TowerService<Stack<Words, Identity>, Identity>;

/// jsonrpsee, once for POST and once for WebSockets, which have a limit of their own.
#[derive(Clone)]
pub(super) struct JsonRpc {
    post: Service,
    websocket: Service,
    handle: ServerHandle,
    limits: Limits,
    budget: BodyBudget,
    stopping: Stopping,
}

impl fmt::Debug for JsonRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonRpc")
    }
}

impl JsonRpc {
    pub(super) fn new(methods: RpcModule<Context>, subscribed: RpcModule<Context>, context: &Context) -> Self {
        let limits = context.limits.clone();
        let (stop, handle) = stop_channel();
        let config = || {
            ServerConfig::builder()
                .max_request_body_size(limits.json_body_bytes)
                .max_response_body_size(limits.json_body_bytes)
                .set_batch_request_config(BatchRequestConfig::Limit(limits.batch_calls))
        };
        let post = config().http_only().max_connections(limits.connections).build();
        let websocket = config()
            .ws_only()
            .max_connections(limits.websockets)
            .max_subscriptions_per_connection(limits.subscriptions)
            .set_message_buffer_capacity(limits.websocket_queue)
            .enable_ws_ping(PingConfig::new())
            .build();
        let words = Words { response_bytes: limits.json_body_bytes };
        let in_our_words = || RpcServiceBuilder::new().layer(words);
        let service =
            |config| ServerBuilder::with_config(config).set_rpc_middleware(in_our_words()).to_service_builder();
        Self {
            post: service(post).build(methods, stop.clone()),
            websocket: service(websocket).build(subscribed, stop),
            handle,
            budget: context.budget.clone(),
            stopping: context.stopping.clone(),
            limits,
        }
    }

    /// Closes WebSockets.
    pub(super) fn stop(&self) {
        // It fails only if it is stopped already.
        let _ = self.handle.stop();
    }
}

/// `POST /`.
pub(super) async fn call(State(rpc): State<JsonRpc>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (bytes, mut counted) = match read(&rpc, &parts, body).await {
        Ok(read) => read,
        Err(error) => return refuse(error),
    };
    if is_oversized_batch(&bytes, rpc.limits.batch_calls) {
        let message = format!("a batch has at most {} calls", rpc.limits.batch_calls);
        let data = json!({ "limit": rpc.limits.batch_calls });
        let error = ErrorObjectOwned::owned(codes::TOO_LARGE, message, Some(data));
        return envelope(StatusCode::OK, &error);
    }
    let request = axum::http::Request::from_parts(parts, HttpBody::from(Vec::from(bytes)));
    let response = match rpc.post.oneshot(request).await {
        Ok(response) => in_our_words(response),
        Err(error) => return refuse(ApiError::internal(error)),
    };
    // The answer is in memory until the client has taken it.
    let length = response.body().size_hint().exact();
    if let Err(error) = counted.grow(length.unwrap_or(0)) {
        return refuse(error.into());
    }
    let (parts, body) = response.into_parts();
    let body = Body::new(body).into_data_stream().map(move |chunk| {
        let _held = &counted;
        chunk
    });
    let mut response = Response::from_parts(parts, Body::from_stream(body));
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

/// What jsonrpsee refuses before any call, with the code that clients know.
fn in_our_words(response: axum::http::Response<HttpBody>) -> axum::http::Response<HttpBody> {
    let (parts, body) = response.into_parts();
    if parts.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let error = ApiError::BadParams("content-type: must be application/json".into());
        return envelope(parts.status, &error.into_object()).map(HttpBody::new);
    }
    axum::http::Response::from_parts(parts, body)
}

/// The whole body, within its limit and its time, counted as it comes.
async fn read(rpc: &JsonRpc, parts: &Parts, body: Body) -> Result<(Bytes, BodyPermit), ApiError> {
    let limit = u64::from(rpc.limits.json_body_bytes);
    let too_large = || ApiError::TooLarge { what: "the body", limit };
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut source = Source::new(body, &parts.headers, rpc.stopping.clone());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut counted = rpc.budget.reserve(0)?;
    let collect = async {
        let mut bytes = BytesMut::new();
        let mut left = limit;
        while let Some(chunk) = source.next(rpc.limits.json_body_time).await? {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            left = left.checked_sub(length).ok_or_else(too_large)?;
            counted.grow(length)?;
            bytes.extend_from_slice(&chunk);
        }
        Ok::<_, ApiError>(bytes.freeze())
    };
    let bytes = match timeout(rpc.limits.json_body_time, collect).await {
        Ok(bytes) => bytes?,
        Err(_) => {
            let seconds = rpc.limits.json_body_time.as_secs();
            return Err(ApiError::BadParams(format!("the body did not arrive within {seconds} s")));
        }
    };
    Ok((bytes, counted))
}

/// Whether this is an array of more than `most` elements. Counting ends there, however long the rest is.
fn is_oversized_batch(bytes: &[u8], most: u32) -> bool {
    struct Count<'a> {
        most: u32,
        over: &'a mut bool,
    }

    impl<'de> Visitor<'de> for Count<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a batch")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut calls: A) -> Result<(), A::Error> {
            for _ in 0..=self.most {
                if calls.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(());
                }
            }
            *self.over = true;
            Ok(())
        }
    }

    let is_array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let mut over = false;
    if is_array {
        // It fails when elements are left over, or when they do not parse, of which jsonrpsee tells the client.
        let _ = serde_json::Deserializer::from_slice(bytes).deserialize_seq(Count { most, over: &mut over });
    }
    over
}

/// An error that belongs to no call.
fn refuse(error: ApiError) -> Response {
    let status = match &error {
        ApiError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::TryAgain(TryAgain::Overloaded(_) | TryAgain::Stopping) => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::BadParams(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    envelope(status, &error.into_object())
}

fn envelope(status: StatusCode, error: &ErrorObjectOwned) -> Response {
    let json = json!({ "jsonrpc": "2.0", "error": error, "id": null }).to_string();
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))], json).into_response()
}

/// `GET /`: WebSocket upgrades and nothing else.
pub(super) async fn upgrade(State(rpc): State<JsonRpc>, mut request: Request) -> Response {
    let is_websocket =
        request.headers().get(UPGRADE).is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_websocket {
        let uri = axum::extract::OriginalUri(request.uri().clone());
        let mut response = no_such_method(request.method().clone(), uri).await;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    request.extensions_mut().insert(OverWebSocket);
    match rpc.websocket.oneshot(request.map(HttpBody::new)).await {
        Ok(response) => response.map(Body::new),
        Err(error) => refuse(ApiError::internal(error)),
    }
}
