//! Metrics for Prometheus: counters that the parts are given, and what is read from them when somebody asks.
//!
//! `docs/metrics.md` lists every name; a test holds it equal to what is served. The other crates keep plain numbers, or
//! tell an observer; only here is it known how Prometheus wants them. Labels have few values, all known at start, and
//! none is allocated where something is counted.

mod blocks;
mod network;
mod observed;
mod requests;
mod text;
mod uploads;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::Registry;
use rpc::{MetricsServer, MetricsSource, RunningMetrics};

pub use blocks::BlockMetrics;
pub use observed::Observed;
pub use requests::RequestMetrics;
pub use uploads::UploadMetrics;

/// In front of every name.
const PREFIX: &str = "piecewise";
/// Where metrics are served unless the operator says otherwise.
const USUAL_PORT: u16 = 9_615;

/// Where metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsPort {
    /// On 9615 if it is free.
    Usual,
    /// Here and nowhere else; 0 takes any free port.
    At(u16),
    /// Not at all.
    Off,
}

/// What the parts of a node count with. Clones count together.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Blocks executed and committed.
    pub blocks: BlockMetrics,
    /// Requests of clients.
    pub requests: RequestMetrics,
    /// Uploads of the gateway.
    pub uploads: UploadMetrics,
}

impl Counters {
    /// All at zero.
    pub fn new() -> Self {
        Self { blocks: BlockMetrics::new(), requests: RequestMetrics::new(), uploads: UploadMetrics::new() }
    }
}

/// Serves `counters` and what is `observed`; none if metrics are off, or the usual port is taken.
pub async fn serve(
    port: MetricsPort,
    counters: &Counters,
    observed: Observed,
) -> anyhow::Result<Option<RunningMetrics>> {
    let (number, is_wanted) = match port {
        MetricsPort::Off => return Ok(None),
        MetricsPort::Usual => (USUAL_PORT, false),
        MetricsPort::At(number) => (number, true),
    };
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
    match MetricsServer::start(listen, Arc::new(Exporter::new(counters, observed))).await {
        Ok(running) => {
            tracing::info!("Prometheus metrics on http://{}/metrics", running.local_addr());
            Ok(Some(running))
        }
        Err(error) if is_wanted => Err(error).context("serve metrics; --prometheus-port gives them another port"),
        Err(error) => {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "metrics are not served; --prometheus-port gives them another port"
            );
            Ok(None)
        }
    }
}

struct Exporter {
    registry: Registry,
}

impl Exporter {
    fn new(counters: &Counters, observed: Observed) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        counters.blocks.register(&mut registry);
        counters.requests.register(&mut registry);
        counters.uploads.register(&mut registry);
        registry.register_collector(Box::new(observed));
        Self { registry }
    }
}

impl MetricsSource for Exporter {
    fn node(&self) -> String {
        let mut open_metrics = String::new();
        if encode_registry(&mut open_metrics, &self.registry).is_err() {
            // A string takes whatever is written to it.
            tracing::error!("the metrics cannot be written");
        }
        text::prometheus(&open_metrics)
    }

    fn engine(&self) -> String {
        let mut text = String::new();
        consensus::write_metrics(&mut text);
        text
    }
}

/// Seconds of something that takes from a millisecond to half a minute.
fn seconds() -> impl Iterator<Item = f64> {
    exponential_buckets(0.001, 2.0, 16)
}
