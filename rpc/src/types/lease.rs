//! Leases that are changed, and how well a file is.

use runtime::types::{Balance, Height, TxHash, amount_text};
use serde::{Deserialize, Serialize};

/// How long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseOptions {
    /// Epochs, at least one.
    pub lease_epochs: u32,
}

/// A lease that a final block made longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extended {
    /// The transaction that did.
    pub tx_hash: TxHash,
    /// Height of its block.
    pub height: Height,
}

/// A lease that a final block ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Released {
    /// The transaction that did.
    pub tx_hash: TxHash,
    /// Height of its block.
    pub height: Height,
    /// What came back for the epochs that will not be.
    #[serde(with = "amount_text")]
    pub refund: Balance,
}

/// How well a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileHealth {
    /// In order.
    pub segments: Vec<SegmentHealth>,
    /// So many providers may vanish, whichever, and every segment can still be read.
    pub survivable_providers: u32,
    /// The same for operators.
    pub survivable_operators: u32,
    /// Whether a lost piece of it is being rebuilt.
    pub repairing: bool,
}

/// How well a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentHealth {
    /// From 0.
    pub index: u32,
    /// Pieces that can be counted on.
    pub live: u32,
    /// Pieces that are enough.
    pub needed: u32,
    /// Pieces of the segment.
    pub total: u32,
}
