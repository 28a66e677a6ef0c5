//! The node itself, as in Substrate, and pages.

use runtime::types::{BlockHash, Height};
use serde::{Deserialize, Serialize};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// In order.
    pub items: Vec<T>,
    /// Where to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub cursor: Option<String>,
}

/// Peers, and whether the node is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Connected peers.
    pub peers: u32,
    /// More than 3 blocks behind the best peer.
    pub is_syncing: bool,
    /// Whether a node without peers is ill.
    pub should_have_peers: bool,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// Its peer id.
    pub peer_id: String,
    /// What it does, as far as known.
    pub roles: String,
    /// Hash of its last final block, if known.
    pub best_hash: Option<BlockHash>,
    /// Height of its last final block, if known.
    pub best_number: Option<Height>,
}

/// How far syncing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncState {
    /// Height at the node's start.
    pub starting_block: Height,
    /// Height now.
    pub current_block: Height,
    /// Height of the best peer.
    pub highest_block: Height,
}
