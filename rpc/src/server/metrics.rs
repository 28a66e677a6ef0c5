//! `GET /metrics` for Prometheus, on a port of its own: operators may open it to other machines than clients.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::StartError;
use super::connection::Connections;
use super::guard::Guard;
use crate::limits::Limits;
use crate::observe::Nobody;
use crate::stopping::Stopping;

/// Scrapers at once; one or two are usual.
const CONNECTIONS_MAX: u32 = 16;
/// The text format that every version of Prometheus reads.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS_TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes metrics when they are asked for. Called on a blocking thread.
pub trait MetricsSource: Send + Sync + 'static {
    /// The node's own, as Prometheus text.
    fn node(&self) -> String;
    /// The consensus engine's, as OpenMetrics text: their names are not ours.
    fn engine(&self) -> String;
}

/// The server of `/metrics` and `/metrics/engine`.
#[derive(Debug)]
pub enum MetricsServer {}

impl MetricsServer {
    /// Listens and serves until [`RunningMetrics::stop`].
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub async fn start(listen: SocketAddr, source: Arc<dyn MetricsSource>) -> Result<RunningMetrics, StartError> {
        let listen_error = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;
        let router = Router::new()
            .route("/metrics", get(|state| written(state, PROMETHEUS_TEXT, |source| source.node())))
            .route("/metrics/engine", get(|state| written(state, OPEN_METRICS_TEXT, |source| source.engine())))
            .with_state(source);
        let (stop, stopped) = watch::channel(false);
        let limits = Limits { connections: CONNECTIONS_MAX, ..Limits::default() };
        let guard = Arc::new(Guard::new(&[], &[]));
        let connections =
            Connections { router, guard, limits, observer: Arc::new(Nobody), stopping: Stopping::new(stopped) };
        let task = tokio::spawn(connections.serve(listener));
        Ok(RunningMetrics { local_addr, stop, task })
    }
}

type Source = Arc<dyn MetricsSource>;

async fn written(
    State(source): State<Source>,
    format: &'static str,
    write: fn(&dyn MetricsSource) -> String,
) -> Response {
    match tokio::task::spawn_blocking(move || write(&*source)).await {
        Ok(text) => ([(CONTENT_TYPE, format)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A server of metrics that serves until it is stopped.
#[derive(Debug)]
pub struct RunningMetrics {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RunningMetrics {
    /// Where it listens, with the port that was taken.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no more connections and lets answers end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the listener of metrics ended badly");
        }
    }
}
