//! Errors over HTTP: a status, and `{"error": {"code", "message", "data"}}`.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::error::{ApiError, codes};

#[derive(Serialize)]
struct Body {
    error: ErrorObjectOwned,
}

/// An error with a status of its own.
pub(crate) fn refusal(status: StatusCode, error: ApiError) -> Response {
    let mut response = (status, Json(Body { error: error.into_object() })).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// The status that goes with an error's code.
pub(crate) const fn status(error: &ApiError) -> StatusCode {
    match error.code() {
        codes::BAD_PARAMS | codes::REJECTED => StatusCode::BAD_REQUEST,
        codes::NOT_FOUND => StatusCode::NOT_FOUND,
        codes::TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        codes::FULL => StatusCode::INSUFFICIENT_STORAGE,
        codes::NOT_PERMITTED => StatusCode::UNAUTHORIZED,
        codes::NOT_ENOUGH_PIECES | codes::TRY_AGAIN => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        refusal(status(&self), self)
    }
}
