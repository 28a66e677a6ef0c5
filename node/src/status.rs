//! One line every few seconds: what an operator wants to know at a glance.

use std::sync::Arc;
use std::time::Duration;

use rpc::types::SyncState;
use runtime::types::Height;
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;
use crate::sync::Sync;
use crate::traffic::Traffic;

const EVERY: Duration = Duration::from_secs(5);

/// Logs the status line until it is dropped.
pub async fn report(chain: Arc<Chain>, sync: Sync, peer: dsn::Peer, traffic: Arc<Traffic>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = traffic.read();
    let mut height_before = sync.state().current_block;
    loop {
        ticks.tick().await;
        let state = sync.state();
        if sync.is_syncing() {
            progress(&state, height_before);
        }
        height_before = state.current_block;
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

/// One line of a node that catches up.
fn progress(state: &SyncState, height_before: Height) {
    let SyncState { current_block: height, highest_block: target, .. } = *state;
    let blocks_per_s = height.saturating_sub(height_before) / EVERY.as_secs();
    let left = target.saturating_sub(height).checked_div(blocks_per_s);
    let left =
        left.map_or_else(|| "unknown".into(), |s| humantime::format_duration(Duration::from_secs(s)).to_string());
    tracing::info!(height, target, blocks_per_s, left, "syncing");
}
