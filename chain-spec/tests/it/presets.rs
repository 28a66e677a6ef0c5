//! The presets are what the well-known keys and the design's table of numbers give.
//! `PIECEWISE_GOLDEN=write` writes them anew: an explicit approval of another genesis.

use std::path::PathBuf;

use chain_spec::{
    AccountSpec, ChainSpec, ChainType, ConsensusTimeouts, GenesisSpec, ProviderSpec, ValidatorSpec, dev_keys, preset,
};
use pieces::ErasureCode;
use runtime::crypto::PeerKey;
use runtime::types::{
    AuditParameters, FeeParameters, LimitParameters, Parameters, PlacementParameters, PriceParameters, Profile,
    RepairParameters, RulesVersion, StakingParameters, Text, TimeParameters,
};

const TIB: u64 = 1 << 40;
const TOKEN: u128 = 1_000_000_000_000;
/// 2026-01-01T00:00:00Z.
const GENESIS_MS: u64 = 1_767_225_600_000;

/// What differs between the presets.
struct Preset {
    id: &'static str,
    name: &'static str,
    chain_type: ChainType,
    profiles: Vec<Profile>,
    validators: usize,
    providers: u32,
    epoch_ms: u64,
    target_ms: u64,
    default_lease_epochs: u32,
    unrecorded_permille: (u16, u16),
    audit_window: (u64, u32),
}

fn text<const MAX: usize>(text: impl Into<String>) -> Text<MAX> {
    Text::new(text).unwrap()
}

fn profile(name: &str, k: u8, n: u8) -> Profile {
    Profile { name: text(name), code: ErasureCode::new(k, n, 64 * 1024), max_segments: 128, repair_at: n }
}

fn dev() -> Preset {
    Preset {
        id: "dev",
        name: "Piecewise Development",
        chain_type: ChainType::Development,
        profiles: vec![profile("dev", 2, 4), profile("local", 4, 8)],
        validators: 1,
        providers: 4,
        epoch_ms: 30_000,
        target_ms: 0,
        default_lease_epochs: 1_000_000,
        unrecorded_permille: (1_000, 1_000),
        audit_window: (10_000, 3),
    }
}

fn local() -> Preset {
    Preset {
        id: "local",
        name: "Piecewise Local Testnet",
        chain_type: ChainType::Local,
        profiles: vec![profile("local", 4, 8)],
        validators: 4,
        providers: 8,
        epoch_ms: 60_000,
        target_ms: 1_000,
        default_lease_epochs: 10_000,
        unrecorded_permille: (250, 500),
        audit_window: (15_000, 5),
    }
}

fn parameters(preset: &Preset) -> Parameters {
    Parameters {
        time: TimeParameters {
            epoch_ms: preset.epoch_ms,
            target_ms: preset.target_ms,
            idle_ms: 5_000,
            drift_ms: 2_000,
            store_window_ms: 3_600_000,
        },
        placement: PlacementParameters {
            placement_epochs: 120,
            slack_min: 4,
            slack_divisor: 4,
            draws_per_piece: 64,
            unrecorded_owner_permille: preset.unrecorded_permille.0,
            unrecorded_all_permille: preset.unrecorded_permille.1,
        },
        prices: PriceParameters {
            piece_base: 1_000,
            byte_rate: 1,
            default_lease_epochs: preset.default_lease_epochs,
            max_lease_epochs: 10_000_000,
        },
        fees: FeeParameters {
            base: 1_000_000,
            per_byte: 1_000,
            per_signature: 10_000,
            deposit_per_byte: 1_000,
            existential_deposit: 1_000_000,
        },
        limits: LimitParameters {
            transaction_bytes: 512 * 1024,
            block_bytes: 1024 * 1024,
            part_bytes: 64 * 1024,
            piece_bytes: 64 * 1024 * 1024,
            providers: 4_096,
            validators: 100,
            swept_segments: 256,
        },
        staking: StakingParameters { bond_per_byte: 1, validator_bond: TOKEN, unbonding_epochs: 10 },
        audits: AuditParameters {
            per_provider: 16,
            reads: 4,
            window_ms: preset.audit_window.0,
            window_blocks: preset.audit_window.1,
            miss_permille: 50,
            reported_permille: 10,
        },
        repairs: RepairParameters { window_ms: 600_000, window_blocks: 100, failed_claims: 3 },
        profiles: preset.profiles.clone(),
        schedule: vec![RulesVersion { rules_version: 1, height: 0 }],
    }
}

fn provider(index: u32) -> ProviderSpec {
    let peer = ed25519_dalek::SigningKey::from_bytes(&dev_keys::provider_peer_seed(index));
    ProviderSpec {
        account: dev_keys::provider_account(index).unwrap().account(),
        peer_id: PeerKey::from_bytes(peer.verifying_key().to_bytes()),
        service_key: dev_keys::service_key(index).unwrap().public_key(),
        addresses: vec![text(format!("/ip4/127.0.0.1/tcp/{}", 30_434 + index))],
        operator: text(format!("operator-{index}")),
        zone: text(format!("zone-{index}")),
        declared_bytes: TIB,
        bond: u128::from(TIB),
        auto_renew: true,
    }
}

fn validator(name: &str) -> ValidatorSpec {
    ValidatorSpec {
        account: dev_keys::validator_account(name).unwrap().account(),
        consensus_key: dev_keys::consensus_key(name).unwrap().public_key(),
        bond: 1_000 * TOKEN,
        power: 1_000,
    }
}

fn spec(preset: &Preset) -> ChainSpec {
    let rich = dev_keys::NAMES.iter().map(|name| (dev_keys::account(name).unwrap(), 1_000_000_000 * TOKEN));
    let validators = &dev_keys::NAMES[..preset.validators];
    let stashes = validators.iter().map(|name| (dev_keys::validator_account(name).unwrap(), 1_000 * TOKEN));
    let providers = (0..preset.providers).map(|index| (dev_keys::provider_account(index).unwrap(), 1_000 * TOKEN));
    ChainSpec {
        name: preset.name.into(),
        id: preset.id.into(),
        chain_type: preset.chain_type,
        boot_nodes: Vec::new(),
        consensus_peers: Vec::new(),
        consensus: ConsensusTimeouts::default(),
        genesis: GenesisSpec {
            timestamp_ms: GENESIS_MS,
            seed: format!("piecewise {}", preset.id),
            parameters: parameters(preset),
            accounts: rich
                .chain(stashes)
                .chain(providers)
                .map(|(pair, balance)| AccountSpec { account: pair.account(), balance })
                .collect(),
            providers: (0..preset.providers).map(provider).collect(),
            validators: validators.iter().copied().map(validator).collect(),
        },
    }
}

fn holds(preset_numbers: &Preset) {
    let expected = spec(preset_numbers);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("presets/{}.json", preset_numbers.id));
    if std::env::var("PIECEWISE_GOLDEN").as_deref() == Ok("write") {
        std::fs::write(&path, expected.to_json().unwrap() + "\n").unwrap();
    }
    assert_eq!(ChainSpec::load(path.to_str().unwrap()).unwrap(), expected);
}

#[test]
fn the_dev_preset_is_what_its_numbers_and_keys_give() {
    holds(&dev());
    assert_eq!(preset("dev").unwrap().unwrap().id, "dev");
}

#[test]
fn the_local_preset_is_what_its_numbers_and_keys_give() {
    holds(&local());
    assert_eq!(preset("local").unwrap().unwrap().id, "local");
}

#[test]
fn a_dev_file_may_have_16_gib() {
    let spec = spec(&dev());
    let parameters = &spec.genesis.parameters;
    assert_eq!(parameters.file_bytes_max(parameters.profile(None).unwrap()), 16 << 30);
}
