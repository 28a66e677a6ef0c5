//! Everything a chain can set: one value of the state, one section of the chain spec.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::ErasureCode;
use serde::{Deserialize, Serialize};

use super::{Balance, Height, Text};

/// Amounts as decimal strings in JSON: they do not fit a JavaScript number.
pub mod amount_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes an amount as a decimal string.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    /// Reads a decimal string.
    ///
    /// # Errors
    /// If the text is not a decimal number of at most 128 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(Error::custom("an amount is a decimal string"));
        }
        text.parse().map_err(|_| Error::custom("an amount has at most 128 bits"))
    }
}

macro_rules! parameters {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
    )*};
}

parameters! {
    /// All parameters, by subject.
    pub struct Parameters {
        /// Clocks.
        time: TimeParameters,
        /// Where pieces go.
        placement: PlacementParameters,
        /// What storage costs.
        prices: PriceParameters,
        /// What transactions cost.
        fees: FeeParameters,
        /// How large things get.
        limits: LimitParameters,
        /// Bonds and unbonding.
        staking: StakingParameters,
        /// Challenges.
        audits: AuditParameters,
        /// Repair.
        repairs: RepairParameters,
        /// Codes that files may use; the first is the default.
        profiles: Vec<Profile>,
        /// Versions of the rules and the heights from which they hold, in ascending order.
        schedule: Vec<RulesVersion>,
    }

    /// Clocks.
    pub struct TimeParameters {
        /// Length of an epoch.
        epoch_ms: u64,
        /// Blocks follow each other at this pace when there is work; 0 = at once.
        target_ms: u64,
        /// An empty block follows the last one after this long.
        idle_ms: u64,
        /// A live proposal's time may be this far ahead of the voter's clock.
        drift_ms: u64,
        /// A Store lands within this long after its intent.
        store_window_ms: u64,
    }

    /// Where pieces go.
    pub struct PlacementParameters {
        /// A Store lands within this many epochs after its snapshot.
        placement_epochs: u32,
        /// Spare slots: at least this many,
        slack_min: u8,
        /// and at least n divided by this.
        slack_divisor: u8,
        /// Draws per piece before the table is passed in order.
        draws_per_piece: u16,
        /// Bytes an owner's unrecorded uploads may take of a provider's declared capacity, in thousandths.
        unrecorded_owner_permille: u16,
        /// The same for all owners together.
        unrecorded_all_permille: u16,
    }

    /// What storage costs.
    pub struct PriceParameters {
        /// Per piece and epoch.
        #[serde(with = "amount_text")]
        piece_base: Balance,
        /// Per byte of a piece and epoch.
        #[serde(with = "amount_text")]
        byte_rate: Balance,
        /// Epochs of a lease unless the client says otherwise.
        default_lease_epochs: u32,
        /// Longest lease.
        max_lease_epochs: u32,
    }

    /// What transactions cost.
    pub struct FeeParameters {
        /// Per transaction.
        #[serde(with = "amount_text")]
        base: Balance,
        /// Per encoded byte.
        #[serde(with = "amount_text")]
        per_byte: Balance,
        /// Per signature that is checked.
        #[serde(with = "amount_text")]
        per_signature: Balance,
        /// Per byte of a state entry that is not under a lease.
        #[serde(with = "amount_text")]
        deposit_per_byte: Balance,
        /// An account with less does not exist.
        #[serde(with = "amount_text")]
        existential_deposit: Balance,
    }

    /// How large things get.
    pub struct LimitParameters {
        /// Encoded transaction.
        transaction_bytes: u32,
        /// Encoded block.
        block_bytes: u32,
        /// A proposal travels in parts of this size.
        part_bytes: u32,
        /// Piece.
        piece_bytes: u32,
        /// Active providers.
        providers: u32,
        /// Active validators.
        validators: u32,
        /// Segments whose entries are swept in one block.
        swept_segments: u32,
    }

    /// Bonds and unbonding.
    pub struct StakingParameters {
        /// Per declared byte.
        #[serde(with = "amount_text")]
        bond_per_byte: Balance,
        /// Least bond of a validator.
        #[serde(with = "amount_text")]
        validator_bond: Balance,
        /// Epochs until a bond is free again.
        unbonding_epochs: u32,
    }

    /// Challenges.
    pub struct AuditParameters {
        /// Challenges per provider and epoch.
        per_provider: u16,
        /// Chunks read for one answer.
        reads: u8,
        /// An answer lands within this long,
        window_ms: u64,
        /// and within this many blocks.
        window_blocks: u32,
        /// Part of the bond per piece that a miss burns, in thousandths.
        miss_permille: u16,
        /// The same for a loss that the provider reports itself.
        reported_permille: u16,
    }

    /// Repair.
    pub struct RepairParameters {
        /// A claim ends within this long,
        window_ms: u64,
        /// and within this many blocks.
        window_blocks: u32,
        /// Failed claims after which an index is given up.
        failed_claims: u8,
    }

    /// A code that files may use.
    pub struct Profile {
        /// How clients name it.
        name: Text<32>,
        /// The code.
        code: ErasureCode,
        /// Most segments of a file.
        max_segments: u16,
        /// A segment with this many live pieces or fewer is repaired.
        repair_at: u8,
    }

    /// One step of the schedule of upgrades.
    pub struct RulesVersion {
        /// The version of the rules,
        rules_version: u32,
        /// in force from this height.
        height: Height,
    }
}

impl Parameters {
    /// The profile that uses exactly this code.
    #[must_use]
    pub fn profile_of(&self, code: &ErasureCode) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.code == *code)
    }

    /// The profile with this name; the first if none is asked for.
    #[must_use]
    pub fn profile(&self, name: Option<&str>) -> Option<&Profile> {
        match name {
            Some(name) => self.profiles.iter().find(|profile| profile.name.as_str() == name),
            None => self.profiles.first(),
        }
    }

    /// Version of the rules in force at `height`.
    #[must_use]
    pub fn rules_version(&self, height: Height) -> u32 {
        self.schedule.iter().rev().find(|step| step.height <= height).map_or(1, |step| step.rules_version)
    }

    /// Largest file of a profile in bytes.
    #[must_use]
    pub fn file_bytes_max(&self, profile: &Profile) -> u64 {
        u64::from(profile.max_segments) * profile.code.segment_bytes_max(self.limits.piece_bytes)
    }
}
