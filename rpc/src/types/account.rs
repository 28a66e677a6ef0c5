//! Accounts and what they send.

use runtime::crypto::AccountId;
use runtime::tables::Account;
use runtime::types::{Balance, TxHash, amount_text};
use serde::{Deserialize, Serialize};

use super::{CallArgs, Hex};
use crate::api::params::Object;

/// Balances and nonce of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// The account.
    pub address: AccountId,
    /// Can be spent.
    #[serde(with = "amount_text")]
    pub free: Balance,
    /// Bonds and deposits.
    #[serde(with = "amount_text")]
    pub reserved: Balance,
    /// Of the next transaction in a block.
    pub nonce: u64,
}

impl AccountInfo {
    /// An account as the ledger records it.
    #[must_use]
    pub const fn new(address: AccountId, account: &Account) -> Self {
        Self { address, free: account.free, reserved: account.reserved, nonce: account.nonce }
    }
}

/// Nonce of the next transaction.
pub type NextIndex = u64;

/// A transaction to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareQuery {
    /// Who will sign.
    pub from: AccountId,
    /// What to do.
    pub call: Object<CallArgs>,
    /// Paid to the proposer on top of the fee; none = 0.
    #[serde(with = "optional_amount", skip_serializing_if = "Option::is_none", default)]
    pub tip: Option<Balance>,
}

/// A transaction to check and sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    /// What the account signs, with sr25519 in the context `substrate`.
    pub payload: Hex,
    /// SCALE of the unsigned `Transaction`.
    pub transaction: Hex,
}

/// A transaction that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// Names it.
    pub tx_hash: TxHash,
}

/// A transaction that waits for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingInfo {
    /// Names it.
    pub hash: TxHash,
    /// Who signed it.
    pub signer: AccountId,
    /// Its nonce; `null` for one that needs none.
    pub nonce: Option<u64>,
}

/// An amount that may be absent.
pub(super) mod optional_amount {
    use runtime::types::{Balance, amount_text};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Amount(#[serde(with = "amount_text")] Balance);

    #[expect(clippy::ref_option, reason = "the shape that serde calls")]
    pub fn serialize<S: Serializer>(amount: &Option<Balance>, serializer: S) -> Result<S::Ok, S::Error> {
        amount.map(Amount).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Balance>, D::Error> {
        Ok(Option::<Amount>::deserialize(deserializer)?.map(|Amount(amount)| amount))
    }
}
