//! Files: what is sent to store them, and what is known about them.

use pieces::{ContentHash, ErasureCode, FileId, MediaType, PieceHash};
use runtime::crypto::{AccountId, PeerKey, PublicKey, Signature};
use runtime::types::{Balance, BlockHash, Epoch, Height, TxHash, amount_text};
use serde::{Deserialize, Serialize};

use super::{Hex, ProofInfo};

/// A label that the gateway keeps beside a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileName(String);

impl FileName {
    /// Most bytes.
    pub const BYTES_MAX: usize = 1024;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.len() > Self::BYTES_MAX || text.chars().any(char::is_control) {
            return Err("a name has 1 to 1024 bytes and no control characters");
        }
        Ok(Self(text))
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

/// Names an upload for the client, so that it is found again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResumeKey(String);

impl ResumeKey {
    /// Most bytes.
    pub const BYTES_MAX: usize = 128;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ResumeKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err("a resume key has 1 to 128 bytes");
        }
        Ok(Self(text))
    }
}

impl From<ResumeKey> for String {
    fn from(key: ResumeKey) -> Self {
        key.0
    }
}

/// How a file is to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubmitOptions {
    /// Label in this gateway's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
    /// What the bytes are; never empty text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// One of the chain's profiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Epochs paid in advance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_epochs: Option<u32>,
    /// Who pays; absent = the gateway's own account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<AccountId>,
    /// Over HTTP only.
    #[serde(skip)]
    pub resume_key: Option<ResumeKey>,
}

/// A file that a final block records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// Names the file.
    pub file_id: FileId,
    /// BLAKE3 of its bytes.
    pub content_hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Name of the profile.
    pub profile: String,
    /// The transaction that recorded it.
    pub tx_hash: TxHash,
    /// Height of that transaction's block.
    pub height: Height,
    /// Hash of that block.
    pub block_hash: BlockHash,
    /// The payer's lease ends when this epoch begins.
    pub lease_until_epoch: Epoch,
}

/// Which part of a file's whereabouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocateQuery {
    /// Whether to prove it: everything shown, which with a proof is of the segments shown alone.
    pub proof: bool,
    /// With a proof: the height of a block that whoever checks it trusts; block 0 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Height>,
    /// First segment.
    pub from_segment: u32,
    /// Most segments; more than 64 are taken as 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Sizes of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodeInfo {
    /// Pieces that are enough.
    pub k: u8,
    /// Pieces of a segment.
    pub n: u8,
    /// Bytes of a unit.
    pub unit: u32,
}

impl From<ErasureCode> for CodeInfo {
    fn from(code: ErasureCode) -> Self {
        Self { k: code.k, n: code.n, unit: code.unit_bytes }
    }
}

/// Where a file's pieces are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Located {
    /// The file.
    pub file_id: FileId,
    /// The answer is of this height.
    pub height: Height,
    /// Bytes of the file.
    pub size: u64,
    /// How it is coded.
    pub code: CodeInfo,
    /// So many providers may vanish, whichever, and every segment can still be read; with a proof, every segment shown.
    pub survivable_providers: u32,
    /// The same for operators.
    pub survivable_operators: u32,
    /// In order.
    pub segments: Vec<LocatedSegment>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_segment: Option<u32>,
    /// Proof of all this, if asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proof: Option<ProofInfo>,
}

/// A segment of a located file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocatedSegment {
    /// From 0.
    pub index: u32,
    /// Bytes of the file in it.
    pub len: u64,
    /// One for each piece.
    pub pieces: Vec<LocatedPiece>,
}

/// Whether a piece can be counted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PieceStatus {
    /// Its holder is live and it is not marked lost.
    Live,
    /// Marked lost, or its holder is gone.
    Lost,
}

/// A piece and its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocatedPiece {
    /// From 0.
    pub index: u8,
    /// BLAKE3 of the piece.
    pub hash: PieceHash,
    /// Bytes of the piece.
    pub size: u64,
    /// Whether it can be counted on.
    pub status: PieceStatus,
    /// Who holds it.
    pub provider: AccountId,
    /// The holder's peer.
    pub peer_id: PeerKey,
    /// The holder's multiaddresses.
    pub addresses: Vec<String>,
    /// The holder's promise; `null` where the block's body was pruned.
    pub commitment: Option<CommitmentInfo>,
}

/// A holder's signed promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitmentInfo {
    /// SCALE of the `StorageCommitment`: the bytes that are signed.
    pub message: Hex,
    /// By the service key.
    pub signature: Signature,
    /// The holder's service key at that height.
    pub service_key: PublicKey,
    /// Held until this epoch begins.
    pub until_epoch: Epoch,
    /// The transaction that recorded it.
    pub tx_hash: TxHash,
}

/// Part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrievedData {
    /// Base64.
    pub data: String,
    /// Where they begin.
    pub offset: u64,
    /// Bytes of the whole file.
    pub size: u64,
}

/// What is known about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileInfo {
    /// Names the file.
    pub file_id: FileId,
    /// BLAKE3 of its bytes, as its manifest claims.
    pub content_hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// What the bytes are; `null` if the uploader did not say.
    #[serde(default)]
    pub media_type: Option<MediaType>,
    /// How it is coded.
    pub code: CodeInfo,
    /// How many segments.
    pub segments: u32,
    /// Height that recorded it.
    pub height: Height,
    /// Who pays, and for which epochs.
    pub leases: Vec<LeaseInfo>,
    /// Labels in this gateway's index.
    pub names: Vec<String>,
}

/// Epochs that one account pays for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseInfo {
    /// Who pays.
    pub payer: AccountId,
    /// First epoch.
    pub from: Epoch,
    /// Exclusive.
    pub to: Epoch,
}

/// Which files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilesQuery {
    /// Those this account pays for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
    /// Those that claim this content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<ContentHash>,
    /// From the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Most items; more than 1,000 are taken as 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What is to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuoteQuery {
    /// Bytes.
    pub size: u64,
    /// One of the chain's profiles.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub profile: Option<String>,
    /// Epochs paid in advance.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease_epochs: Option<u32>,
}

/// What it would cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Of the lease.
    #[serde(with = "amount_text")]
    pub price: Balance,
    /// Held while it is stored.
    #[serde(with = "amount_text")]
    pub deposit: Balance,
    /// Of the transaction.
    #[serde(with = "amount_text")]
    pub fee: Balance,
}
