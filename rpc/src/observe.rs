//! Whoever wants to know of every request: its name, how it ended, how long it took.

use std::fmt::Debug;
use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::error::ApiError;
use crate::http::status;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was answered.
    Ok,
    /// The client's fault: it was refused.
    Refused,
    /// The node's or the network's fault, now or for good.
    Failed,
}

impl Outcome {
    /// For people and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Of a call: whose fault it is follows from the status that the error has over HTTP.
    pub(crate) fn of(error: Option<&ApiError>) -> Self {
        error.map_or(Self::Ok, |error| Self::of_status(status(error)))
    }

    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            status if status.is_server_error() => Self::Failed,
            status if status.is_client_error() => Self::Refused,
            _ => Self::Ok,
        }
    }
}

/// Hears of every request once it is answered; what streams after the head of an answer is not waited for. Must not
/// block.
pub trait Observer: Debug + Send + Sync + 'static {
    /// `name` is a JSON-RPC method that exists, or one of the few names of HTTP requests.
    fn answered(&self, name: &'static str, outcome: Outcome, took: Duration);
}

/// Does not care.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn answered(&self, _: &'static str, _: Outcome, _: Duration) {}
}

/// The name of an HTTP request; none for JSON-RPC, whose calls have names of their own. There are few of them, whatever
/// clients send.
pub(crate) fn request_name(method: &Method, path: &str) -> Option<&'static str> {
    let is_read = method == Method::GET || method == Method::HEAD;
    let name = match path {
        "/" => return None,
        "/v1/files" if !is_read => "http_put_file",
        path if path.starts_with("/v1/files/") && path.ends_with("/pieces") => "http_locate",
        path if path.starts_with("/v1/files/") && is_read => "http_get_file",
        path if path == "/v1/uploads" || path.starts_with("/v1/uploads/") => "http_upload",
        path if path == "/health" || path.starts_with("/health/") => "http_health",
        _ => "http_other",
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_clients_send_there_are_few_names() {
        let name = |method: Method, path: &str| request_name(&method, path);
        assert_eq!(name(Method::PUT, "/v1/files"), Some("http_put_file"));
        assert_eq!(name(Method::POST, "/v1/files"), Some("http_put_file"));
        assert_eq!(name(Method::HEAD, "/v1/files/0x12"), Some("http_get_file"));
        assert_eq!(name(Method::GET, "/v1/files/0x12/pieces"), Some("http_locate"));
        assert_eq!(name(Method::DELETE, "/v1/files/0x12"), Some("http_other"));
        assert_eq!(name(Method::GET, "/health/readiness"), Some("http_health"));
        assert_eq!(name(Method::GET, "/wp-login.php"), Some("http_other"));
        assert_eq!(name(Method::POST, "/"), None);
    }

    #[test]
    fn an_error_is_the_fault_of_whom_its_status_blames() {
        assert_eq!(Outcome::of(None), Outcome::Ok);
        assert_eq!(Outcome::of(Some(&ApiError::BadParams("x".into()))), Outcome::Refused);
        assert_eq!(Outcome::of(Some(&ApiError::internal("x"))), Outcome::Failed);
        assert_eq!(Outcome::of(Some(&crate::TryAgain::Syncing.into())), Outcome::Failed);
    }
}
