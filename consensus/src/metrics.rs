//! The engine's own metrics.

use std::fmt;

use malachite::app::metrics;

/// Writes the metrics of every engine in this process as OpenMetrics text, which ends in `# EOF`.
pub fn write_metrics<W: fmt::Write>(writer: &mut W) {
    metrics::export(writer);
}
