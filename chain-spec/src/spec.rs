//! The JSON of a chain spec, and what makes one impossible.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use runtime::crypto::{AccountId, PeerKey, PublicKey};
use runtime::genesis::{Genesis, GenesisProvider, GenesisValidator};
use runtime::types::{Balance, Parameters, Text, amount_text};
use serde::{Deserialize, Serialize};
use thiserror::Error;

mod check;

pub use check::{BLOCK_BYTES_MAX, PART_BYTES_MAX, PARTS_MAX, STEP_MS_MAX};

/// Largest chain spec that is read, in bytes.
const SPEC_BYTES_MAX: u64 = 16 * 1024 * 1024;

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
    /// Multiaddresses over TCP with `/p2p` of nodes whose consensus port lets others follow the chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consensus_peers: Vec<String>,
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
    /// What is in a file cannot be used.
    #[error("the chain spec {} cannot be used", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and where.
        #[source]
        cause: Box<SpecError>,
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
    /// A preset by name, or a file by path, whose first block must lie in the past.
    ///
    /// Only here is a clock asked: what a file means does not depend on when it is read, and may be checked before its
    /// network begins; but no node can take part before.
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
        let text = std::fs::read_to_string(path).map_err(read_error)?;
        let begun = Self::from_json(&text).and_then(|spec| spec.check_begun(clock_ms()).map(|()| spec));
        begun.map_err(|cause| SpecError::File { file: path.to_owned(), cause: Box::new(cause) })
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

/// Milliseconds since the Unix epoch.
fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
