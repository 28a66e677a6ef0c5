//! One line every few seconds: what an operator wants to know at a glance.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;
use crate::traffic::Traffic;

const EVERY: Duration = Duration::from_secs(5);

/// Logs the status line until it is dropped.
pub async fn report(chain: Arc<Chain>, peer: dsn::Peer, traffic: Arc<Traffic>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = traffic.read();
    loop {
        ticks.tick().await;
        let now = traffic.read();
        let head = chain.watch_head().borrow().header.height;
        let seconds = EVERY.as_secs();
        tracing::info!(
            peers = peer.peer_count(),
            best = head,
            finalized = head,
            pending = chain.mempool().len(),
            received_bytes_per_s = now.received.saturating_sub(before.received) / seconds,
            served_bytes_per_s = now.served.saturating_sub(before.served) / seconds,
            "status"
        );
        before = now;
    }
}
