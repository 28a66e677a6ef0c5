//! How far this node is behind the others.

use std::sync::Arc;

use consensus::PeerHeights;
use rpc::types::SyncState;
use runtime::types::Height;
use tokio::sync::watch;

use crate::chain::Chain;

/// A node this many blocks behind the best peer, or fewer, follows; one that is further behind catches up.
const BEHIND_MAX: u64 = 3;

/// How far this node is behind the others. Cheap to clone.
#[derive(Clone)]
pub struct Sync {
    chain: Arc<Chain>,
    heights: PeerHeights,
    starting_block: Height,
    is_alone: bool,
}

impl Sync {
    /// Of a chain that was at `starting_block` when the node started. `is_alone` if nobody but this node decides.
    pub const fn new(chain: Arc<Chain>, heights: PeerHeights, starting_block: Height, is_alone: bool) -> Self {
        Self { chain, heights, starting_block, is_alone }
    }

    /// Whether the node is too far behind to say anything about now. One that was just started, and has neither heard of a
    /// peer nor seen a block, does not know, and says so.
    pub fn is_syncing(&self) -> bool {
        let head = self.head();
        match self.heights.best() {
            Some(best) => best > head.saturating_add(BEHIND_MAX),
            None => !self.is_alone && head == self.starting_block,
        }
    }

    /// Where the node was, is, and will be.
    pub fn state(&self) -> SyncState {
        let current_block = self.head();
        let highest_block = self.heights.best().unwrap_or(0).max(current_block);
        SyncState { starting_block: self.starting_block, current_block, highest_block }
    }

    /// Resolves once the node follows; at once if it does already.
    pub async fn caught_up(&self) {
        let mut head = self.chain.watch_head();
        let mut said = self.heights.watch();
        while self.is_syncing() {
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                () = changes(&mut said) => {}
            }
        }
    }

    fn head(&self) -> Height {
        self.chain.ledger().head().header.height
    }
}

/// Resolves when a peer says something; never once nobody can.
async fn changes(said: &mut watch::Receiver<()>) {
    if said.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
