//! From what the command line asks for to what a node is: its keys for each role.

use anyhow::{Context, bail};
use chain_spec::{ChainSpec, ChainType, dev_keys};
use runtime::crypto::{AccountId, KeyPair};
use runtime::types::ValidatorSet;
use zeroize::Zeroizing;

use crate::args::RoleArgs;
use crate::chain::ValidatorKeys;
use crate::dev_providers;
use crate::keystore::{Keystore, Purpose};
use crate::provider::ProviderKeys;

/// Which parts this node plays, with the keys of each.
pub struct Roles {
    /// Proposes and votes.
    pub validator: Option<ValidatorKeys>,
    /// Keep pieces, each with a peer of its own: all those of a development chain that is one process.
    pub providers: Vec<ProviderKeys>,
    /// Keeps pieces with the node's own peer.
    pub provider: Option<ProviderKeys>,
    /// Whether this process is the whole network.
    pub is_everything: bool,
    /// Seed of the consensus network's peer, if it is a well-known one.
    pub consensus_peer: Option<Zeroizing<[u8; 32]>>,
}

impl Roles {
    /// Finds the keys of what is asked for and gives the keystore the accounts that a gateway pays with. `voters` vote on
    /// the next block; `has_peers` if others are named to agree with.
    pub fn find(
        args: &RoleArgs,
        spec: &ChainSpec,
        voters: &ValidatorSet,
        has_peers: bool,
        keystore: &mut Keystore,
    ) -> anyhow::Result<Self> {
        let asked = Asked { args, spec, voters };
        asked.check()?;
        let is_everything = spec.chain_type == ChainType::Development && !args.are_given() && !has_peers;
        if !is_everything && args.dev_providers.is_some() {
            bail!("--dev-providers is for a development chain that is one process; --dev-provider N runs one provider");
        }
        if is_everything {
            asked.give_accounts(keystore)?;
            let count = dev_providers::count(spec, args.dev_providers)?;
            return Ok(Self {
                validator: Some(asked.only_validator()?),
                providers: (0..count).map(ProviderKeys::development).collect::<Result<_, _>>()?,
                provider: None,
                is_everything,
                consensus_peer: None,
            });
        }
        let validator = asked.validator(keystore)?;
        let provider = asked.provider(keystore)?;
        if args.gateway || args.dev_account().is_some() || args.dev_provider.is_some() {
            asked.give_gateway_account(keystore, provider.as_ref())?;
        }
        let well_known = args.dev_account().filter(|_| validator.is_some());
        let consensus_peer = well_known.map(|name| Zeroizing::new(dev_keys::consensus_peer_seed(name)));
        Ok(Self { validator, providers: Vec::new(), provider, is_everything, consensus_peer })
    }
}

struct Asked<'a> {
    args: &'a RoleArgs,
    spec: &'a ChainSpec,
    voters: &'a ValidatorSet,
}

impl Asked<'_> {
    /// What anybody can derive guards nothing, so that networks of many people refuse it.
    fn check(&self) -> anyhow::Result<()> {
        let flag = match (self.args.dev_account(), self.args.dev_provider) {
            (Some(name), _) => format!("--{}", name.to_lowercase()),
            (None, Some(number)) => format!("--dev-provider {number}"),
            (None, None) => return Ok(()),
        };
        if self.spec.chain_type == ChainType::Live {
            bail!("{flag}: everybody knows that key, and chain {} is no development or local chain", self.spec.id);
        }
        Ok(())
    }

    fn voter(&self, consensus: KeyPair) -> Option<ValidatorKeys> {
        let mut entries = self.voters.entries().iter();
        let entry = entries.find(|entry| entry.consensus_key == consensus.public_key())?;
        Some(ValidatorKeys { account: entry.account, consensus })
    }

    /// The key of the one validator of a chain that is one process.
    fn only_validator(&self) -> anyhow::Result<ValidatorKeys> {
        let of_chain = self.voters.entries().len();
        if of_chain != 1 {
            bail!("chain {} has {of_chain} validators; say which one this node is, as --alice", self.spec.id);
        }
        for name in dev_keys::NAMES {
            if let Some(keys) = self.voter(dev_keys::consensus_key(name)?) {
                return Ok(keys);
            }
        }
        bail!("the validator of chain {} has none of the well-known keys", self.spec.id)
    }

    fn validator(&self, keystore: &Keystore) -> anyhow::Result<Option<ValidatorKeys>> {
        if let Some(name) = self.args.dev_account() {
            let found = self.voter(dev_keys::consensus_key(name)?);
            if found.is_none() && self.args.validator {
                bail!("--validator: {name} is no validator of chain {}", self.spec.id);
            }
            return Ok(found);
        }
        if !self.args.validator {
            return Ok(None);
        }
        let key = keystore.require(Purpose::Consensus).context("--validator")?;
        let public = key.public_key();
        let found = self.voter(key);
        let found = found.with_context(|| format!("--validator: chain {} has none with 0x{public}", self.spec.id))?;
        Ok(Some(found))
    }

    fn provider(&self, keystore: &Keystore) -> anyhow::Result<Option<ProviderKeys>> {
        if let Some(number) = self.args.dev_provider {
            return ProviderKeys::development(number).map(Some);
        }
        if !self.args.provider {
            return Ok(None);
        }
        let account = keystore.require(Purpose::Provider).context("--provider")?;
        let service = keystore.require(Purpose::Service).context("--provider")?;
        Ok(Some(ProviderKeys { account, service, peer_seed: keystore.peer_seed("dsn")? }))
    }

    /// On chains whose accounts anybody knows, the node can sign for all of them; the first pays.
    fn give_accounts(&self, keystore: &mut Keystore) -> anyhow::Result<AccountId> {
        let mut first = None;
        for name in dev_keys::NAMES {
            let account = keystore.insert(dev_keys::account(name)?);
            first.get_or_insert(account);
        }
        let first = first.context("there are well-known accounts")?;
        keystore.pays(first);
        Ok(first)
    }

    /// The account of the key that the node was given, or its own. One for each node: two that sign for one account take
    /// each other's nonces.
    fn give_gateway_account(&self, keystore: &mut Keystore, provider: Option<&ProviderKeys>) -> anyhow::Result<()> {
        if self.spec.chain_type != ChainType::Live {
            self.give_accounts(keystore)?;
        }
        let own = keystore.secret(Purpose::Account)?;
        let account = match (self.args.dev_account(), provider.filter(|_| self.args.dev_provider.is_some()), own) {
            (Some(name), ..) => dev_keys::account(name)?,
            (None, Some(provider), _) => provider.account.clone(),
            (None, None, Some(own)) => own,
            // The last of them, since the validators of the presets are the first.
            (None, None, None) if self.spec.chain_type != ChainType::Live => {
                dev_keys::account(dev_keys::NAMES[dev_keys::NAMES.len() - 1])?
            }
            (None, None, None) => keystore.require(Purpose::Account).context("--gateway")?,
        };
        let account = keystore.insert(account);
        keystore.pays(account);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
