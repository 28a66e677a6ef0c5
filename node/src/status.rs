//! One line every few seconds: what an operator wants to know at a glance.

use std::sync::Arc;
use std::time::Duration;

use rpc::types::SyncState;
use runtime::types::Height;
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::{Chain, clock_ms};
use crate::sync::Sync;
use crate::traffic::Traffic;

const EVERY: Duration = Duration::from_secs(5);
/// A clock that is further from the last block's is wrong: blocks come more often, and their times are checked more closely.
const APART_MAX: Duration = Duration::from_secs(20);

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
        let now = traffic.read();
        let (head, head_ms) = {
            let head = chain.watch_head();
            let head = head.borrow();
            (head.header.height, head.header.timestamp_ms)
        };
        let is_fresh = !sync.is_syncing() && head > height_before;
        if let Some(wrong) = clock(head_ms, clock_ms(), is_fresh) {
            tracing::warn!("{wrong}");
        }
        height_before = state.current_block;
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

/// What is wrong with this node's clock, by the time of a block that is `is_fresh` if it came since the last line.
fn clock(block_ms: u64, now_ms: u64, is_fresh: bool) -> Option<String> {
    let apart_max = u64::try_from(APART_MAX.as_millis()).unwrap_or(u64::MAX);
    let wrong = |apart_ms: u64, way| {
        let apart = humantime::format_duration(Duration::from_secs(apart_ms / 1000));
        format!("this node's clock is {apart} {way} the chain's: others refuse its blocks, or it theirs; set it right")
    };
    if block_ms > now_ms.saturating_add(apart_max) {
        return Some(wrong(block_ms - now_ms, "behind"));
    }
    (is_fresh && now_ms > block_ms.saturating_add(apart_max)).then(|| wrong(now_ms - block_ms, "ahead of"))
}

/// One line of a node that catches up, or does not know yet whether it has to.
fn progress(state: &SyncState, height_before: Height) {
    let SyncState { current_block: height, highest_block: target, .. } = *state;
    if target <= height {
        tracing::info!(height, "waiting for a peer that says how far the chain is");
        return;
    }
    let blocks_per_s = height.saturating_sub(height_before) / EVERY.as_secs();
    let left = target.saturating_sub(height).checked_div(blocks_per_s);
    let left =
        left.map_or_else(|| "unknown".into(), |s| humantime::format_duration(Duration::from_secs(s)).to_string());
    tracing::info!(height, target, blocks_per_s, left, "syncing");
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn a_clock_that_is_wrong_is_named_with_the_way_it_is() {
        assert_eq!(clock(1_000_000, 1_005_000, true), None);
        assert_eq!(clock(1_000_000, 998_000, true), None);
        assert!(clock(5_000_000, 1_400_000, true).is_some_and(|said| said.contains("is 1h behind the chain's")));
        assert!(clock(1_000_000, 4_600_000, true).is_some_and(|said| said.contains("is 1h ahead of the chain's")));
        assert_eq!(clock(1_000_000, 4_600_000, false), None, "no block has come for an hour, or old ones do");
    }
}
