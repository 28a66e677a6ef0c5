//! Storage providers and validators as the ledger records them.

use runtime::crypto::{AccountId, PeerKey, PublicKey};
use runtime::tables::{Provider, ProviderStatus};
use runtime::types::{Balance, Height, ValidatorEntry, amount_text};
use serde::{Deserialize, Serialize};

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInfo {
    /// Who is paid and slashed.
    pub account: AccountId,
    /// Who serves the pieces.
    pub peer_id: PeerKey,
    /// Multiaddresses without `/p2p`.
    pub addresses: Vec<String>,
    /// Self-declared.
    pub operator: String,
    /// Self-declared.
    pub zone: String,
    /// Bytes offered.
    pub capacity_bytes: u64,
    /// Bytes promised.
    pub committed_bytes: u64,
    /// Reserved behind what is offered.
    #[serde(with = "amount_text")]
    pub bond: Balance,
    /// 0..=1000.
    pub score: u16,
    /// Whether it takes pieces.
    pub status: ProviderState,
    /// Ascending by height.
    pub service_keys: Vec<ServiceKeyInfo>,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: bool,
}

/// A key that signs commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceKeyInfo {
    /// The key.
    pub key: PublicKey,
    /// In force from this height.
    pub from_height: Height,
}

/// Whether a provider takes pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProviderState {
    /// Takes pieces.
    Active,
    /// Takes none, serves what it has.
    Withdrawing,
    /// Left as agreed.
    Left,
    /// Thrown out.
    Ejected,
}

impl From<ProviderStatus> for ProviderState {
    fn from(status: ProviderStatus) -> Self {
        match status {
            ProviderStatus::Active => Self::Active,
            ProviderStatus::Withdrawing => Self::Withdrawing,
            ProviderStatus::Left => Self::Left,
            ProviderStatus::Ejected => Self::Ejected,
        }
    }
}

impl From<&Provider> for ProviderInfo {
    fn from(provider: &Provider) -> Self {
        let service_key =
            |entry: &runtime::tables::ServiceKey| ServiceKeyInfo { key: entry.key, from_height: entry.from_height };
        Self {
            account: provider.account,
            peer_id: provider.peer_key,
            addresses: provider.addresses.iter().map(ToString::to_string).collect(),
            operator: provider.operator.to_string(),
            zone: provider.zone.to_string(),
            capacity_bytes: provider.declared,
            committed_bytes: provider.committed,
            bond: provider.bond,
            score: provider.score,
            status: provider.status.into(),
            service_keys: provider.service_keys.iter().map(service_key).collect(),
            auto_renew: provider.auto_renew,
        }
    }
}

/// A validator of an epoch's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorInfo {
    /// Who is paid and slashed.
    pub account: AccountId,
    /// The key that votes.
    pub consensus_key: PublicKey,
    /// Voting power.
    pub power: u64,
}

impl From<&ValidatorEntry> for ValidatorInfo {
    fn from(entry: &ValidatorEntry) -> Self {
        Self { account: entry.account, consensus_key: entry.consensus_key, power: entry.power }
    }
}
