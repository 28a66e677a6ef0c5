//! Parameters much like those of a development chain, and the profiles of the larger networks besides.

use pieces::ErasureCode;

use crate::types::{
    AuditParameters, FeeParameters, LimitParameters, Parameters, PlacementParameters, PriceParameters, Profile,
    RepairParameters, RulesVersion, StakingParameters, Text, TimeParameters,
};

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

/// A chain with epochs of 30 s and the profiles dev, local, standard and compact.
///
/// # Panics
/// Never: the profiles' names are short and printable.
#[must_use]
pub fn dev_parameters() -> Parameters {
    Parameters {
        time: TimeParameters {
            epoch_ms: 30_000,
            target_ms: 0,
            idle_ms: 5_000,
            drift_ms: 2_000,
            store_window_ms: 3_600_000,
        },
        placement: PlacementParameters {
            placement_epochs: 120,
            slack_min: 4,
            slack_divisor: 4,
            draws_per_piece: 64,
            unrecorded_owner_permille: 1000,
            unrecorded_all_permille: 1000,
        },
        prices: PriceParameters {
            piece_base: 1_000,
            byte_rate: 1,
            default_lease_epochs: 1_000_000,
            max_lease_epochs: 10_000_000,
        },
        fees: FeeParameters {
            base: 1_000_000,
            per_byte: 1_000,
            per_signature: 10_000,
            deposit_per_byte: 100,
            existential_deposit: 1_000_000,
        },
        limits: LimitParameters {
            transaction_bytes: 512 * KIB,
            block_bytes: MIB,
            part_bytes: 64 * KIB,
            piece_bytes: 64 * MIB,
            providers: 4_096,
            validators: 100,
            swept_segments: 256,
        },
        staking: StakingParameters { bond_per_byte: 1, validator_bond: 1_000_000, unbonding_epochs: 10 },
        audits: AuditParameters {
            per_provider: 16,
            reads: 4,
            window_ms: 10_000,
            window_blocks: 3,
            miss_permille: 10,
            reported_permille: 1,
        },
        repairs: RepairParameters { window_ms: 60_000, window_blocks: 30, failed_claims: 3 },
        profiles: vec![
            profile("dev", 2, 4, 128),
            profile("local", 4, 8, 128),
            profile("standard", 10, 30, 128),
            profile("compact", 29, 80, 64),
        ],
        schedule: vec![RulesVersion { rules_version: 1, height: 0 }],
    }
}

fn profile(name: &str, k: u8, n: u8, max_segments: u16) -> Profile {
    Profile {
        name: Text::new(name).expect("a short printable name is a text"),
        code: ErasureCode::new(k, n, 64 * KIB),
        max_segments,
        repair_at: k.midpoint(n),
    }
}
