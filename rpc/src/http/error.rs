//! Errors over HTTP: a status, and `{"error": {"code", "message", "data"}}`.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::error::ApiError;

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
    match error {
        ApiError::BadParams(_) | ApiError::Rejected { .. } => StatusCode::BAD_REQUEST,
        ApiError::NotFound(_) => StatusCode::NOT_FOUND,
        ApiError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ApiError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        ApiError::NotPermitted(_) => StatusCode::UNAUTHORIZED,
        ApiError::NotEnoughPieces { .. } | ApiError::TryAgain(_) => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::ContentMismatch { .. } | ApiError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        refusal(status(&self), self)
    }
}
