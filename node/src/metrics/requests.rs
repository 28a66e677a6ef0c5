//! Requests of clients, by method and outcome.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rpc::{Observer, Outcome};

use super::seconds;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethod {
    method: &'static str,
}

/// Counts and times requests.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    ended: Family<Ended, Counter>,
    took: Family<OfMethod, Histogram>,
}

impl RequestMetrics {
    pub(super) fn new() -> Self {
        Self { ended: Family::default(), took: Family::new_with_constructor(|| Histogram::new(seconds())) }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests of clients that were answered", self.ended.clone());
        let help = "Time until a request's answer, or the head of a streamed one";
        registry.register("request_seconds", help, self.took.clone());
    }
}

impl Observer for RequestMetrics {
    fn answered(&self, method: &'static str, outcome: Outcome, took: Duration) {
        self.ended.get_or_create(&Ended { method, outcome: outcome.name() }).inc();
        self.took.get_or_create(&OfMethod { method }).observe(took.as_secs_f64());
    }
}
