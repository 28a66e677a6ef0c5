//! Show clients the network: JSON-RPC and HTTP files.
//!
//! ```text
//!              one listener (server): header timeout, Host and Origin, connections, bytes in flight
//!                     |                                   |
//!   POST /, WebSocket /  (server/json)        /v1/files, /health  (http)
//!                     |                                   |
//!   api: a table of methods, parameters             streams, ranges, entity tags
//!   by position or by name, one handler each              |
//!                     |                                   |
//!                     +-------------> ports <-------------+      small traits that the node implements
//! ```
//!
//! # Laws
//! - **Nothing unbounded.** Every body, batch, page, wait and connection has a limit in [`limits::Limits`].
//! - **Streams stay streams.** File bytes over HTTP are never collected; a stream that fails ends the body with an
//!   error, never as if it were complete.
//! - **Unknown is refused.** A parameter or query field that is not known is an error that names it.
//! - **Details stay inside.** What went wrong in the node is logged under a number; the client gets the number.

pub mod api;
pub mod client;
pub mod downloads;
pub mod error;
pub mod http;
pub mod limits;
pub mod observe;
pub mod ports;
pub mod proven;
pub mod server;
pub mod stopping;
pub mod types;

pub use client::{Client, ClientError};
pub use error::{ApiError, TryAgain};
pub use observe::{Observer, Outcome};
pub use ports::Backend;
pub use server::{MetricsServer, MetricsSource, RunningMetrics, RunningServer, Server, ServerConfig, StartError};
