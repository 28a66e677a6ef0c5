//! Which parts a node plays.

use chain_spec::dev_keys;
use clap::Args;

/// Flags of roles. None of them on the dev chain: all roles at once. None of them elsewhere: a full node, which follows
/// the chain, answers questions, and gives files out.
#[derive(Clone, Debug, Default, Args)]
pub struct RoleArgs {
    /// Propose blocks and vote, with the key keystore/consensus.key, or with that of --alice ... --ferdie.
    #[arg(long)]
    pub validator: bool,
    /// Keep pieces for money, with the keys keystore/provider.key and keystore/service.key, or with those of
    /// --dev-provider. A provider that the ledger does not know registers itself.
    #[arg(long)]
    pub provider: bool,
    /// Take files from clients; keystore/account.key pays, or the development account that is given.
    #[arg(long)]
    pub gateway: bool,
    /// Be Alice: her account pays what a gateway pays, and where the genesis names her as a validator, she votes. For dev
    /// and local chains, as the five that follow.
    #[arg(long, group = "dev_account")]
    pub alice: bool,
    /// Be Bob.
    #[arg(long, group = "dev_account")]
    pub bob: bool,
    /// Be Charlie.
    #[arg(long, group = "dev_account")]
    pub charlie: bool,
    /// Be Dave.
    #[arg(long, group = "dev_account")]
    pub dave: bool,
    /// Be Eve.
    #[arg(long, group = "dev_account")]
    pub eve: bool,
    /// Be Ferdie.
    #[arg(long, group = "dev_account")]
    pub ferdie: bool,
    /// Be a provider with the well-known keys of that number, from 0: on dev and local chains those of the genesis.
    #[arg(long, value_name = "NUMBER")]
    pub dev_provider: Option<u32>,
    /// Run so many providers of a development chain in this process, those of its genesis included, at most 32. The others
    /// register themselves at their first start and are drawn from the next epoch on.
    #[arg(long, value_name = "N", conflicts_with_all = ["dev_provider", "provider"])]
    pub dev_providers: Option<u32>,
    /// Who runs this provider, as it registers: one who runs several gives all the same name. Its account if not given.
    #[arg(long, value_name = "NAME")]
    pub operator: Option<String>,
    /// Where this provider stands, as it registers: what is likely to fail together is one zone.
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    pub zone: String,
}

impl RoleArgs {
    /// The development account that was chosen, by its name.
    pub fn dev_account(&self) -> Option<&'static str> {
        let chosen = [self.alice, self.bob, self.charlie, self.dave, self.eve, self.ferdie];
        dev_keys::NAMES.into_iter().zip(chosen).find_map(|(name, is_chosen)| is_chosen.then_some(name))
    }

    /// Whether any role was named.
    pub fn are_given(&self) -> bool {
        self.validator || self.provider || self.gateway || self.dev_provider.is_some() || self.dev_account().is_some()
    }
}
