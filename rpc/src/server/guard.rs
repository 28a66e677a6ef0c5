//! Who may call: the names a request may be addressed to, and the web pages it may come from.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::error::ApiError;
use crate::http::refusal;

/// Names that mean this machine.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT");
const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("content-type, content-disposition, range, if-none-match, if-range");
const RESPONSE_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, location, content-range, accept-ranges, content-disposition, retry-after");
/// Seconds that a browser may remember an answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The lists, `None` = any.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: Option<Vec<String>>,
    origins: Option<Vec<String>>,
}

/// What the guard says of a request.
pub(super) enum Admission {
    /// Serve it, and let pages of this origin read the answer.
    Serve(Option<HeaderValue>),
    /// Answer this instead.
    Answer(Box<Response>),
}

impl Guard {
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        let list = |entries: &[String]| {
            let any = entries.iter().any(|entry| entry == "*");
            (!any).then(|| entries.iter().map(|entry| entry.trim_end_matches('/').to_ascii_lowercase()).collect())
        };
        let hosts = list(hosts).map(|mut hosts: Vec<String>| {
            hosts.extend(LOCAL_HOSTS.map(ToOwned::to_owned));
            hosts
        });
        Self { hosts, origins: list(origins) }
    }

    pub(super) fn admit(&self, request: &Parts) -> Admission {
        let answer = |response: Response| Admission::Answer(Box::new(response));
        let Some(authority) = addressed_to(request) else {
            let error = ApiError::NotPermitted("the request does not say which host it is for".into());
            return answer(refusal(StatusCode::FORBIDDEN, error));
        };
        if !self.knows_host(authority.host()) {
            let error = ApiError::NotPermitted(format!("this node is not {}", authority.host()));
            return answer(refusal(StatusCode::FORBIDDEN, error));
        }
        let Some(origin) = request.headers.get(ORIGIN) else { return Admission::Serve(None) };
        match self.origin(origin, &authority) {
            Origin::Same => Admission::Serve(None),
            Origin::Listed if is_preflight(request) => answer(preflight(origin)),
            Origin::Listed => Admission::Serve(Some(origin.clone())),
            Origin::Foreign => {
                let error = ApiError::NotPermitted("pages of this origin may not call this node".into());
                answer(refusal(StatusCode::FORBIDDEN, error))
            }
        }
    }

    fn knows_host(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|known| known.eq_ignore_ascii_case(host)))
    }

    fn origin(&self, origin: &HeaderValue, authority: &Authority) -> Origin {
        let Some(listed) = &self.origins else { return Origin::Listed };
        let Ok(origin) = origin.to_str() else { return Origin::Foreign };
        let origin = origin.to_ascii_lowercase();
        if origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(authority.as_str())) {
            return Origin::Same;
        }
        if listed.contains(&origin) { Origin::Listed } else { Origin::Foreign }
    }
}

enum Origin {
    Same,
    Listed,
    Foreign,
}

/// The host of the request: in its target if that is a whole address, else in its one `Host` header.
fn addressed_to(request: &Parts) -> Option<Authority> {
    if let Some(authority) = request.uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() { None } else { host.parse().ok() }
}

fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(origin: &HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    expose(headers, origin.clone());
    response
}

/// Lets pages of `origin` read the response.
pub(super) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    headers.append(VARY, HeaderValue::from_static("origin"));
}
