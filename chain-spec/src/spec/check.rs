//! What makes a chain spec impossible, each with the path of its field. Nothing here looks at a clock or a disk.

use std::collections::BTreeSet;

use runtime::WEIGHT_UNIT_BYTES;
use runtime::crypto::PeerKey;
use runtime::execute::RULES_VERSION;
use runtime::fees::fee;
use runtime::terms::lease_price;
use runtime::types::{Balance, FeeParameters, Parameters, PriceParameters, Profile};

use super::{ChainSpec, SpecError};

/// Bytes of a block, at most: more would not fit what one node sends another when it catches up.
pub const BLOCK_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Bytes of a proposal's part, at most: more would not fit a gossip message.
pub const PART_BYTES_MAX: u32 = 64 * 1024;
/// Parts of a block, at most: a proposal's manifest names the hash of each.
pub const PARTS_MAX: u32 = 64;
/// The longest that a step of consensus waits: longer ones would be cut to it.
pub const STEP_MS_MAX: u64 = 30_000;

/// Bytes of a piece, at most.
const PIECE_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// Validators, at most: a certificate with a signature of each fits a message.
const VALIDATORS_MAX: u32 = 256;
/// The largest amount that anybody can have, so that a sum of a few balances fits everywhere in the rules.
const AMOUNT_MAX: Balance = Balance::MAX / 4;
/// What a provider's entries take in the state, and some more.
const PROVIDER_ENTRY_BYTES: u128 = 2_048;
/// Encoded bytes of a Store for each signature that it asks for, at least.
const SIGNATURE_BYTES: u32 = 64;
/// Epochs of a lease, at most, and of placement: together with the epochs that pass they must fit 32 bits.
const EPOCHS_MAX: u32 = 1 << 30;
const BOOT_NODES_MAX: usize = 64;
const BOOT_NODE_BYTES_MAX: usize = 256;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const YEAR_MS: u64 = 365 * 24 * HOUR_MS;

impl ChainSpec {
    pub(super) fn check(&self) -> Result<(), SpecError> {
        let id_is_plain = self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        require(id_is_plain && (1..=64).contains(&self.id.len()), "id", "must be 1 to 64 of a-z, 0-9, - and _")?;
        require(!self.genesis.validators.is_empty(), "genesis.validators", "must not be empty")?;
        check_peers("bootNodes", &self.boot_nodes)?;
        check_peers("consensusPeers", &self.consensus_peers)?;
        self.check_timeouts()?;
        check_parameters(&self.genesis.parameters)?;
        self.check_accounts()?;
        self.check_providers()?;
        self.check_validators()?;
        self.check_supply()
    }

    /// Whether block 0 lies in the past. A chain from the future would give all its blocks the time of their parents and
    /// a millisecond until that time has come.
    pub(super) fn check_begun(&self, now_ms: u64) -> Result<(), SpecError> {
        let begun = self.genesis.timestamp_ms <= now_ms;
        require(begun, "genesis.timestampMs", "must be in the past; this machine's clock says that it is not")
    }

    fn check_timeouts(&self) -> Result<(), SpecError> {
        let waits = &self.consensus;
        // A wait of 0 would spin.
        within("consensus.proposeMs", waits.propose_ms, 1, STEP_MS_MAX)?;
        within("consensus.prevoteMs", waits.prevote_ms, 1, STEP_MS_MAX)?;
        within("consensus.precommitMs", waits.precommit_ms, 1, STEP_MS_MAX)?;
        within("consensus.deltaMs", waits.delta_ms, 0, STEP_MS_MAX)
    }

    fn check_accounts(&self) -> Result<(), SpecError> {
        let mut seen = BTreeSet::new();
        let least = self.genesis.parameters.fees.existential_deposit;
        for (index, entry) in self.genesis.accounts.iter().enumerate() {
            let path = |field: &str| format!("genesis.accounts[{index}].{field}");
            require(seen.insert(entry.account), &path("account"), "is given twice")?;
            require(entry.balance >= least, &path("balance"), "is below the existential deposit")?;
        }
        Ok(())
    }

    fn check_providers(&self) -> Result<(), SpecError> {
        let parameters = &self.genesis.parameters;
        let (mut accounts, mut peers) = (BTreeSet::new(), BTreeSet::new());
        for (index, provider) in self.genesis.providers.iter().enumerate() {
            let path = |field: &str| format!("genesis.providers[{index}].{field}");
            require(accounts.insert(provider.account), &path("account"), "is given twice")?;
            require(peers.insert(provider.peer_id), &path("peerId"), "is given twice")?;
            let addresses = &provider.addresses;
            let well_formed = addresses.iter().all(|address| address.as_str().starts_with('/'));
            require(
                well_formed && (1..=8).contains(&addresses.len()),
                &path("addresses"),
                "must be 1 to 8, each /...",
            )?;
            let needed = u128::from(provider.declared_bytes).checked_mul(parameters.staking.bond_per_byte);
            require(needed.is_some_and(|bond| bond <= provider.bond), &path("bond"), "does not cover declaredBytes")?;
        }
        let limit = usize::try_from(parameters.limits.providers).unwrap_or(usize::MAX);
        require(self.genesis.providers.len() <= limit, "genesis.providers", "are more than limits.providers")
    }

    fn check_validators(&self) -> Result<(), SpecError> {
        let limits = &self.genesis.parameters.limits;
        let mut accounts = BTreeSet::new();
        let mut power = 0u64;
        for (index, validator) in self.genesis.validators.iter().enumerate() {
            let path = |field: &str| format!("genesis.validators[{index}].{field}");
            require(accounts.insert(validator.account), &path("account"), "is given twice")?;
            require(validator.power > 0, &path("power"), "must not be 0")?;
            let least = self.genesis.parameters.staking.validator_bond;
            require(validator.bond >= least, &path("bond"), "is below staking.validatorBond")?;
            power = power.saturating_add(validator.power);
        }
        // The engine multiplies the total power by three.
        require(power < u64::MAX / 4, "genesis.validators", "together have more than 2^62 of power")?;
        let limit = usize::try_from(limits.validators).unwrap_or(usize::MAX);
        require(self.genesis.validators.len() <= limit, "genesis.validators", "are more than limits.validators")
    }

    /// Balances and bonds together are the supply.
    fn check_supply(&self) -> Result<(), SpecError> {
        let genesis = &self.genesis;
        let balances = genesis.accounts.iter().map(|entry| entry.balance);
        let bonds = genesis.providers.iter().map(|provider| provider.bond);
        let all = balances.chain(bonds).chain(genesis.validators.iter().map(|validator| validator.bond));
        let supply = all.fold(0, Balance::saturating_add);
        require(supply < AMOUNT_MAX, "genesis.accounts", "together with all bonds hold more than 2^126")
    }
}

/// Only their outline: what the parts of an address mean is known to the networks that dial it.
fn check_peers(field: &str, addresses: &[String]) -> Result<(), SpecError> {
    require(addresses.len() <= BOOT_NODES_MAX, field, "are more than 64")?;
    for (index, address) in addresses.iter().enumerate() {
        let names_peer = address.rsplit_once("/p2p/").is_some_and(|(_, peer)| peer.parse::<PeerKey>().is_ok());
        require(
            address.starts_with('/') && names_peer && address.len() <= BOOT_NODE_BYTES_MAX,
            &format!("{field}[{index}]"),
            "must be a multiaddress that ends in /p2p/ and a peer id",
        )?;
    }
    Ok(())
}

fn at(field: &str) -> String {
    format!("genesis.parameters.{field}")
}

fn check_parameters(parameters: &Parameters) -> Result<(), SpecError> {
    check_clocks(parameters)?;
    check_limits(parameters)?;
    check_placement(parameters)?;
    check_profiles(parameters)?;
    check_prices(parameters)?;
    check_fees(parameters)?;
    check_bonds(parameters)?;
    within(&at("audits.missPermille"), parameters.audits.miss_permille, 0, 1000)?;
    within(&at("audits.reportedPermille"), parameters.audits.reported_permille, 0, 1000)?;
    let ascending = parameters.schedule.is_sorted_by(|a, b| a.height < b.height);
    let from_genesis = parameters.schedule.first().is_some_and(|step| step.height == 0);
    require(ascending && from_genesis, &at("schedule"), "must begin at height 0 and ascend")?;
    // Later steps may name versions to come: a node that lacks one stops when its height comes.
    let known = parameters.rules_version(0) == RULES_VERSION;
    require(known, &at("schedule[0].rulesVersion"), &format!("must be {RULES_VERSION}, the rules of this program"))
}

fn check_clocks(parameters: &Parameters) -> Result<(), SpecError> {
    let time = &parameters.time;
    within(&at("time.epochMs"), time.epoch_ms, 1, YEAR_MS)?;
    within(&at("time.idleMs"), time.idle_ms, 1, HOUR_MS)?;
    within(&at("time.targetMs"), time.target_ms, 0, MINUTE_MS)?;
    within(&at("time.driftMs"), time.drift_ms, 0, MINUTE_MS)?;
    within(&at("time.storeWindowMs"), time.store_window_ms, 1, YEAR_MS)
}

fn check_limits(parameters: &Parameters) -> Result<(), SpecError> {
    let limits = &parameters.limits;
    within(&at("limits.pieceBytes"), limits.piece_bytes, 1, PIECE_BYTES_MAX)?;
    within(&at("limits.partBytes"), limits.part_bytes, 1024, PART_BYTES_MAX)?;
    within(&at("limits.blockBytes"), limits.block_bytes, 1, BLOCK_BYTES_MAX)?;
    let room = limits.block_bytes.saturating_sub(limits.transaction_bytes);
    require(room >= 4096, &at("limits.blockBytes"), "must exceed transactionBytes by 4096")?;
    let parts = limits.block_bytes.div_ceil(limits.part_bytes);
    require(parts <= PARTS_MAX, &at("limits.partBytes"), "makes more than 64 parts of a block of blockBytes")?;
    within(&at("limits.validators"), limits.validators, 1, VALIDATORS_MAX)?;
    within(&at("limits.sweptSegments"), limits.swept_segments, 1, u32::MAX)
}

fn check_placement(parameters: &Parameters) -> Result<(), SpecError> {
    let placement = &parameters.placement;
    within(&at("placement.slackDivisor"), placement.slack_divisor, 1, u8::MAX)?;
    within(&at("placement.placementEpochs"), placement.placement_epochs, 1, EPOCHS_MAX)?;
    within(&at("placement.drawsPerPiece"), placement.draws_per_piece, 1, u16::MAX)?;
    within(&at("placement.unrecordedOwnerPermille"), placement.unrecorded_owner_permille, 0, 1000)?;
    within(&at("placement.unrecordedAllPermille"), placement.unrecorded_all_permille, 0, 1000)
}

fn check_profiles(parameters: &Parameters) -> Result<(), SpecError> {
    let limits = &parameters.limits;
    require(!parameters.profiles.is_empty(), &at("profiles"), "must not be empty")?;
    let mut names = BTreeSet::new();
    for (index, profile) in parameters.profiles.iter().enumerate() {
        let path = |field: &str| at(&format!("profiles[{index}].{field}"));
        require(names.insert(profile.name.clone()), &path("name"), "is given twice")?;
        let code = profile.code.check();
        require(code.is_ok(), &path("code"), &code.err().map_or_else(String::new, |error| error.to_string()))?;
        let whole_units = limits.piece_bytes.checked_rem(profile.code.unit_bytes) == Some(0);
        require(whole_units, &path("code.unitBytes"), "must divide limits.pieceBytes")?;
        within(&path("maxSegments"), profile.max_segments, 1, u16::MAX)?;
        let store_bytes = store_bytes_max(profile);
        let fits = store_bytes <= u64::from(limits.transaction_bytes);
        require(fits, &path("maxSegments"), "makes a Store larger than limits.transactionBytes")?;
        within(&path("repairAt"), profile.repair_at, profile.code.k, profile.code.n)?;
    }
    Ok(())
}

/// Each profile's largest file must have a price for the longest lease, and one that somebody could pay.
fn check_prices(parameters: &Parameters) -> Result<(), SpecError> {
    let prices = &parameters.prices;
    within(&at("prices.maxLeaseEpochs"), prices.max_lease_epochs, 1, EPOCHS_MAX)?;
    within(&at("prices.defaultLeaseEpochs"), prices.default_lease_epochs, 1, prices.max_lease_epochs)?;
    // Half for each of the two, so that it can be said which is too large.
    let of_pieces = PriceParameters { byte_rate: 0, ..prices.clone() };
    let of_bytes = PriceParameters { piece_base: 0, ..prices.clone() };
    for profile in &parameters.profiles {
        let size = parameters.file_bytes_max(profile);
        let is_payable = |prices: &PriceParameters| {
            let piece_bytes = parameters.limits.piece_bytes;
            let price = lease_price(prices, &profile.code, size, piece_bytes, prices.max_lease_epochs);
            price.is_some_and(|price| price <= AMOUNT_MAX / 2)
        };
        let why = format!("makes the longest lease of the largest file of {} cost more than can be", profile.name);
        require(is_payable(&of_pieces), &at("prices.pieceBase"), &why)?;
        require(is_payable(&of_bytes), &at("prices.byteRate"), &why)?;
    }
    Ok(())
}

/// The largest transaction must have a fee that somebody could pay.
fn check_fees(parameters: &Parameters) -> Result<(), SpecError> {
    let fees = &parameters.fees;
    let bytes = parameters.limits.transaction_bytes;
    let zero = FeeParameters { base: 0, per_byte: 0, per_signature: 0, ..fees.clone() };
    let parts = [
        ("fees.base", FeeParameters { base: fees.base, ..zero.clone() }),
        ("fees.perByte", FeeParameters { per_byte: fees.per_byte, ..zero.clone() }),
        ("fees.perSignature", FeeParameters { per_signature: fees.per_signature, ..zero }),
    ];
    for (field, part) in parts {
        let is_payable = fee(&part, bytes, bytes / SIGNATURE_BYTES) <= AMOUNT_MAX / 4;
        require(is_payable, &at(field), "makes the largest transaction cost more than can be")?;
    }
    let deposit = fees.deposit_per_byte.checked_mul(bytes.into());
    let is_payable = deposit.is_some_and(|deposit| deposit <= AMOUNT_MAX);
    require(is_payable, &at("fees.depositPerByte"), "makes the deposit for a transaction's bytes more than can be")?;
    let holds = fees.existential_deposit <= AMOUNT_MAX;
    require(holds, &at("fees.existentialDeposit"), "is more than can be")
}

fn check_bonds(parameters: &Parameters) -> Result<(), SpecError> {
    let staking = &parameters.staking;
    let path = at("staking.bondPerByte");
    require(staking.bond_per_byte > 0, &path, "must not be 0")?;
    let largest = staking.bond_per_byte.checked_mul(u64::MAX.into());
    require(largest.is_some_and(|bond| bond <= AMOUNT_MAX), &path, "makes the largest bond more than can be")?;
    // So that the bond of any provider stands for the deposit of its entries too.
    let least_bond = staking.bond_per_byte.saturating_mul(WEIGHT_UNIT_BYTES.into());
    let entries = parameters.fees.deposit_per_byte.saturating_mul(PROVIDER_ENTRY_BYTES);
    require(least_bond >= entries, &path, "must make the bond for 1 GiB cover the deposit for 2 KiB")?;
    require(staking.validator_bond <= AMOUNT_MAX, &at("staking.validatorBond"), "is more than can be")
}

/// Encoded bytes of the largest Store of a profile, a few more at most: per piece a hash, a slot and a signature, per
/// segment its length and two counts, beside what every Store has.
fn store_bytes_max(profile: &Profile) -> u64 {
    const FIXED_BYTES: u64 = 1_024;
    const SEGMENT_BYTES: u64 = 8 + 2 * 5;
    const PIECE_BYTES: u64 = 32 + 1 + 64;
    let segments = u64::from(profile.max_segments);
    FIXED_BYTES + segments * (SEGMENT_BYTES + u64::from(profile.code.n) * PIECE_BYTES)
}

fn require(holds: bool, path: &str, message: &str) -> Result<(), SpecError> {
    if holds { Ok(()) } else { Err(SpecError::Impossible { path: path.into(), message: message.into() }) }
}

fn within<T: PartialOrd + std::fmt::Display>(path: &str, value: T, least: T, most: T) -> Result<(), SpecError> {
    let holds = value >= least && value <= most;
    require(holds, path, &format!("is {value} and must lie between {least} and {most}"))
}
