//! The whole system in one file: what is started in which order, what is given to what, what is stopped in which order.
//!
//! ```text
//! ledger + mempool -> Chain -> consensus
//!                       |----> providers: piece store, peer, admission by the ledger
//!                       |----> gateway (submitter, this node's peer) and fetch
//!                       '----> rpc: what clients see of all of them
//! ```

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use chain_spec::{ChainSpec, ChainType, dev_keys};
use consensus::{ConsensusConfig, ConsensusHandle, Timeouts, ValidatorKey};
use ledger::{Ledger, Mempool, MempoolLimits};
use rpc::{RunningMetrics, RunningServer, Server, ServerConfig};
use runtime::types::Parameters;
use tokio::task::JoinHandle;

use crate::backend::{Payer, SystemInfo, backend, listen_lines};
use crate::base_path::{BasePath, make_folder};
use crate::chain::{Chain, ValidatorKeys};
use crate::dev_providers;
use crate::fetch::Fetch;
use crate::gateway::{Gateway, GatewayParts, LocalStores};
use crate::keystore::{Keystore, read_key_file};
use crate::labels::Labels;
use crate::metrics::{self, Counters, MetricsPort, Observed};
use crate::opening::{not_opened, not_started, not_written};
use crate::provider::{Provider, ProviderKeys};
use crate::spool::{self, share_disk};
use crate::submitter::Submitter;
use crate::traffic::Traffic;
use crate::{listen, status};

/// What the command line decides.
#[derive(Debug)]
pub struct NodeConfig {
    /// For people.
    pub name: String,
    /// TCP port of the consensus engine.
    pub consensus_port: u16,
    /// TCP port of this node's peer.
    pub dsn_port: u16,
    /// Secret of this node's peer, if not the kept one.
    pub node_key_file: Option<PathBuf>,
    /// The chain as it was named on the command line.
    pub chain: String,
    /// TCP port of the API.
    pub rpc_port: u16,
    /// Origins that browsers may call from.
    pub rpc_cors: Vec<String>,
    /// Where metrics are served.
    pub metrics: MetricsPort,
    /// Bytes each provider may keep.
    pub storage_quota: Option<u64>,
    /// How many providers of a development chain this node runs, if not those of its genesis.
    pub dev_providers: Option<u32>,
    /// Whether this node's peers use sockets among themselves too.
    pub dsn_sockets_only: bool,
}

/// A running node.
pub struct Node {
    chain: Arc<Chain>,
    rpc: RunningServer,
    consensus: ConsensusHandle,
    providers: Vec<Provider>,
    peer: dsn::Peer,
    status: JoinHandle<()>,
    metrics: Option<RunningMetrics>,
}

impl Node {
    /// Starts every part; returns once the API answers.
    pub async fn start(spec: ChainSpec, base: &BasePath, config: NodeConfig) -> anyhow::Result<Self> {
        let providers_wanted = dev_providers::count(&spec, config.dev_providers)?;
        prepare_folders(base)?;
        let keystore = Arc::new(Keystore::open(&base.keystore(), &spec)?);
        let ledger = open_ledger(&spec, base, &config).await?;
        let starting_block = ledger.head().header.height;
        tracing::info!(chain = %spec.name, node = %config.name, base_path = %base.root().display(), "piecewise {}", env!("CARGO_PKG_VERSION"));
        tracing::info!(genesis = %format!("0x{}", ledger.genesis_hash()), height = starting_block, "ledger is open");

        let counters = Counters::new();
        let validator = validator_keys(&spec)?;
        let engine_key = ValidatorKey { account: validator.account, key: validator.consensus.clone() };
        let chain =
            Arc::new(Chain::new(ledger, Mempool::new(MempoolLimits::STANDARD), validator, counters.blocks.clone()));
        let consensus = start_consensus(&spec, base, &config, &keystore, chain.clone(), engine_key).await?;

        if config.consensus_port != 0 {
            let (port, id) = (config.consensus_port, consensus.peer_key());
            tracing::info!("consensus listening on /ip4/127.0.0.1/tcp/{port}/p2p/{id}");
        }

        let neighbours = (!config.dsn_sockets_only).then(dsn::Neighbours::default);
        let common = listen::Common { genesis: chain.ledger().genesis_hash(), neighbours };
        let mut providers = Vec::new();
        for keys in provider_keys(&spec, providers_wanted)? {
            providers.push(Provider::start(chain.clone(), base, keys, &common, config.storage_quota).await?);
        }
        let seed = match &config.node_key_file {
            Some(path) => read_key_file(path)?,
            None => keystore.peer_seed("dsn")?,
        };
        let listening = listen::listen(&seed, &common, config.dsn_port).await;
        let peer = listening.context("start this node's peer; --dsn-port gives it another port")?;
        if !listen::has_ipv6() {
            tracing::warn!("this host has no IPv6; DSN peers listen on IPv4 alone");
        }
        let peers = providers.iter().map(Provider::peer).chain([&peer]);
        peers.flat_map(listen_lines).for_each(|address| tracing::info!("DSN listening on {address}"));

        let submitter = Arc::new(Submitter::new(chain.clone()));
        dev_providers::register(&spec, &chain, &submitter, &keystore, &providers).await?;
        for provider in &providers {
            provider.announce(&chain, &submitter).await?;
        }
        let labels = Arc::new(Labels::open(&base.network().join("labels"))?);
        let traffic = Arc::new(Traffic::default());
        let fetch = Fetch::new(chain.clone(), peer.clone(), traffic.clone());
        let payer = Payer { keystore: keystore.clone(), submitter: submitter.clone() };
        let local = LocalStores {
            stores: providers.iter().map(|provider| provider.service().store().clone()).collect(),
            share_disk: share_disk(&base.pieces(), &base.spool()),
        };
        let gateway = Gateway::start(GatewayParts {
            chain: chain.clone(),
            submitter,
            keystore,
            peer: peer.clone(),
            labels: labels.clone(),
            traffic: traffic.clone(),
            local,
            metrics: counters.uploads.clone(),
            spool: base.spool(),
            uploads: base.uploads(),
        })?;
        let observed = Observed {
            chain: chain.clone(),
            peer: peer.clone(),
            providers: providers.iter().map(|provider| (provider.account(), provider.service().clone())).collect(),
            traffic: traffic.clone(),
            folder: base.chain().to_owned(),
        };
        let metrics = metrics::serve(config.metrics, &counters, observed).await?;
        let system = SystemInfo {
            chain: chain.clone(),
            peer: peer.clone(),
            chain_name: spec.name,
            starting_block,
            should_have_peers: spec.chain_type != ChainType::Development,
        };
        let api = backend(chain.clone(), gateway, fetch, labels, payer, system);
        let mut server = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, config.rpc_port)));
        server.cors_origins = config.rpc_cors;
        server.observer = Arc::new(counters.requests.clone());
        let rpc = Server::start(server, api).await.context("start the API; --rpc-port gives it another port")?;
        tracing::info!("JSON-RPC listening on http://{}", rpc.local_addr());
        let status = tokio::spawn(status::report(chain.clone(), peer.clone(), traffic));
        Ok(Self { chain, rpc, consensus, providers, peer, status, metrics })
    }

    /// Resolves with a reason if a part that the node cannot do without ends by itself.
    pub fn ended(&self) -> impl Future<Output = String> + '_ {
        let ended = self.consensus.ended();
        async move { format!("the consensus engine ended: {}", ended.await) }
    }

    /// Stops in the order of the arrows: clients first, so that nothing new comes in, blocks last. What clients have
    /// under way may end within its grace, which `hurry` cuts.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        self.chain.stop_waiting();
        self.rpc.stop_unless(hurry).await;
        self.status.abort();
        if let Some(metrics) = self.metrics {
            metrics.stop().await;
        }
        self.consensus.stop().await;
        self.peer.stop().await;
        for provider in self.providers {
            provider.stop().await;
        }
        tracing::info!("stopped");
    }
}

fn prepare_folders(base: &BasePath) -> anyhow::Result<()> {
    let own = [base.ledger(), base.pieces(), base.network(), base.consensus(), base.keystore()];
    for folder in own.into_iter().chain([base.spool(), base.uploads()]) {
        make_folder(&folder).map_err(|error| not_written(&folder, error))?;
    }
    let free = spool::free_bytes(&base.spool());
    if free.is_ok_and(|free| free == 0) {
        tracing::warn!(
            folder = %base.root().display(),
            reserve_bytes = spool::RESERVE_BYTES,
            "the disk has no more free than the reserve: files are refused until there is room"
        );
    }
    Ok(())
}

async fn open_ledger(spec: &ChainSpec, base: &BasePath, config: &NodeConfig) -> anyhow::Result<Ledger> {
    let (path, genesis) = (base.ledger(), spec.genesis());
    let opened = tokio::task::spawn_blocking(move || Ledger::open(&path, &genesis)).await?;
    opened.map_err(|error| not_opened(error, &config.chain, base))
}

/// The chain's one validator, if this node has its key.
fn validator_keys(spec: &ChainSpec) -> anyhow::Result<ValidatorKeys> {
    let [validator] = spec.genesis.validators.as_slice() else {
        bail!("chain {} has {} validators; this version runs chains with one", spec.id, spec.genesis.validators.len());
    };
    for name in dev_keys::NAMES {
        let (account, consensus) = (dev_keys::validator_account(name)?, dev_keys::consensus_key(name)?);
        let is_it = account.account() == validator.account && consensus.public_key() == validator.consensus_key;
        if is_it && spec.chain_type == ChainType::Development {
            return Ok(ValidatorKeys { account: validator.account, consensus });
        }
    }
    bail!("this node does not have the key of validator {} of chain {}", validator.account, spec.id)
}

/// The first `count` of the chain's providers whose keys this node has: on development chains, the well-known ones.
fn provider_keys(spec: &ChainSpec, count: u32) -> anyhow::Result<Vec<ProviderKeys>> {
    let of_genesis = u32::try_from(spec.genesis.providers.len())?;
    let mut found = Vec::new();
    for index in 0..count {
        let keys = ProviderKeys::development(index)?;
        let account = keys.account.account();
        let is_ours = index >= of_genesis || spec.genesis.providers.iter().any(|known| known.account == account);
        if is_ours && spec.chain_type == ChainType::Development {
            found.push(keys);
        }
    }
    Ok(found)
}

// What a chain spec may say, the engine can do: a spec that is taken never fails here.
const _: () = assert!(chain_spec::BLOCK_BYTES_MAX <= ConsensusConfig::BLOCK_BYTES_MAX);
const _: () = assert!(chain_spec::PART_BYTES_MAX <= ConsensusConfig::PART_BYTES_MAX);
const _: () = assert!(chain_spec::PARTS_MAX <= ConsensusConfig::PARTS_MAX);

async fn start_consensus(
    spec: &ChainSpec,
    base: &BasePath,
    config: &NodeConfig,
    keystore: &Keystore,
    chain: Arc<Chain>,
    validator: ValidatorKey,
) -> anyhow::Result<ConsensusHandle> {
    let parameters: Parameters = chain.parameters()?;
    let waits = spec.consensus;
    let timeouts = Timeouts {
        propose: Duration::from_millis(waits.propose_ms),
        prevote: Duration::from_millis(waits.prevote_ms),
        precommit: Duration::from_millis(waits.precommit_ms),
        delta: Duration::from_millis(waits.delta_ms),
        ..Timeouts::default()
    };
    let secret = keystore.peer_seed("consensus-network")?;
    let name = config.chain.as_str();
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, config.consensus_port));
    let engine = ConsensusConfig {
        moniker: config.name.clone(),
        idle: Duration::from_millis(parameters.time.idle_ms),
        timeouts,
        part_bytes: parameters.limits.part_bytes,
        block_bytes_max: parameters.limits.block_bytes,
        ..ConsensusConfig::dev(listen, base.consensus(), validator, *secret)
    };
    consensus::start(chain.clone(), chain, engine).await.map_err(|error| not_started(error, name, base))
}
