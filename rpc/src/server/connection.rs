//! Connections: accepted within a limit, guarded, served, ended.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

use super::guard::{Admission, Guard, expose};
use super::io::{Io, TokioTimer};
use crate::limits::Limits;
use crate::observe::{Observer, Outcome, request_name};
use crate::stopping::Stopping;

/// After a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// When the server stops, a connection without a request has this long to send what it was answered before.
const FLUSH_GRACE: Duration = Duration::from_millis(500);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Connections {
    pub router: Router,
    pub guard: Arc<Guard>,
    pub limits: Limits,
    pub stopping: Stopping,
    pub observer: Arc<dyn Observer>,
}

impl Connections {
    /// Accepts and serves until stopped, then waits for what is under way.
    pub(super) async fn serve(mut self, listener: TcpListener) {
        let most = usize::try_from(self.limits.connections).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(most));
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = self.stopping.wait() => break,
                Some(_) = tasks.join_next() => continue,
                accepted = accept(&listener, &slots) => accepted,
            };
            match accepted {
                Ok((stream, slot)) => {
                    let connection = self.clone().connection(stream);
                    tasks.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an rpc connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.limits.stop_grace, all_ended).await.is_err() {
            tracing::warn!("rpc connections are cut off");
        }
    }

    async fn connection(mut self, stream: TcpStream) {
        // Only latency suffers if it cannot be set.
        let _ = stream.set_nodelay(true);
        let io = Io::new(stream, self.limits.write_stall);
        let head_bytes = usize::try_from(self.limits.head_bytes).unwrap_or(usize::MAX);
        let (router, guard, observer) = (self.router, self.guard, self.observer);
        // Each request holds it until its response is handed over.
        let requests = Arc::new(());
        let counted = Arc::downgrade(&requests);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (router, guard, observer) = (router.clone(), Arc::clone(&guard), Arc::clone(&observer));
            let under_way = counted.upgrade();
            async move {
                let (began, name) = (Instant::now(), request_name(request.method(), request.uri().path()));
                let response = respond(router, &guard, request.map(Body::new)).await;
                if let Some(name) = name {
                    observer.answered(name, Outcome::of_status(response.status()), began.elapsed());
                }
                Ok::<_, Infallible>(response.map(|body| Held { body, _under_way: under_way }))
            }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer).header_read_timeout(self.limits.head_time).max_buf_size(head_bytes);
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        let result = tokio::select! {
            result = connection.as_mut() => result,
            () = self.stopping.wait() => {
                connection.as_mut().graceful_shutdown();
                if Arc::strong_count(&requests) > 1 {
                    connection.await
                } else {
                    // At most a part of a head has come: there is nothing to wait for.
                    timeout(FLUSH_GRACE, connection).await.unwrap_or(Ok(()))
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "an rpc connection ended early");
        }
    }
}

/// A response's body. While it lives, its request is under way.
struct Held {
    body: Body,
    _under_way: Option<Arc<()>>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> std::io::Result<(TcpStream, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

async fn respond(router: Router, guard: &Guard, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let origin = match guard.admit(&parts) {
        Admission::Serve(origin) => origin,
        Admission::Answer(response) => return *response,
    };
    let request = Request::from_parts(parts, body);
    let mut response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(origin) = origin {
        expose(response.headers_mut(), origin);
    }
    response
}
