//! Blocks: how long they take.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::seconds;

/// Counts and times blocks.
#[derive(Clone, Debug)]
pub struct BlockMetrics {
    transactions: Counter,
    execution: Histogram,
    commit: Histogram,
}

/// Observes how long it lived when it is dropped.
#[derive(Debug)]
pub struct Timed<'a> {
    histogram: &'a Histogram,
    began: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.histogram.observe(self.began.elapsed().as_secs_f64());
    }
}

impl BlockMetrics {
    /// Counters at zero.
    pub fn new() -> Self {
        let (execution, commit) = (Histogram::new(seconds()), Histogram::new(seconds()));
        Self { transactions: Counter::default(), execution, commit }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Transactions in blocks that were committed since the start";
        registry.register("block_transactions", help, self.transactions.clone());
        let help = "Time to make or check a block, with the root of its state";
        registry.register("block_execution_seconds", help, self.execution.clone());
        let help = "Time to write a decided block in one synced batch";
        registry.register("block_commit_seconds", help, self.commit.clone());
    }

    /// A block is executed until this is dropped.
    pub fn execution(&self) -> Timed<'_> {
        Timed { histogram: &self.execution, began: Instant::now() }
    }

    /// A block is written until this is dropped.
    pub fn commit(&self) -> Timed<'_> {
        Timed { histogram: &self.commit, began: Instant::now() }
    }

    /// A block with so many transactions is on disk.
    pub fn committed(&self, transactions: usize) {
        self.transactions.inc_by(u64::try_from(transactions).unwrap_or(u64::MAX));
    }
}
