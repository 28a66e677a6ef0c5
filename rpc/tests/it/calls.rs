//! Calls as JSON, in both directions.

use rpc::types::{CallArgs, CallInfo};
use runtime::crypto::{PeerKey, PeerSignature, PublicKey};
use runtime::types::{
    Call, ExtendLease, ProvidersCall, RegisterProvider, ReleaseLease, StorageCall, Text, UpdateProvider,
};
use serde_json::{Value, json};

use crate::samples::{self, alice};
use crate::world::World;

fn register() -> RegisterProvider {
    RegisterProvider {
        peer_key: PeerKey::from_bytes([5; 32]),
        peer_signature: PeerSignature::from_bytes([6; 64]),
        service_key: PublicKey::from_bytes([7; 32]),
        addresses: vec![Text::new("/ip4/10.0.0.1/tcp/30433").unwrap()],
        operator: Text::new("operator").unwrap(),
        zone: Text::new("zone").unwrap(),
        declared: 1 << 40,
        bond: u128::MAX,
        auto_renew: true,
    }
}

fn update() -> UpdateProvider {
    UpdateProvider {
        peer: Some((PeerKey::from_bytes([5; 32]), PeerSignature::from_bytes([6; 64]))),
        service_key: None,
        addresses: Some(vec![]),
        declared: Some(3),
        bond: Some(1),
        auto_renew: Some(false),
    }
}

#[test]
fn calls_that_can_be_prepared_survive_json() {
    let file = samples::manifest().file_id();
    let calls = [
        samples::transfer(),
        Call::Providers(ProvidersCall::Register(register())),
        Call::Providers(ProvidersCall::Update(update())),
        Call::Providers(ProvidersCall::Update(UpdateProvider::default())),
        Call::Storage(StorageCall::Extend(ExtendLease { file, lease_epochs: 3, max_price: 1 << 100 })),
        Call::Storage(StorageCall::Release(ReleaseLease { file })),
    ];
    for call in calls {
        let shown = serde_json::to_string(&CallInfo::from(&call)).unwrap();
        let read: CallArgs = serde_json::from_str(&shown).unwrap();
        assert_eq!(Call::try_from(read).unwrap(), call, "{shown}");
    }
}

#[test]
fn a_store_is_shown_in_full() {
    let CallInfo { module, name, args } = CallInfo::from(&samples::store());
    assert_eq!((module.as_str(), name.as_str()), ("storage", "store"));
    assert_eq!(args["fileId"], json!(samples::manifest().file_id()));
    assert_eq!(args["intent"]["owner"], json!(alice()));
    assert_eq!(args["intent"]["maxPrice"], (1u128 << 100).to_string());
    assert_eq!(args["manifest"]["contentHash"], json!(samples::manifest().content_hash));
    assert_eq!(args["manifest"]["segments"][0]["pieceHashes"].as_array().unwrap().len(), 4);
    assert_eq!(args["holders"][0][3]["slot"], 3);
    assert!(args["intentSignature"].as_str().unwrap().starts_with("0x"));
}

#[tokio::test]
async fn calls_that_cannot_be_are_refused_by_name() {
    let world = World::start().await;
    let call = |module: &str, name: &str, args: Value| json!({ "module": module, "name": name, "args": args });
    let table = [
        (call("storage", "store", json!({})), "storage.store"),
        (call("storage", "extend", json!({ "fileId": samples::manifest().file_id() })), "leaseEpochs"),
        (call("storage", "release", json!({})), "fileId"),
        (call("accounts", "burn", json!({})), "burn"),
        (call("magic", "spell", json!({})), "magic"),
        (call("accounts", "transfer", json!([alice(), "1"])), "call.args: expected an object"),
        (call("accounts", "transfer", json!({ "to": alice() })), "amount"),
        (call("accounts", "transfer", json!({ "to": "5xyz", "amount": "1" })), "call.args.to: "),
        (call("accounts", "transfer", json!({ "to": alice(), "amount": 1 })), "call.args.amount: "),
        (call("accounts", "transfer", json!({ "to": alice(), "amount": "-1" })), "call.args.amount: "),
        (call("accounts", "transfer", json!({ "to": alice(), "amount": "1", "memo": "" })), "memo"),
        (call("providers", "update", json!({ "bond": 1 })), "call.args.bond: "),
        (call("providers", "update", json!({ "zone": "z" })), "zone"),
        (json!({ "module": "accounts", "name": "transfer" }), "args"),
        (json!(["accounts", "transfer", {}]), "call: "),
    ];
    for (call, named) in table {
        let refused = world.refusal("author_prepare", &json!({ "from": alice(), "call": call })).await;
        assert_eq!(refused.code, -32602, "{call}");
        assert!(refused.message.contains(named), "{call}: {}", refused.message);
    }
    let missing = world.refusal("author_prepare", &json!({ "from": alice() })).await;
    assert!(missing.message.contains("call"), "{}", missing.message);
}
