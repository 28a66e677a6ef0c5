//! The JSON of a chain spec, and what makes one impossible.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use runtime::WEIGHT_UNIT_BYTES;
use runtime::crypto::{AccountId, PeerKey, PublicKey};
use runtime::genesis::{Genesis, GenesisProvider, GenesisValidator};
use runtime::types::{Balance, Parameters, Profile, Text, amount_text};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Largest chain spec that is read, in bytes.
const SPEC_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What a provider's entries take in the state, and some more.
const PROVIDER_ENTRY_BYTES: u128 = 2_048;
const BOOT_NODES_MAX: usize = 64;
const BOOT_NODE_BYTES_MAX: usize = 256;

/// What a network agrees on before its first block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainSpec {
    /// For people.
    pub name: String,
    /// For folders: lower-case letters, digits, dashes and underscores.
    pub id: String,
    /// What kind of network.
    pub chain_type: ChainType,
    /// Multiaddresses with `/p2p` of nodes to try first.
    #[serde(default)]
    pub boot_nodes: Vec<String>,
    /// How long the engine waits.
    #[serde(default)]
    pub consensus: ConsensusTimeouts,
    /// What the genesis hash depends on.
    pub genesis: GenesisSpec,
}

/// What kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChainType {
    /// One process; keys that anybody knows.
    Development,
    /// Several processes of one person.
    Local,
    /// Anybody.
    Live,
}

/// How long the consensus engine waits before it goes on without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsensusTimeouts {
    /// For a proposal.
    pub propose_ms: u64,
    /// For two thirds of the prevotes.
    pub prevote_ms: u64,
    /// For two thirds of the precommits.
    pub precommit_ms: u64,
    /// Added with every round.
    pub delta_ms: u64,
}

impl Default for ConsensusTimeouts {
    fn default() -> Self {
        Self { propose_ms: 1_500, prevote_ms: 500, precommit_ms: 500, delta_ms: 250 }
    }
}

/// The first block and the state before the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenesisSpec {
    /// Time of block 0, in the past.
    pub timestamp_ms: u64,
    /// Seeds the beacon.
    pub seed: String,
    /// Everything the chain can set.
    pub parameters: Parameters,
    /// Balances.
    pub accounts: Vec<AccountSpec>,
    /// Storage providers from the start.
    pub providers: Vec<ProviderSpec>,
    /// Validators from the start.
    pub validators: Vec<ValidatorSpec>,
}

/// An account and its free balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountSpec {
    /// The account.
    pub account: AccountId,
    /// Its free balance; bonds are added to it.
    #[serde(with = "amount_text")]
    pub balance: Balance,
}

/// A provider from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderSpec {
    /// Who is paid.
    pub account: AccountId,
    /// Who serves.
    pub peer_id: PeerKey,
    /// Signs commitments.
    pub service_key: PublicKey,
    /// Multiaddresses without `/p2p`.
    pub addresses: Vec<Text<128>>,
    /// Who runs it.
    pub operator: Text<64>,
    /// Where it stands.
    pub zone: Text<64>,
    /// Bytes offered.
    pub declared_bytes: u64,
    /// Must cover what is declared.
    #[serde(with = "amount_text")]
    pub bond: Balance,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: bool,
}

/// A validator from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidatorSpec {
    /// Who is paid and slashed.
    pub account: AccountId,
    /// The key that votes.
    pub consensus_key: PublicKey,
    /// Reserved behind it.
    #[serde(with = "amount_text")]
    pub bond: Balance,
    /// Voting power.
    pub power: u64,
}

/// Why a chain spec cannot be used.
#[derive(Debug, Error)]
pub enum SpecError {
    /// Neither a preset nor a file that can be read.
    #[error("cannot read the chain spec {path} (presets are dev and local)")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any spec.
    #[error("the chain spec {path} is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not the JSON of a spec.
    #[error("{path}: {message}")]
    Json {
        /// Path of the field.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// JSON of a spec that cannot be.
    #[error("{path}: {message}")]
    Impossible {
        /// Path of the field.
        path: String,
        /// Why it cannot be.
        message: String,
    },
}

impl ChainSpec {
    /// A preset by name, or a file by path.
    ///
    /// # Errors
    /// [`SpecError`] if there is no such file or it is not a possible spec.
    pub fn load(name_or_path: &str) -> Result<Self, SpecError> {
        if let Some(spec) = crate::preset(name_or_path)? {
            return Ok(spec);
        }
        let path = Path::new(name_or_path);
        let read_error = |source| SpecError::Read { path: path.to_owned(), source };
        let length = std::fs::metadata(path).map_err(read_error)?.len();
        if length > SPEC_BYTES_MAX {
            return Err(SpecError::TooLarge { path: path.to_owned(), limit: SPEC_BYTES_MAX });
        }
        Self::from_json(&std::fs::read_to_string(path).map_err(read_error)?)
    }

    /// Reads a spec and checks that it is possible.
    ///
    /// # Errors
    /// [`SpecError`] names the path of the field that is wrong.
    pub fn from_json(text: &str) -> Result<Self, SpecError> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let spec: Self = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| SpecError::Json {
            path: error.path().to_string(),
            message: error.into_inner().to_string(),
        })?;
        deserializer.end().map_err(|error| SpecError::Json { path: ".".into(), message: error.to_string() })?;
        spec.check()?;
        Ok(spec)
    }

    /// The spec as JSON, as [`Self::from_json`] reads it.
    ///
    /// # Errors
    /// None in practice: every field has a JSON form.
    pub fn to_json(&self) -> Result<String, SpecError> {
        serde_json::to_string_pretty(self)
            .map_err(|error| SpecError::Json { path: ".".into(), message: error.to_string() })
    }

    /// What the rules need to make block 0.
    #[must_use]
    pub fn genesis(&self) -> Genesis {
        let genesis = &self.genesis;
        Genesis {
            timestamp_ms: genesis.timestamp_ms,
            seed: genesis.seed.clone().into_bytes(),
            parameters: genesis.parameters.clone(),
            accounts: genesis.accounts.iter().map(|entry| (entry.account, entry.balance)).collect(),
            providers: genesis.providers.iter().map(ProviderSpec::genesis).collect(),
            validators: genesis.validators.iter().map(ValidatorSpec::genesis).collect(),
        }
    }

    fn check(&self) -> Result<(), SpecError> {
        let id_is_plain = self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        require(id_is_plain && (1..=64).contains(&self.id.len()), "id", "must be 1 to 64 of a-z, 0-9, - and _")?;
        require(!self.genesis.validators.is_empty(), "genesis.validators", "must not be empty")?;
        self.check_boot_nodes()?;
        self.check_parameters()?;
        self.check_accounts()?;
        self.check_providers()?;
        self.check_validators()
    }

    /// Only their outline: what the parts of an address mean is known to the networks that dial it.
    fn check_boot_nodes(&self) -> Result<(), SpecError> {
        require(self.boot_nodes.len() <= BOOT_NODES_MAX, "bootNodes", "are more than 64")?;
        for (index, address) in self.boot_nodes.iter().enumerate() {
            let names_peer = address.rsplit_once("/p2p/").is_some_and(|(_, peer)| peer.parse::<PeerKey>().is_ok());
            require(
                address.starts_with('/') && names_peer && address.len() <= BOOT_NODE_BYTES_MAX,
                &format!("bootNodes[{index}]"),
                "must be a multiaddress that ends in /p2p/ and a peer id",
            )?;
        }
        Ok(())
    }

    fn check_parameters(&self) -> Result<(), SpecError> {
        let parameters = &self.genesis.parameters;
        let path = |field: &str| format!("genesis.parameters.{field}");
        require(parameters.time.epoch_ms > 0, &path("time.epochMs"), "must not be 0")?;
        require(parameters.time.idle_ms > 0, &path("time.idleMs"), "must not be 0")?;
        require(parameters.time.store_window_ms > 0, &path("time.storeWindowMs"), "must not be 0")?;
        require(parameters.placement.slack_divisor > 0, &path("placement.slackDivisor"), "must not be 0")?;
        require(parameters.placement.placement_epochs > 0, &path("placement.placementEpochs"), "must not be 0")?;
        require(parameters.placement.draws_per_piece > 0, &path("placement.drawsPerPiece"), "must not be 0")?;
        require(parameters.staking.bond_per_byte > 0, &path("staking.bondPerByte"), "must not be 0")?;
        // So that the bond of any provider stands for the deposit of its entries too.
        let least_bond = parameters.staking.bond_per_byte.saturating_mul(WEIGHT_UNIT_BYTES.into());
        let entries = parameters.fees.deposit_per_byte.saturating_mul(PROVIDER_ENTRY_BYTES);
        let covered = least_bond >= entries;
        require(covered, &path("staking.bondPerByte"), "must make the bond for 1 GiB cover the deposit for 2 KiB")?;
        let limits = &parameters.limits;
        require(limits.piece_bytes > 0, &path("limits.pieceBytes"), "must not be 0")?;
        require(limits.part_bytes >= 1024, &path("limits.partBytes"), "must be at least 1024")?;
        let room = limits.block_bytes.saturating_sub(limits.transaction_bytes);
        require(room >= 4096, &path("limits.blockBytes"), "must exceed transactionBytes by 4096")?;
        require(!parameters.profiles.is_empty(), &path("profiles"), "must not be empty")?;
        let mut names = BTreeSet::new();
        for (index, profile) in parameters.profiles.iter().enumerate() {
            let path = |field: &str| format!("genesis.parameters.profiles[{index}].{field}");
            require(names.insert(profile.name.clone()), &path("name"), "is given twice")?;
            let code = profile.code.check();
            require(code.is_ok(), &path("code"), &code.err().map_or_else(String::new, |error| error.to_string()))?;
            let whole_units = limits.piece_bytes.checked_rem(profile.code.unit_bytes) == Some(0);
            require(whole_units, &path("code.unitBytes"), "must divide limits.pieceBytes")?;
            require(profile.max_segments > 0, &path("maxSegments"), "must not be 0")?;
            let store_bytes = store_bytes_max(profile);
            let fits = store_bytes <= u64::from(limits.transaction_bytes);
            require(fits, &path("maxSegments"), "makes a Store larger than limits.transactionBytes")?;
            let repairable = (profile.code.k..=profile.code.n).contains(&profile.repair_at);
            require(repairable, &path("repairAt"), "must lie between k and n")?;
        }
        let ascending = parameters.schedule.is_sorted_by(|a, b| a.height < b.height);
        let from_genesis = parameters.schedule.first().is_some_and(|step| step.height == 0);
        require(ascending && from_genesis, &path("schedule"), "must begin at height 0 and ascend")
    }

    fn check_accounts(&self) -> Result<(), SpecError> {
        let mut seen = BTreeSet::new();
        let least = self.genesis.parameters.fees.existential_deposit;
        let mut supply = 0u128;
        for (index, entry) in self.genesis.accounts.iter().enumerate() {
            let path = |field: &str| format!("genesis.accounts[{index}].{field}");
            require(seen.insert(entry.account), &path("account"), "is given twice")?;
            require(entry.balance >= least, &path("balance"), "is below the existential deposit")?;
            supply = supply.saturating_add(entry.balance);
        }
        // Sums of a few balances must fit u128 everywhere in the rules.
        require(supply < u128::MAX / 4, "genesis.accounts", "together hold more than 2^126")
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

impl ProviderSpec {
    fn genesis(&self) -> GenesisProvider {
        GenesisProvider {
            account: self.account,
            peer_key: self.peer_id,
            service_key: self.service_key,
            addresses: self.addresses.clone(),
            operator: self.operator.clone(),
            zone: self.zone.clone(),
            declared: self.declared_bytes,
            bond: self.bond,
            auto_renew: self.auto_renew,
        }
    }
}

impl ValidatorSpec {
    const fn genesis(&self) -> GenesisValidator {
        GenesisValidator {
            account: self.account,
            consensus_key: self.consensus_key,
            bond: self.bond,
            power: self.power,
        }
    }
}
