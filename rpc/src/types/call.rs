//! Calls as JSON: shown in blocks, taken by `author_prepare`.

use pieces::{FileId, FileManifest};
use runtime::crypto::{AccountId, PeerKey, PeerSignature, PublicKey};
use runtime::types::{
    AccountsCall, Balance, Call, ExtendLease, ProvidersCall, RegisterProvider, ReleaseLease, StorageCall, Store, Text,
    TransferCall, UpdateProvider, UploadIntent, amount_text,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::account::optional_amount;
use crate::error::ApiError;

/// A call as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallInfo {
    /// "accounts", "providers", "storage".
    pub module: String,
    /// The call's name in its module.
    pub name: String,
    /// What it is called with.
    pub args: Value,
}

/// A call as clients send it; `args` is checked when it becomes a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallArgs {
    /// "accounts", "providers", "storage".
    pub module: String,
    /// The call's name in its module.
    pub name: String,
    /// What it is called with.
    pub args: Value,
}

/// `accounts.transfer`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TransferArgs {
    to: AccountId,
    #[serde(with = "amount_text")]
    amount: Balance,
}

/// `providers.register`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RegisterArgs {
    peer_id: PeerKey,
    peer_signature: PeerSignature,
    service_key: PublicKey,
    addresses: Vec<Text<128>>,
    operator: Text<64>,
    zone: Text<64>,
    capacity_bytes: u64,
    #[serde(with = "amount_text")]
    bond: Balance,
    auto_renew: bool,
}

/// `providers.update`: what is absent stays as it is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct UpdateArgs {
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PeerArgs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_key: Option<PublicKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<Text<128>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", with = "optional_amount")]
    bond: Option<Balance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_renew: Option<bool>,
}

/// `storage.extend`: any price will do if none is named.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExtendArgs {
    file_id: FileId,
    lease_epochs: u32,
    #[serde(skip_serializing_if = "Option::is_none", default, with = "optional_amount")]
    max_price: Option<Balance>,
}

/// `storage.release`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReleaseArgs {
    file_id: FileId,
}

/// Another peer for a provider.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PeerArgs {
    peer_id: PeerKey,
    peer_signature: PeerSignature,
}

impl TryFrom<CallArgs> for Call {
    type Error = ApiError;

    fn try_from(call: CallArgs) -> Result<Self, ApiError> {
        let CallArgs { module, name, args } = call;
        match (module.as_str(), name.as_str()) {
            ("accounts", "transfer") => {
                let TransferArgs { to, amount } = parse(args)?;
                Ok(Self::Accounts(AccountsCall::Transfer(TransferCall { to, amount })))
            }
            ("providers", "register") => {
                let args: RegisterArgs = parse(args)?;
                Ok(Self::Providers(ProvidersCall::Register(args.into())))
            }
            ("providers", "update") => {
                let args: UpdateArgs = parse(args)?;
                Ok(Self::Providers(ProvidersCall::Update(args.into())))
            }
            ("storage", "store") => {
                Err(ApiError::BadParams("call.name: storage.store is made by storage_submit and not from JSON".into()))
            }
            ("storage", "extend") => {
                let ExtendArgs { file_id, lease_epochs, max_price } = parse(args)?;
                let max_price = max_price.unwrap_or(Balance::MAX);
                Ok(Self::Storage(StorageCall::Extend(ExtendLease { file: file_id, lease_epochs, max_price })))
            }
            ("storage", "release") => {
                let ReleaseArgs { file_id } = parse(args)?;
                Ok(Self::Storage(StorageCall::Release(ReleaseLease { file: file_id })))
            }
            ("accounts" | "providers" | "storage", _) => {
                Err(ApiError::BadParams(format!("call.name: the module {module} has no call {name:?}")))
            }
            _ => Err(ApiError::BadParams(format!("call.module: there is no module {module:?}"))),
        }
    }
}

fn parse<T: DeserializeOwned>(args: Value) -> Result<T, ApiError> {
    if !args.is_object() {
        return Err(ApiError::BadParams("call.args: expected an object".into()));
    }
    serde_path_to_error::deserialize(args)
        .map_err(|error| ApiError::BadParams(crate::api::params::sentence("call.args", &error)))
}

impl From<RegisterArgs> for RegisterProvider {
    fn from(args: RegisterArgs) -> Self {
        Self {
            peer_key: args.peer_id,
            peer_signature: args.peer_signature,
            service_key: args.service_key,
            addresses: args.addresses,
            operator: args.operator,
            zone: args.zone,
            declared: args.capacity_bytes,
            bond: args.bond,
            auto_renew: args.auto_renew,
        }
    }
}

impl From<UpdateArgs> for UpdateProvider {
    fn from(args: UpdateArgs) -> Self {
        Self {
            peer: args.peer.map(|peer| (peer.peer_id, peer.peer_signature)),
            service_key: args.service_key,
            addresses: args.addresses,
            declared: args.capacity_bytes,
            bond: args.bond,
            auto_renew: args.auto_renew,
        }
    }
}

impl From<&Call> for CallInfo {
    fn from(call: &Call) -> Self {
        let (module, name) = call.name();
        let args = match call {
            Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount })) => {
                json!({ "to": to, "amount": amount.to_string() })
            }
            Call::Providers(ProvidersCall::Register(register)) => register_json(register),
            Call::Providers(ProvidersCall::Update(update)) => update_json(update),
            Call::Storage(StorageCall::Store(store)) => store_json(store),
            Call::Storage(StorageCall::Extend(ExtendLease { file, lease_epochs, max_price })) => {
                json!(ExtendArgs { file_id: *file, lease_epochs: *lease_epochs, max_price: Some(*max_price) })
            }
            Call::Storage(StorageCall::Release(ReleaseLease { file })) => json!(ReleaseArgs { file_id: *file }),
        };
        Self { module: module.into(), name: name.into(), args }
    }
}

fn register_json(register: &RegisterProvider) -> Value {
    json!({
        "peerId": register.peer_key,
        "peerSignature": register.peer_signature,
        "serviceKey": register.service_key,
        "addresses": register.addresses,
        "operator": register.operator,
        "zone": register.zone,
        "capacityBytes": register.declared,
        "bond": register.bond.to_string(),
        "autoRenew": register.auto_renew,
    })
}

fn update_json(update: &UpdateProvider) -> Value {
    let args = UpdateArgs {
        peer: update.peer.map(|(peer_id, peer_signature)| PeerArgs { peer_id, peer_signature }),
        service_key: update.service_key,
        addresses: update.addresses.clone(),
        capacity_bytes: update.declared,
        bond: update.bond,
        auto_renew: update.auto_renew,
    };
    json!(args)
}

fn store_json(store: &Store) -> Value {
    let holders: Vec<Vec<Value>> = store
        .holders
        .iter()
        .map(|segment| {
            segment.iter().map(|holder| json!({ "slot": holder.slot, "signature": holder.signature })).collect()
        })
        .collect();
    json!({
        "intent": intent_json(&store.intent.intent),
        "intentSignature": store.intent.signature,
        "fileId": store.manifest.file_id(),
        "manifest": manifest_json(&store.manifest),
        "holders": holders,
    })
}

fn intent_json(intent: &UploadIntent) -> Value {
    json!({
        "version": intent.version,
        "genesis": intent.genesis,
        "owner": intent.owner,
        "dealNonce": intent.deal_nonce,
        "code": super::CodeInfo::from(intent.code),
        "snapshotEpoch": intent.snapshot_epoch,
        "maxBytes": intent.max_bytes,
        "leaseEpochs": intent.lease_epochs,
        "maxPrice": intent.max_price.to_string(),
        "storeByMs": intent.store_by_ms,
    })
}

fn manifest_json(manifest: &FileManifest) -> Value {
    let segments: Vec<Value> = manifest
        .segments
        .iter()
        .map(|segment| json!({ "len": segment.len, "pieceHashes": segment.piece_hashes }))
        .collect();
    json!({
        "version": manifest.version,
        "contentHash": manifest.content_hash,
        "size": manifest.size,
        "code": super::CodeInfo::from(manifest.code),
        "segments": segments,
        "mediaType": manifest.media_type,
        "bundle": manifest.bundle,
    })
}
