//! Blocks, transactions and certificates.

use std::borrow::Cow;

use parity_scale_codec::Encode;
use pieces::Hash;
use runtime::crypto::{AccountId, Signature, VrfOutput};
use runtime::rule::Rule;
use runtime::types::{
    BeaconValue, BlockHash, CommitCertificate, Epoch, Header, Height, SignedTransaction, StateRoot, TxHash,
    ValidatorsHash,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{CallInfo, Hex};
use crate::ports::{BlockAt, BlockRecord, TransactionState};

/// A block as clients name it: by its height, a number, or by its hash, a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// Genesis is 0.
    Height(Height),
    /// Hex of 32 bytes.
    Hash(BlockHash),
}

impl From<Option<BlockId>> for BlockAt {
    fn from(id: Option<BlockId>) -> Self {
        match id {
            None => Self::Latest,
            Some(BlockId::Height(height)) => Self::Height(height),
            Some(BlockId::Hash(hash)) => Self::Hash(hash),
        }
    }
}

impl Serialize for BlockId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Height(height) => height.serialize(serializer),
            Self::Hash(hash) => hash.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BlockId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = BlockId;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a height as a number or a hash as 64 hex digits")
            }

            fn visit_u64<E: de::Error>(self, height: u64) -> Result<BlockId, E> {
                Ok(BlockId::Height(height))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BlockId, E> {
                text.parse().map(BlockId::Hash).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderInfo {
    /// Version of the rules in force.
    pub version: u32,
    /// Genesis is 0.
    pub height: Height,
    /// Names the block.
    pub hash: BlockHash,
    /// The block before; zero at genesis.
    pub parent_hash: BlockHash,
    /// Round in which it was first proposed.
    pub round: u32,
    /// Who proposed it.
    pub proposer: AccountId,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Epoch of the block.
    pub epoch: Epoch,
    /// Root of the state after it.
    pub state_root: StateRoot,
    /// Root over its transactions.
    pub transactions_root: Hash,
    /// Root over its events.
    pub events_root: Hash,
    /// The set that votes on it.
    pub validators_hash: ValidatorsHash,
    /// The set that votes on the next.
    pub next_validators_hash: ValidatorsHash,
    /// The random beacon after it.
    pub beacon: BeaconValue,
    /// The proposer's VRF.
    pub vrf: VrfOutput,
    /// SCALE of the header, of which `hash` is made.
    pub encoded: Hex,
}

impl From<&Header> for HeaderInfo {
    fn from(header: &Header) -> Self {
        Self {
            version: header.version,
            height: header.height,
            hash: header.hash(),
            parent_hash: header.parent,
            round: header.round,
            proposer: header.proposer,
            timestamp_ms: header.timestamp_ms,
            epoch: header.epoch,
            state_root: header.state_root,
            transactions_root: header.transactions_root,
            events_root: header.events_root,
            validators_hash: header.validators_hash,
            next_validators_hash: header.next_validators_hash,
            beacon: header.beacon,
            vrf: header.vrf,
            encoded: Hex(header.encode()),
        }
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockInfo {
    /// The header.
    pub header: HeaderInfo,
    /// In the order of execution.
    pub transactions: Vec<TransactionInfo>,
}

impl From<&BlockRecord> for BlockInfo {
    fn from(block: &BlockRecord) -> Self {
        let transaction = |(signed, result): &(SignedTransaction, TransactionResult)| TransactionInfo {
            hash: signed.hash(),
            signer: signed.transaction.signer(),
            nonce: signed.transaction.nonce(),
            call: signed.transaction.call().into(),
            result: result.clone(),
        };
        Self { header: (&block.header).into(), transactions: block.transactions.iter().map(transaction).collect() }
    }
}

/// A transaction of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionInfo {
    /// Names it.
    pub hash: TxHash,
    /// Who signed it.
    pub signer: AccountId,
    /// Its nonce; `null` for one that needs none.
    pub nonce: Option<u64>,
    /// What it asked for.
    pub call: CallInfo,
    /// What it came to.
    pub result: TransactionResult,
}

/// What a transaction came to: `{"ok": true}`, or `{"ok": false, "rule", "message"}` when its call failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionResult {
    /// Whether the call took effect.
    pub ok: bool,
    /// Name of the rule that refused it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<Cow<'static, str>>,
    /// That rule as a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message: Option<String>,
}

impl From<Result<(), Rule>> for TransactionResult {
    fn from(result: Result<(), Rule>) -> Self {
        match result {
            Ok(()) => Self { ok: true, rule: None, message: None },
            Err(rule) => Self { ok: false, rule: Some(Cow::Borrowed(rule.name())), message: Some(rule.to_string()) },
        }
    }
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransactionPlace {
    /// Waits for a block.
    Pending,
    /// In a final block.
    Final,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionStatus {
    /// Names it.
    pub hash: TxHash,
    /// Where it is.
    pub status: TransactionPlace,
    /// Height of its block.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<Height>,
    /// Position in its block.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<u32>,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<TransactionResult>,
}

impl TransactionStatus {
    /// The state of the transaction of this name.
    #[must_use]
    pub fn new(hash: TxHash, state: TransactionState) -> Self {
        match state {
            TransactionState::Pending => {
                Self { hash, status: TransactionPlace::Pending, height: None, index: None, result: None }
            }
            TransactionState::Final { height, index, result } => Self {
                hash,
                status: TransactionPlace::Final,
                height: Some(height),
                index: Some(index),
                result: Some(result),
            },
        }
    }
}

/// The precommits that decided a height.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// The block.
    pub block_hash: BlockHash,
    /// One for each precommit.
    pub signatures: Vec<CertificateSignature>,
}

/// One precommit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSignature {
    /// Who voted.
    pub validator: AccountId,
    /// By the validator's consensus key, sr25519 in the context `piecewise/consensus/v1`.
    pub signature: Signature,
    /// The bytes that are signed.
    pub signed: Hex,
}

impl CertificateInfo {
    /// A certificate of the chain with this genesis hash.
    #[must_use]
    pub fn new(certificate: &CommitCertificate, genesis: &BlockHash) -> Self {
        let signatures = certificate.signatures.iter().map(|entry| CertificateSignature {
            validator: entry.validator,
            signature: entry.signature,
            signed: Hex(certificate.precommit(entry.validator).payload(genesis)),
        });
        Self {
            height: certificate.height,
            round: certificate.round,
            block_hash: certificate.block_hash,
            signatures: signatures.collect(),
        }
    }
}
