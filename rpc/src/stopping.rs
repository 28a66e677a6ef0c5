//! The one signal that the server stops.

use tokio::sync::watch;

/// Says when the server stops.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Stops when `stopped` turns true.
    #[must_use]
    pub const fn new(stopped: watch::Receiver<bool>) -> Self {
        Self(stopped)
    }

    /// Returns when the server is stopped, or gone without having been.
    pub async fn wait(&mut self) {
        // It fails only when the sender is gone.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}
