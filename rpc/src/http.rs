//! Files and health over plain HTTP.

mod body;
mod error;
mod files;
mod headers;
mod range;

pub(crate) use body::Source;
pub(crate) use error::{refusal, status};

use std::sync::Arc;

use axum::extract::{OriginalUri, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};

use crate::api::Context;
use crate::error::{ApiError, TryAgain};

/// Routes of files and health.
pub(crate) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/v1/files", put(files::upload).post(files::upload))
        .route("/v1/files/{file_id}", get(files::download).head(files::head))
        .route("/v1/files/{file_id}/pieces", get(files::pieces))
        .route("/health", get(health))
        .route("/health/readiness", get(readiness))
}

/// What every other path gets.
pub(crate) async fn no_such_path(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    ApiError::NotFound(format!("there is nothing at {method} {}", uri.path())).into_response()
}

/// What every other method of a path gets.
pub(crate) async fn no_such_method(method: Method, OriginalUri(uri): OriginalUri) -> Response {
    let error = ApiError::NotPermitted(format!("{} does not take {method}", uri.path()));
    refusal(StatusCode::METHOD_NOT_ALLOWED, error)
}

async fn health(State(context): State<Arc<Context>>) -> Result<Response, ApiError> {
    Ok(Json(context.backend.system.health().await?).into_response())
}

/// 200 when the node can serve: not behind, and with peers if it should have some.
async fn readiness(State(context): State<Arc<Context>>) -> Result<Response, ApiError> {
    let health = context.backend.system.health().await?;
    if health.is_syncing {
        return Err(TryAgain::Syncing.into());
    }
    if health.should_have_peers && health.peers == 0 {
        return Err(TryAgain::NoPeers.into());
    }
    Ok(Json(health).into_response())
}
