//! Uploads, by the stage they came to and how they ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rpc::types::{UploadStage, UploadStatus};
use tokio::sync::watch;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    stage: &'static str,
    outcome: &'static str,
}

/// Counts uploads.
#[derive(Clone, Debug)]
pub struct UploadMetrics {
    ended: Family<Ended, Counter>,
    under_way: Gauge,
}

/// An upload that is counted among those under way as long as this lives.
#[derive(Debug)]
pub struct UnderWay {
    metrics: UploadMetrics,
    progress: watch::Receiver<UploadStatus>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.metrics.under_way.dec();
    }
}

impl UploadMetrics {
    pub(super) fn new() -> Self {
        Self { ended: Family::default(), under_way: Gauge::default() }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("uploads", "Uploads that ended, by the stage they had come to", self.ended.clone());
        registry.register("uploads_under_way", "Uploads that have not ended", self.under_way.clone());
    }

    /// An upload begins that tells how far it is.
    pub fn begin(&self, progress: watch::Receiver<UploadStatus>) -> UnderWay {
        self.under_way.inc();
        UnderWay { metrics: self.clone(), progress }
    }
}

impl UnderWay {
    /// Waits for the upload's end and counts it.
    pub async fn until<T, E>(self, upload: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = upload.await;
        let stage = if result.is_ok() { "final" } else { stage(&self.progress.borrow()) };
        let outcome = if result.is_ok() { "ok" } else { "failed" };
        self.metrics.ended.get_or_create(&Ended { stage, outcome }).inc();
        result
    }
}

/// What an upload that has not ended is doing.
const fn stage(status: &UploadStatus) -> &'static str {
    match status.stage {
        UploadStage::Receiving => "receiving",
        UploadStage::Encoding => "encoding",
        UploadStage::Placing => "placing",
        UploadStage::Committed => "committed",
        UploadStage::Included => "included",
        UploadStage::Final => "final",
        UploadStage::Failed => "failed",
    }
}
