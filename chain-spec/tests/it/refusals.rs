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
        ("/bootNodes", json!(["/ip4/127.0.0.1/tcp/1"]), "bootNodes[0]"),
        ("/bootNodes", json!(["/ip4/127.0.0.1/tcp/1/p2p/Alice"]), "bootNodes[0]"),
        ("/bootNodes", json!(["127.0.0.1:30433"]), "bootNodes[0]"),
        ("/consensusPeers", json!(["/ip4/127.0.0.1/tcp/30333"]), "consensusPeers[0]"),
        ("/id", json!("../dev"), "id"),
        ("/colour", json!("red"), "colour"),
    ];
    for (pointer, value, path) in cases {
        assert_eq!(path_of(with(pointer, value.clone())), path, "{pointer} = {value}");
    }
}

/// Parameters that no chain can have: field below `genesis.parameters`, value, and the field that is blamed if another.
#[test]
fn each_impossible_parameter_is_named() {
    const HUGE: &str = "85070591730234615865843651857942052863";
    let cases = [
        ("time/idleMs", json!(86_400_000), None),
        ("time/targetMs", json!(u64::MAX), None),
        ("time/targetMs", json!(60_001), None),
        ("time/epochMs", json!(u64::MAX), None),
        ("time/driftMs", json!(u64::MAX), None),
        ("time/storeWindowMs", json!(u64::MAX), None),
        ("prices/defaultLeaseEpochs", json!(0), None),
        ("prices/defaultLeaseEpochs", json!(10_000_001), None),
        ("prices/maxLeaseEpochs", json!(0), None),
        ("prices/maxLeaseEpochs", json!(u32::MAX), None),
        ("prices/byteRate", json!(HUGE), None),
        ("prices/byteRate", json!("10000000000000000000000"), None),
        ("prices/pieceBase", json!(HUGE), None),
        ("fees/base", json!(HUGE), None),
        ("fees/perByte", json!(HUGE), None),
        ("fees/perByte", json!("40564819207303340847894502572032"), None),
        ("fees/perSignature", json!(HUGE), None),
        ("fees/depositPerByte", json!(HUGE), None),
        ("fees/depositPerByte", json!("1000000000"), Some("staking.bondPerByte")),
        ("fees/existentialDeposit", json!("340282366920938463463374607431768211455"), None),
        ("staking/bondPerByte", json!(HUGE), None),
        ("staking/validatorBond", json!("340282366920938463463374607431768211455"), None),
        ("placement/placementEpochs", json!(u32::MAX), None),
        ("placement/unrecordedOwnerPermille", json!(1001), None),
        ("placement/unrecordedAllPermille", json!(1001), None),
        ("audits/missPermille", json!(1001), None),
        ("audits/reportedPermille", json!(1001), None),
        ("limits/sweptSegments", json!(0), None),
        ("limits/pieceBytes", json!(128 << 20), None),
        ("limits/blockBytes", json!((4 << 20) + 1), None),
        ("limits/partBytes", json!(65_537), None),
        ("limits/partBytes", json!(16_383), None),
        ("limits/validators", json!(257), None),
        ("schedule/0/rulesVersion", json!(2), Some("schedule[0].rulesVersion")),
    ];
    for (field, value, blamed) in cases {
        let blamed = blamed.map_or_else(|| field.replace('/', "."), str::to_owned);
        let refused = with(&format!("/genesis/parameters/{field}"), value.clone());
        assert_eq!(path_of(refused), format!("genesis.parameters.{blamed}"), "{field} = {value}");
    }
}

#[test]
fn timeouts_that_consensus_cannot_wait_are_named() {
    for (field, value) in [("proposeMs", 0), ("prevoteMs", 0), ("precommitMs", 0), ("proposeMs", 30_001)] {
        assert_eq!(path_of(with(&format!("/consensus/{field}"), json!(value))), format!("consensus.{field}"));
    }
}

#[test]
fn balances_and_bonds_together_are_below_the_largest_supply() {
    let half = json!((u128::MAX / 8).to_string());
    assert!(with("/genesis/accounts/0/balance", half.clone()).is_ok());
    let all = json!((u128::MAX / 4).to_string());
    for (pointer, value) in [("/genesis/accounts/0/balance", &all), ("/genesis/providers/0/bond", &all)] {
        assert_eq!(path_of(with(pointer, value.clone())), "genesis.accounts", "{pointer}");
    }
}

/// The orders of magnitude below those that are refused.
#[test]
fn prices_and_fees_that_somebody_could_pay_are_taken() {
    let byte_rate = ("prices/byteRate", "10000000000000000000");
    for (field, value) in [byte_rate, ("fees/perByte", "40000000000000000000000000000000")] {
        with(&format!("/genesis/parameters/{field}"), json!(value)).unwrap();
    }
}

/// A file with this text, and why it cannot be loaded, with all causes.
fn load(text: &str) -> String {
    let file = std::env::temp_dir().join(format!("spec-{}-{}.json", std::process::id(), text.len()));
    std::fs::write(&file, text).unwrap();
    let error = ChainSpec::load(file.to_str().unwrap()).unwrap_err();
    std::fs::remove_file(&file).unwrap();
    let mut chain = error.to_string();
    assert!(chain.contains(file.to_str().unwrap()), "{chain}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    chain
}

#[test]
fn what_is_wrong_in_a_file_comes_with_its_name_and_the_path() {
    let text = preset("dev").unwrap().unwrap().to_json().unwrap();
    let spoilt = text.replace("\"epochMs\": 30000", "\"epochMs\": 0");
    assert!(load(&spoilt).contains("genesis.parameters.time.epochMs"));
    assert!(load(&text.replace("\"epochMs\"", "\"epoch\"")).contains("epoch"));
    assert!(load("{").contains("EOF"));
}

#[test]
fn a_spec_that_is_too_long_is_not_read() {
    let named = load(&" ".repeat(16 * 1024 * 1024 + 1));
    assert!(named.contains(&(16 * 1024 * 1024).to_string()), "{named}");
}

#[test]
fn a_chain_whose_first_block_is_in_the_future_cannot_be_loaded() {
    let mut spec = preset("dev").unwrap().unwrap();
    spec.genesis.timestamp_ms = u64::MAX;
    let error = load(&spec.to_json().unwrap());
    assert!(error.contains("genesis.timestampMs"), "{error}");
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
