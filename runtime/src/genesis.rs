//! Block 0: the state that a chain starts from, and its header, whose hash names the chain.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::beacon::genesis_beacon;
use crate::call::providers::ADDRESSES_MAX;
use crate::crypto::{AccountId, PeerKey, PublicKey, VrfOutput};
use crate::execute::{BLOCK_OVERHEAD_BYTES, RULES_VERSION};
use crate::snapshot::{SnapshotBuilder, covered_bytes};
use crate::state::{Changes, MemoryState, Overlay, StateError};
use crate::tables::{
    Account, Accounts, Chain, ChainState, ParameterTable, PeerNumbers, Provider, ProviderNumbers, ProviderStatus,
    Providers, ServiceKey, Snapshots, Validator, ValidatorSets, Validators,
};
use crate::types::{Balance, BlockHash, Header, Parameters, StateRoot, Text, ValidatorEntry, ValidatorSet, list_root};

/// Score of a provider that nothing is known about; also the best there is.
pub(crate) const SCORE_START: u16 = 1000;

/// Everything that a chain's first state is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Time of block 0, a constant of the chain.
    pub timestamp_ms: u64,
    /// Seeds the beacon.
    pub seed: Vec<u8>,
    /// Everything the chain can set.
    pub parameters: Parameters,
    /// Free balances; bonds are added to them.
    pub accounts: Vec<(AccountId, Balance)>,
    /// Storage providers from the start, numbered from 0 in this order.
    pub providers: Vec<GenesisProvider>,
    /// Validators from the start.
    pub validators: Vec<GenesisValidator>,
}

/// A provider from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisProvider {
    /// Who is paid.
    pub account: AccountId,
    /// Who serves the pieces.
    pub peer_key: PeerKey,
    /// Signs commitments.
    pub service_key: PublicKey,
    /// Multiaddresses without `/p2p`; may be none until the provider sends its own.
    pub addresses: Vec<Text<128>>,
    /// Who runs it.
    pub operator: Text<64>,
    /// Where it stands.
    pub zone: Text<64>,
    /// Bytes offered.
    pub declared: u64,
    /// Reserved for it; must cover `declared`.
    pub bond: Balance,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: bool,
}

/// A validator from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisValidator {
    /// Who is paid and slashed.
    pub account: AccountId,
    /// The key that votes.
    pub consensus_key: PublicKey,
    /// Reserved for it.
    pub bond: Balance,
    /// Voting power, above zero.
    pub power: u64,
}

/// Why there can be no such chain.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// An account twice in one list.
    #[error("{list} name {account} twice")]
    Twice {
        /// Which list.
        list: &'static str,
        /// The account.
        account: AccountId,
    },
    /// Two providers with one peer.
    #[error("two providers serve with peer {0}")]
    PeerTwice(PeerKey),
    /// Less than an account must have.
    #[error("{0} has less than the existential deposit")]
    BelowExistentialDeposit(AccountId),
    /// A bond below what the provider declares.
    #[error("the bond of provider {0} does not cover what it declares")]
    BondTooSmall(AccountId),
    /// Too many addresses, or one that does not begin with a slash.
    #[error("provider {0} must have at most eight addresses that begin with a slash")]
    BadAddresses(AccountId),
    /// More providers or validators than the parameters allow.
    #[error("more {list} than the parameters allow")]
    TooMany {
        /// Which list.
        list: &'static str,
    },
    /// Nobody could propose.
    #[error("there must be validators, each with power, and all together below 2^62")]
    Power,
    /// Parameters that no chain can work with.
    #[error("parameters: {0}")]
    Parameters(&'static str),
    /// The balances do not fit.
    #[error("the balances together do not fit")]
    Overflow,
    /// Not possible: the state is in memory.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Genesis {
    /// The whole state after block 0, the snapshot of epoch 0 included.
    ///
    /// # Errors
    /// [`GenesisError`] says why there can be no such chain.
    pub fn changes(&self) -> Result<Changes, GenesisError> {
        check_parameters(&self.parameters)?;
        let accounts = self.account_table()?;
        let supply = sum(accounts.values().flat_map(|account| [account.free, account.reserved]))?;
        let empty = MemoryState::default();
        let mut state = Overlay::new(&empty);
        for (id, account) in &accounts {
            if account.free.saturating_add(account.reserved) < self.parameters.fees.existential_deposit {
                return Err(GenesisError::BelowExistentialDeposit(*id));
            }
            state.write::<Accounts>(id, account);
        }
        self.write_providers(&mut state)?;
        self.write_validators(&mut state)?;
        let providers = count("providers", self.providers.len(), self.parameters.limits.providers)?;
        let chain = Chain {
            epoch_start_ms: self.timestamp_ms,
            next_provider: providers,
            active_providers: providers,
            supply,
            ..Chain::default()
        };
        state.write::<ChainState>(&(), &chain);
        state.write::<ParameterTable>(&(), &self.parameters);
        Ok(state.finish()?)
    }

    /// The header of block 0. Its hash is the genesis hash.
    #[must_use]
    pub fn header(&self, state_root: StateRoot) -> Header {
        let validators_hash = self.validator_set().hash();
        let nothing = list_root::<Vec<u8>>(&[]);
        Header {
            version: self.parameters.rules_version(0),
            height: 0,
            parent: BlockHash::ZERO,
            timestamp_ms: self.timestamp_ms,
            epoch: 0,
            round: 0,
            proposer: AccountId::ZERO,
            state_root,
            transactions_root: nothing,
            events_root: nothing,
            validators_hash,
            next_validators_hash: validators_hash,
            beacon: genesis_beacon(&self.seed),
            vrf: VrfOutput::ZERO,
        }
    }

    /// The validators that vote on block 1.
    #[must_use]
    pub fn validator_set(&self) -> ValidatorSet {
        let entry = |validator: &GenesisValidator| ValidatorEntry {
            account: validator.account,
            consensus_key: validator.consensus_key,
            power: validator.power,
        };
        ValidatorSet::new(self.validators.iter().map(entry).collect())
    }

    /// Balances, with the bonds added as reserved.
    fn account_table(&self) -> Result<BTreeMap<AccountId, Account>, GenesisError> {
        let mut accounts = BTreeMap::new();
        for (id, free) in &self.accounts {
            let account = Account { free: *free, ..Account::default() };
            if accounts.insert(*id, account).is_some() {
                return Err(GenesisError::Twice { list: "accounts", account: *id });
            }
        }
        let of_providers = self.providers.iter().map(|provider| (provider.account, provider.bond));
        let of_validators = self.validators.iter().map(|validator| (validator.account, validator.bond));
        for (id, bond) in of_providers.chain(of_validators).filter(|(_, bond)| *bond > 0) {
            let account: &mut Account = accounts.entry(id).or_default();
            account.reserved = account.reserved.checked_add(bond).ok_or(GenesisError::Overflow)?;
        }
        Ok(accounts)
    }

    fn write_providers(&self, state: &mut Overlay<'_, MemoryState>) -> Result<(), GenesisError> {
        let staking = &self.parameters.staking;
        let (mut accounts, mut peers) = (BTreeSet::new(), BTreeSet::new());
        let mut snapshot = SnapshotBuilder::new(genesis_beacon(&self.seed));
        for (number, provider) in (0u32..).zip(&self.providers) {
            let account = provider.account;
            if !accounts.insert(account) {
                return Err(GenesisError::Twice { list: "providers", account });
            }
            if !peers.insert(provider.peer_key) {
                return Err(GenesisError::PeerTwice(provider.peer_key));
            }
            if covered_bytes(staking, provider.bond) < provider.declared {
                return Err(GenesisError::BondTooSmall(account));
            }
            let well_formed = provider.addresses.iter().all(|address| address.as_str().starts_with('/'));
            if !well_formed || provider.addresses.len() > ADDRESSES_MAX {
                return Err(GenesisError::BadAddresses(account));
            }
            let record = provider.record(number);
            snapshot.add(staking, &record);
            state.write::<Providers>(&number, &record);
            state.write::<ProviderNumbers>(&account, &number);
            state.write::<PeerNumbers>(&provider.peer_key, &number);
        }
        state.write::<Snapshots>(&0, &snapshot.finish());
        Ok(())
    }

    fn write_validators(&self, state: &mut Overlay<'_, MemoryState>) -> Result<(), GenesisError> {
        count("validators", self.validators.len(), self.parameters.limits.validators)?;
        let power = self.validators.iter().fold(0u64, |sum, validator| sum.saturating_add(validator.power));
        if self.validators.is_empty() || power >= 1 << 62 || self.validators.iter().any(|entry| entry.power == 0) {
            return Err(GenesisError::Power);
        }
        let mut accounts = BTreeSet::new();
        for validator in &self.validators {
            if !accounts.insert(validator.account) {
                return Err(GenesisError::Twice { list: "validators", account: validator.account });
            }
            let record = Validator {
                consensus_key: validator.consensus_key,
                next_key: None,
                bond: validator.bond,
                power: validator.power,
                jailed_until: 0,
            };
            state.write::<Validators>(&validator.account, &record);
        }
        let set = self.validator_set();
        state.write::<ValidatorSets>(&0, &set);
        state.write::<ValidatorSets>(&1, &set);
        Ok(())
    }
}

impl GenesisProvider {
    fn record(&self, number: u32) -> Provider {
        Provider {
            number,
            account: self.account,
            peer_key: self.peer_key,
            service_keys: vec![ServiceKey { key: self.service_key, from_height: 0 }],
            addresses: self.addresses.clone(),
            operator: self.operator.clone(),
            zone: self.zone.clone(),
            declared: self.declared,
            committed: 0,
            bond: self.bond,
            score: SCORE_START,
            auto_renew: self.auto_renew,
            rate: 0,
            status: ProviderStatus::Active,
        }
    }
}

/// What the rules take for granted of parameters.
fn check_parameters(parameters: &Parameters) -> Result<(), GenesisError> {
    let require = |holds: bool, why| if holds { Ok(()) } else { Err(GenesisError::Parameters(why)) };
    require(parameters.time.epoch_ms > 0, "an epoch must take time")?;
    require(parameters.schedule.first().is_some_and(|step| step.height == 0), "the schedule must begin at height 0")?;
    require(parameters.schedule.is_sorted_by(|a, b| a.height < b.height), "the schedule must ascend")?;
    require(parameters.rules_version(0) == RULES_VERSION, "the rules of height 0 are not known")?;
    require(!parameters.profiles.is_empty(), "there must be a profile")?;
    let piece_bytes = parameters.limits.piece_bytes;
    for profile in &parameters.profiles {
        require(profile.code.check().is_ok(), "a profile's code is not possible")?;
        let whole_units = piece_bytes > 0 && piece_bytes.is_multiple_of(profile.code.unit_bytes);
        require(whole_units, "the largest piece must be whole units of every profile")?;
    }
    let limits = &parameters.limits;
    let room = limits.block_bytes.saturating_sub(limits.transaction_bytes);
    require(room >= BLOCK_OVERHEAD_BYTES, "a block must hold its header and the largest transaction")
}

fn count(list: &'static str, count: usize, limit: u32) -> Result<u32, GenesisError> {
    match u32::try_from(count) {
        Ok(count) if count <= limit => Ok(count),
        _ => Err(GenesisError::TooMany { list }),
    }
}

fn sum(amounts: impl Iterator<Item = Balance>) -> Result<Balance, GenesisError> {
    let mut amounts = amounts;
    let sum = amounts.try_fold(0, |sum: Balance, amount| sum.checked_add(amount));
    // Far below the type's end, so that a sum of a few balances fits everywhere.
    sum.filter(|supply| *supply <= Balance::MAX / 4).ok_or(GenesisError::Overflow)
}
