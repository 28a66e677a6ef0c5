//! Unknown fields and impossible values are refused with the path of the field.

use chain_spec::{ChainSpec, SpecError, preset};
use serde_json::{Value, json};

/// The dev preset with the value at `pointer` replaced.
fn with(pointer: &str, value: Value) -> Result<ChainSpec, SpecError> {
    let mut spec: Value = serde_json::from_str(&preset("dev").unwrap().unwrap().to_json().unwrap()).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match spec.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.insert(field.into(), value)),
        Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
        other => panic!("{parent} is {other}"),
    }
    ChainSpec::from_json(&spec.to_string())
}

fn path_of(refused: Result<ChainSpec, SpecError>) -> String {
    match refused {
        Err(SpecError::Json { path, .. } | SpecError::Impossible { path, .. }) => path,
        other => panic!("not refused by its path: {other:?}"),
    }
}

#[test]
fn each_wrong_field_is_named() {
    let cases = [
        ("/genesis/parameters/time/epochMs", json!(0), "genesis.parameters.time.epochMs"),
        ("/genesis/parameters/time/epochMs", json!("soon"), "genesis.parameters.time.epochMs"),
        ("/genesis/parameters/time/epoch", json!(1), "genesis.parameters.time.epoch"),
        ("/genesis/parameters/profiles", json!([]), "genesis.parameters.profiles"),
        ("/genesis/parameters/profiles/1/name", json!("dev"), "genesis.parameters.profiles[1].name"),
        ("/genesis/parameters/profiles/0/maxSegments", json!(2_000), "genesis.parameters.profiles[0].maxSegments"),
        ("/genesis/parameters/placement/drawsPerPiece", json!(0), "genesis.parameters.placement.drawsPerPiece"),
        ("/genesis/parameters/profiles/0/repairAt", json!(1), "genesis.parameters.profiles[0].repairAt"),
        ("/genesis/parameters/profiles/0/code/k", json!(0), "genesis.parameters.profiles[0].code"),
        ("/genesis/parameters/profiles/0/code/k", json!(256), "genesis.parameters.profiles[0].code.k"),
        ("/genesis/parameters/schedule", json!([]), "genesis.parameters.schedule"),
        ("/genesis/parameters/limits/blockBytes", json!(524_288), "genesis.parameters.limits.blockBytes"),
        ("/genesis/accounts/0/balance", json!("1"), "genesis.accounts[0].balance"),
        ("/genesis/accounts/0/balance", json!(1), "genesis.accounts[0].balance"),
        ("/genesis/accounts/0/account", json!("Alice"), "genesis.accounts[0].account"),
        ("/genesis/providers/0/bond", json!("1"), "genesis.providers[0].bond"),
        ("/genesis/providers/0/addresses", json!([]), "genesis.providers[0].addresses"),
        ("/genesis/providers/0/zone", json!("z".repeat(65)), "genesis.providers[0].zone"),
        ("/genesis/validators", json!([]), "genesis.validators"),
        ("/genesis/validators/0/power", json!(0), "genesis.validators[0].power"),
        ("/genesis/validators/0/bond", json!("1"), "genesis.validators[0].bond"),
        ("/genesis/parameters/staking/bondPerByte", json!("0"), "genesis.parameters.staking.bondPerByte"),
        (
            "/genesis/parameters/fees/depositPerByte",
            json!("340282366920938463463374607431768211455"),
            "genesis.parameters.staking.bondPerByte",
        ),
        ("/bootNodes", json!(["/ip4/127.0.0.1/tcp/1"]), "bootNodes[0]"),
        ("/bootNodes", json!(["/ip4/127.0.0.1/tcp/1/p2p/Alice"]), "bootNodes[0]"),
        ("/bootNodes", json!(["127.0.0.1:30433"]), "bootNodes[0]"),
        ("/id", json!("../dev"), "id"),
        ("/colour", json!("red"), "colour"),
    ];
    for (pointer, value, path) in cases {
        assert_eq!(path_of(with(pointer, value.clone())), path, "{pointer} = {value}");
    }
}

#[test]
fn boot_nodes_that_name_their_peer_are_taken() {
    let spec = preset("dev").unwrap().unwrap();
    let peer = spec.genesis.providers[0].peer_id;
    for address in ["/ip4/127.0.0.1/tcp/30433", "/dns4/boot.example.org/udp/30433/quic-v1"] {
        let spec = with("/bootNodes", json!([format!("{address}/p2p/{peer}")])).unwrap();
        assert_eq!(spec.boot_nodes.len(), 1);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = ChainSpec::load("no-such-spec.json").unwrap_err().to_string();
    assert!(error.contains("no-such-spec.json"), "{error}");
}

#[test]
fn what_follows_the_spec_is_refused() {
    let text = preset("dev").unwrap().unwrap().to_json().unwrap() + " {}";
    assert!(ChainSpec::from_json(&text).is_err());
}
