//! Calls: what a transaction can ask for. Indices are explicit and only appended.
//!
//! Modules that later versions add keep the numbers of the design's table: audits 3, repairs 4, names 5, validators 6,
//! evidence 7, parameters 8.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::{FileId, FileManifest};

use super::{Balance, SignedIntent, Text};
use crate::crypto::{AccountId, PeerKey, PeerSignature, PublicKey, Signature};

/// A module and one of its calls.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum Call {
    /// Moving balances.
    #[codec(index = 0)]
    Accounts(AccountsCall),
    /// Joining and serving as a storage provider.
    #[codec(index = 1)]
    Providers(ProvidersCall),
    /// Files and their leases.
    #[codec(index = 2)]
    Storage(StorageCall),
}

/// Calls of the module `accounts`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum AccountsCall {
    /// Moves free balance.
    #[codec(index = 0)]
    Transfer(TransferCall),
}

/// `accounts.transfer`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct TransferCall {
    /// Who receives.
    pub to: AccountId,
    /// How much.
    pub amount: Balance,
}

/// Calls of the module `providers`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum ProvidersCall {
    /// Becomes a provider.
    #[codec(index = 0)]
    Register(RegisterProvider),
    /// Changes one's record.
    #[codec(index = 1)]
    Update(UpdateProvider),
}

/// `providers.register`: the bond is reserved from the signer's free balance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct RegisterProvider {
    /// The peer that serves the pieces.
    pub peer_key: PeerKey,
    /// By the peer key over `"piecewise/peer/v1" ‖ genesis ‖ account`.
    pub peer_signature: PeerSignature,
    /// Signs commitments; cannot spend.
    pub service_key: PublicKey,
    /// Multiaddresses without the `/p2p` part.
    pub addresses: Vec<Text<128>>,
    /// Who runs it, self-declared.
    pub operator: Text<64>,
    /// Where it stands, self-declared.
    pub zone: Text<64>,
    /// Bytes offered.
    pub declared: u64,
    /// Must cover `declared` at the chain's price per byte.
    pub bond: Balance,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: bool,
}

/// `providers.update`: each field that is there replaces the record's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct UpdateProvider {
    /// Another peer, with its signature as in [`RegisterProvider`].
    pub peer: Option<(PeerKey, PeerSignature)>,
    /// One more service key, in force from the next block; the oldest of more than four is dropped.
    pub service_key: Option<PublicKey>,
    /// Multiaddresses without the `/p2p` part.
    pub addresses: Option<Vec<Text<128>>>,
    /// Bytes offered; never below what is committed.
    pub declared: Option<u64>,
    /// The whole new bond.
    pub bond: Option<Balance>,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: Option<bool>,
}

/// Calls of the module `storage`.
#[expect(clippy::large_enum_variant, reason = "a call lives as long as its transaction, one at a time")]
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum StorageCall {
    /// Records a file with its holders, or adds a lease to one that is there.
    #[codec(index = 0)]
    Store(Store),
    /// Pays for more epochs at the end of one's own lease.
    #[codec(index = 1)]
    Extend(ExtendLease),
    /// Ends one's own lease with this epoch, for what the rest of it cost.
    #[codec(index = 2)]
    Release(ReleaseLease),
}

/// `storage.store`: everything that follows from the intent and the placement is rebuilt, never sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Store {
    /// The owner's promise, with its signature.
    pub intent: SignedIntent,
    /// The file.
    pub manifest: FileManifest,
    /// `holders[segment][index]`; empty when the file is alive and only a lease is added.
    pub holders: Vec<Vec<Holder>>,
}

/// Who holds a piece: a slot of the segment's placement and the commitment's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Holder {
    /// Slot of the placement.
    pub slot: u8,
    /// By the service key of the slot's provider over the rebuilt commitment.
    pub signature: Signature,
}

/// `storage.extend`: `lease_epochs` more at the end of the signer's lease, at today's prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct ExtendLease {
    /// The file.
    pub file: FileId,
    /// Epochs to add, at least one.
    pub lease_epochs: u32,
    /// The signer pays no more than this.
    pub max_price: Balance,
}

/// `storage.release`: the epoch that is running stays paid, everything after it goes back to the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct ReleaseLease {
    /// The file.
    pub file: FileId,
}

impl Call {
    /// Module and name as clients see them.
    #[must_use]
    pub const fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Accounts(AccountsCall::Transfer(_)) => ("accounts", "transfer"),
            Self::Providers(ProvidersCall::Register(_)) => ("providers", "register"),
            Self::Providers(ProvidersCall::Update(_)) => ("providers", "update"),
            Self::Storage(StorageCall::Store(_)) => ("storage", "store"),
            Self::Storage(StorageCall::Extend(_)) => ("storage", "extend"),
            Self::Storage(StorageCall::Release(_)) => ("storage", "release"),
        }
    }
}
