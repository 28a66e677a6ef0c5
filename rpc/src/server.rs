//! One listener for JSON-RPC, WebSockets and HTTP files.

mod connection;
mod guard;
mod io;
mod json;
mod metrics;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use jsonrpsee::core::RegisterMethodError;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{self, Context, Transport};
use crate::downloads::Downloads;
use crate::http;
use crate::limits::{BodyBudget, Limits};
use crate::observe::{Nobody, Observer};
use crate::ports::Backend;
use crate::stopping::Stopping;
use connection::Connections;
use guard::Guard;
use json::JsonRpc;

pub use metrics::{MetricsServer, MetricsSource, RunningMetrics};

/// How a server listens, and to whom.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host names beside `localhost`, `127.0.0.1` and `[::1]` that requests may be addressed to; `*` = any. Names that
    /// are not listed are refused, or else any web page could reach the node by pointing its own name at it.
    pub hosts: Vec<String>,
    /// Web origins, such as `https://example.org`, whose pages may call; `*` = any. A page that the server itself
    /// serves always may.
    pub cors_origins: Vec<String>,
    /// Everything that is bounded.
    pub limits: Limits,
    /// Hears of every request.
    pub observer: Arc<dyn Observer>,
}

impl ServerConfig {
    /// Defaults: no other host names, no other origins, nobody observes.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        let (limits, observer) = (Limits::default(), Arc::new(Nobody));
        Self { listen, hosts: Vec::new(), cors_origins: Vec::new(), limits, observer }
    }
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two methods have one name: a mistake in this crate.
    #[error("cannot register the methods")]
    Methods(#[from] RegisterMethodError),
}

/// The server of the client API.
#[derive(Debug)]
pub enum Server {}

impl Server {
    /// Listens and serves until [`RunningServer::stop`].
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: ServerConfig, backend: Backend) -> Result<RunningServer, StartError> {
        let ServerConfig { listen, hosts, cors_origins, limits, observer } = config;
        let listen_error = |source| StartError::Listen { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let local_addr = listener.local_addr().map_err(listen_error)?;

        let budget = BodyBudget::new(limits.bodies_in_flight_bytes);
        let downloads = Downloads::new(&limits, &budget);
        let uploads = budget.share(limits.uploads_in_flight_bytes);
        let (stop, stopped) = watch::channel(false);
        let stopping = Stopping::new(stopped);
        let context = Context {
            backend,
            limits: limits.clone(),
            budget,
            downloads,
            uploads,
            stopping: stopping.clone(),
            observer: observer.clone(),
        };
        let module = |transport| api::module(context.clone(), transport);
        let rpc = JsonRpc::new(module(Transport::Post)?, module(Transport::WebSocket)?, &context);
        let router = router(context, rpc.clone());
        let guard = Guard::new(&hosts, &cors_origins);

        let connections = Connections { router, guard: Arc::new(guard), limits, stopping, observer };
        let task = tokio::spawn(connections.serve(listener));
        tracing::info!(%local_addr, "rpc listens");
        Ok(RunningServer { local_addr, stop, rpc, task })
    }
}

fn router(context: Context, rpc: JsonRpc) -> Router {
    let rpc_routes = Router::new().route("/", axum::routing::post(json::call).get(json::upgrade)).with_state(rpc);
    http::routes()
        .with_state(Arc::new(context))
        .merge(rpc_routes)
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::no_such_method)
}

/// A server that serves until it is stopped.
#[derive(Debug)]
pub struct RunningServer {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    rpc: JsonRpc,
    task: JoinHandle<()>,
}

impl RunningServer {
    /// Where it listens, with the port that was taken.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no more connections, lets requests end within their grace, closes WebSockets.
    pub async fn stop(self) {
        self.stop_unless(std::future::pending()).await;
    }

    /// As [`stop`](Self::stop), but cuts what is still under way as soon as `hurry` resolves.
    pub async fn stop_unless(mut self, hurry: impl Future<Output = ()>) {
        self.stop.send_replace(true);
        self.rpc.stop();
        tokio::select! {
            ended = &mut self.task => if let Err(error) = ended {
                tracing::error!(%error, "the rpc listener ended badly");
            },
            () = hurry => {
                tracing::warn!("rpc connections are cut off");
                // Its connections are its own tasks and end with it.
                self.task.abort();
            }
        }
    }
}
