//! Signals, and how long the parts of a node may take to stop.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal as listen};

/// Blocking work, such as a synced write, may finish for this long at the very end.
pub const BLOCKING_GRACE: Duration = Duration::from_secs(10);

/// Resolves with the signal's name when SIGINT or SIGTERM comes. Listening begins at once, not at the first poll.
pub fn signal() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}
