//! Starts what this node is in the storage network: its peer, and its providers.

use std::sync::Arc;

use anyhow::{Context, bail};
use chain_spec::{ChainSpec, ChainType, dev_keys};
use dsn::{Multiaddr, NetworkConfig, PieceService};
use runtime::types::Text;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::args::Limits;
use crate::assembly::NodeConfig;
use crate::backend::listen_lines;
use crate::base_path::BasePath;
use crate::chain::Chain;
use crate::dev_providers;
use crate::gossip::{self, Heard};
use crate::keystore::{Keystore, read_key_file};
use crate::listen::{self, Common, Places};
use crate::meeting::Meeting;
use crate::provider::record::{self, Offer, keep_recorded};
use crate::provider::{Place, Provider, ProviderKeys, Shared};
use crate::roles::Roles;
use crate::sharing;
use crate::submitter::Submitter;
use crate::sync::Sync;

/// Pays the bonds of new providers with well-known keys: nobody whose account another node is likely to sign for.
const PAYS_BONDS: &str = "Eve";

/// What the node's part of the storage network is made of.
pub struct StorageNetwork<'a> {
    /// The network.
    pub spec: &'a ChainSpec,
    /// Folders.
    pub base: &'a BasePath,
    /// What the command line decides.
    pub config: &'a NodeConfig,
    /// Blocks.
    pub chain: &'a Arc<Chain>,
    /// How far behind the node is.
    pub sync: &'a Sync,
    /// Hears where validators are.
    pub meeting: &'a Arc<Meeting>,
    /// Keys of peers.
    pub keystore: &'a Arc<Keystore>,
    /// Makes providers' calls.
    pub submitter: &'a Arc<Submitter>,
}

/// The node's part of the storage network.
pub struct Started {
    /// The node's own peer.
    pub peer: dsn::Peer,
    /// Its providers.
    pub providers: Vec<Provider>,
    /// What its peer serves of what it has read, if no provider does.
    pub sharing: Option<PieceService>,
    /// What goes on until the node stops.
    pub tasks: Vec<JoinHandle<()>>,
}

impl StorageNetwork<'_> {
    /// Starts the peer and the providers. On a development chain that is one process it returns once all providers are
    /// recorded; elsewhere a task sees to that, since it takes other nodes.
    pub async fn start(&self, roles: Roles) -> anyhow::Result<Started> {
        let quota = self.config.storage_quota;
        let neighbours = (!self.config.network.dsn_sockets_only).then(dsn::Neighbours::default);
        let limits = Limits::of(self.spec.chain_type, &self.config.network.limits);
        let common = Common { genesis: self.chain.ledger().genesis_hash(), neighbours, limits: limits.peer };
        let seed = self.seed(&roles)?;
        let mut providers = Vec::new();
        for keys in roles.providers {
            providers.push(Provider::start(self.chain.clone(), self.base, keys, &common, quota, Place::Own).await?);
        }
        let peer = self.listen(&seed, &common, roles.is_everything).await?;
        let mut tasks = vec![tokio::spawn(gossip::tell(self.chain.clone(), peer.clone()))];
        let cache = sharing::open(self.base.cache(), self.cache_bytes()).await?;
        let mut sharing = None;
        if let Some(keys) = roles.provider {
            let keys = ProviderKeys { peer_seed: seed, ..keys };
            let place = Place::Shared(Shared { peer: &peer, public: &self.config.network.public_addr, cache });
            let provider = Provider::start(self.chain.clone(), self.base, keys.clone(), &common, quota, place).await?;
            let offer = self.offer(keys, &provider)?;
            tasks.push(tokio::spawn(keep_recorded(
                self.chain.clone(),
                self.submitter.clone(),
                self.sync.clone(),
                offer,
            )));
            providers.push(provider);
        } else if let Some(cache) = cache {
            let beside = providers.iter().map(|provider| provider.peer().peer_key());
            sharing = Some(sharing::serve(cache, &peer, beside)?);
        }
        let own = providers.iter().filter(|provider| provider.owns_peer()).map(Provider::peer);
        own.chain([&peer]).flat_map(listen_lines).for_each(|address| tracing::info!("DSN listening on {address}"));
        if roles.is_everything {
            dev_providers::register(self.spec, self.chain, self.submitter, self.keystore, &providers).await?;
            for provider in &providers {
                provider.announce(self.chain, self.submitter).await?;
            }
        }
        Ok(Started { peer, providers, sharing, tasks })
    }

    /// The secret of the node's peer. Who hides behind relays is somebody else in each run.
    fn seed(&self, roles: &Roles) -> anyhow::Result<Zeroizing<[u8; 32]>> {
        match (&self.config.network.node_key_file, &roles.provider) {
            (Some(path), _) => read_key_file(path),
            (None, Some(keys)) => Ok(keys.peer_seed.clone()),
            (None, None) if self.config.network.relay_only => {
                let mut seed = Zeroizing::new([0; 32]);
                getrandom::fill(seed.as_mut()).context("ask the system for random bytes")?;
                Ok(seed)
            }
            (None, None) => self.keystore.peer_seed("dsn"),
        }
    }

    /// Who hides from holders does not offer them to serve others.
    const fn cache_bytes(&self) -> u64 {
        if self.config.network.relay_only { 0 } else { self.config.cache_bytes }
    }

    async fn listen(&self, seed: &[u8; 32], common: &Common, is_everything: bool) -> anyhow::Result<dsn::Peer> {
        let has_ipv6 = listen::has_ipv6();
        if !has_ipv6 {
            tracing::warn!("this host has no IPv6; DSN peers listen on IPv4 alone");
        }
        let network = &self.config.network;
        let mut places = Places {
            hosts: network.hosts(self.spec.chain_type == ChainType::Live, has_ipv6),
            port: network.dsn_port,
            exact: network.exact(),
        };
        if network.relay_only {
            (places.hosts, places.exact) = (Vec::new(), Vec::new());
        }
        let listening = listen::listen(seed, common, &places, &self.around(is_everything)?).await;
        listening.context("start this node's peer; --dsn-port gives it another port")
    }

    /// The network around this node's peer; none around one that is the whole network by itself.
    fn around(&self, is_everything: bool) -> anyhow::Result<NetworkConfig> {
        let network = &self.config.network;
        if is_everything {
            if let Some(flag) = network.asks_for_others() {
                bail!("{flag}: this node is its whole network; name its role, as --provider");
            }
            return Ok(NetworkConfig::default());
        }
        let of_spec = self.spec.boot_nodes.iter().map(|address| address.parse());
        let of_spec: Vec<Multiaddr> = of_spec.collect::<Result<_, _>>().context("the chain spec's bootNodes")?;
        let parameters = self.chain.parameters()?;
        let Limits { network: mut limits, .. } = Limits::of(self.spec.chain_type, &network.limits);
        // A byte behind it says how often it was told.
        limits.transaction_bytes =
            limits.transaction_bytes.min(usize::try_from(parameters.limits.transaction_bytes)?).saturating_add(1);
        let is_live = self.spec.chain_type == ChainType::Live;
        Ok(NetworkConfig {
            bootnodes: of_spec.into_iter().chain(network.bootnodes.iter().cloned()).collect(),
            reserved: network.reserved_nodes.clone(),
            public_addresses: network.public_addr.clone(),
            kademlia: !network.no_kademlia,
            mdns: network.finds_by_mdns(self.spec.chain_type),
            rendezvous_server: network.rendezvous_server,
            rendezvous: network.rendezvous.clone(),
            upnp: network.upnp,
            autonat: network.autonat || is_live,
            relay_server: network.relay_server,
            relays: network.relays.clone(),
            circuits: true,
            relay_only: network.relay_only,
            dns: is_live,
            global_only: is_live && !network.private_addresses,
            // Whoever is somebody else in each run keeps no list that says where it was.
            peer_store: (!network.relay_only).then(|| self.base.network().join("peers")),
            gossip: Some(Arc::new(Heard { chain: self.chain.clone(), meeting: self.meeting.clone() })),
            limits,
            ..NetworkConfig::default()
        })
    }

    fn offer(&self, keys: ProviderKeys, provider: &Provider) -> anyhow::Result<Offer> {
        let roles = &self.config.roles;
        let account = keys.account.account();
        let (operator, zone) = match roles.dev_provider {
            Some(number) => (format!("operator-{number}"), format!("zone-{number}")),
            None => (account.to_string(), roles.zone.clone()),
        };
        let operator = roles.operator.clone().unwrap_or(operator);
        let pays_for = roles.dev_provider.filter(|_| self.spec.chain_type != ChainType::Live);
        Ok(Offer {
            service_key: keys.service.public_key(),
            addresses: provider.watched(),
            operator: Text::new(operator).context("--operator")?,
            zone: Text::new(zone).context("--zone")?,
            declared: record::offered(self.config.storage_quota, &self.base.pieces())?,
            payer: pays_for.map(|_| dev_keys::account(PAYS_BONDS)).transpose()?,
            account: keys.account,
            peer_seed: keys.peer_seed,
        })
    }
}
