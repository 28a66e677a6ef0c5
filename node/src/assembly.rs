//! The whole system in one file: what is started in which order, what is given to what, what is stopped in which order.
//!
//! ```text
//! ledger + mempool -> Chain -> consensus
//!                       |----> providers: piece store, peer, admission by the ledger
//!                       |----> gateway (submitter, this node's peer) and fetch, whose reads are cached and passed on
//!                       '----> rpc: what clients see of all of them
//! ```

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chain_spec::{ChainSpec, ChainType};
use consensus::{ConsensusConfig, ConsensusHandle, Timeouts, ValidatorKey};
use ledger::{Ledger, Mempool, MempoolLimits};
use rpc::{Backend, RunningMetrics, RunningServer, Server, ServerConfig};
use runtime::types::Parameters;
use tokio::task::JoinHandle;

use crate::args::{Limits, NetworkArgs, RoleArgs};
use crate::backend::{Payer, SystemInfo, backend};
use crate::base_path::{BasePath, make_folder};
use crate::chain::{Chain, clock_ms, next_validators};
use crate::fetch::Fetch;
use crate::gateway::{Gateway, GatewayParts, LocalStores};
use crate::keystore::Keystore;
use crate::labels::Labels;
use crate::meeting::{Announcer, Invitation, Meeting};
use crate::metrics::{self, Counters, MetricsPort, Observed};
use crate::opening::{check_recorded, not_opened, not_started, not_written};
use crate::provider::Provider;
use crate::roles::Roles;
use crate::spool::{self, share_disk};
use crate::status;
use crate::storage_network::{Started, StorageNetwork};
use crate::submitter::Submitter;
use crate::sync::Sync;
use crate::traffic::Traffic;

/// How long the engine may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What the command line decides.
#[derive(Debug)]
pub struct NodeConfig {
    /// For people.
    pub name: String,
    /// Which parts the node plays.
    pub roles: RoleArgs,
    /// Where it listens, and whom it talks to.
    pub network: NetworkArgs,
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
    /// Bytes of pieces that were read and are kept for a while; 0 keeps none and passes none on.
    pub cache_bytes: u64,
    /// Whether the signer's guard file is made anew if it is missing or damaged.
    pub new_guard: bool,
}

/// A running node.
pub struct Node {
    chain: Arc<Chain>,
    rpc: RunningServer,
    consensus: ConsensusHandle,
    meeting: Arc<Meeting>,
    providers: Vec<Provider>,
    peer: dsn::Peer,
    tasks: Vec<JoinHandle<()>>,
    metrics: Option<RunningMetrics>,
}

impl Node {
    /// Starts every part; returns once the API answers.
    pub async fn start(spec: ChainSpec, base: &BasePath, config: NodeConfig) -> anyhow::Result<Self> {
        prepare_folders(base)?;
        let mut keystore = Keystore::open(&base.keystore())?;
        let ledger = open_ledger(&spec, base, &config).await?;
        let starting_block = ledger.head().header.height;
        tracing::info!(chain = %spec.name, node = %config.name, base_path = %base.root().display(), "piecewise {}", env!("CARGO_PKG_VERSION"));
        tracing::info!(genesis = %format!("0x{}", ledger.genesis_hash()), height = starting_block, "ledger is open");
        let peers = consensus_peers(&spec, &config);
        let voters = next_validators(&ledger.state(), &ledger.head()).context("read the validators")?;
        let names_peers = !peers.is_empty();
        let roles = Roles::find(&config.roles, &spec, &voters, names_peers, &mut keystore)?;
        if roles.validator.is_some() && voters.entries().len() == 1 {
            check_recorded(starting_block, &config.chain, base)?;
        }
        let keystore = Arc::new(keystore);

        let counters = Counters::new();
        let mempool = open_mempool(&ledger, base)?;
        let chain = Arc::new(Chain::new(ledger, mempool, roles.validator.clone(), counters.blocks.clone()));
        let consensus = start_consensus(&spec, base, &config, &keystore, chain.clone(), &roles, peers).await?;
        let is_alone = roles.validator.is_some() && voters.entries().len() == 1;
        let sync = Sync::new(chain.clone(), consensus.peer_heights().clone(), starting_block, is_alone);
        let own = roles.validator.as_ref().map(|keys| keys.consensus.public_key());
        let invitation = Invitation::new(chain.clone(), own, announcer(&spec, &config, &roles, &consensus));
        let submitter = Arc::new(Submitter::new(chain.clone()));
        let storage = StorageNetwork {
            spec: &spec,
            base,
            config: &config,
            chain: &chain,
            sync: &sync,
            meeting: invitation.meeting(),
            keystore: &keystore,
            submitter: &submitter,
        };
        let Started { peer, providers, sharing, mut tasks } = storage.start(roles).await?;

        let meeting = invitation.meeting().clone();
        if !config.network.consensus_peers_only {
            tasks.extend(invitation.begin(consensus.peers().clone(), &peer, !is_alone && !names_peers));
        }
        let labels = Arc::new(Labels::open(&base.network().join("labels"))?);
        let traffic = Arc::new(Traffic::default());
        let fetch = Fetch::new(chain.clone(), peer.clone(), traffic.clone());
        let payer = Payer { keystore: keystore.clone(), submitter: submitter.clone() };
        let gateway = Gateway::start(GatewayParts {
            chain: chain.clone(),
            submitter,
            keystore,
            peer: peer.clone(),
            labels: labels.clone(),
            traffic: traffic.clone(),
            local: local_stores(&providers, base),
            metrics: counters.uploads.clone(),
            spool: base.spool(),
            uploads: base.uploads(),
        })?;
        let observed = Observed {
            chain: chain.clone(),
            peer: peer.clone(),
            providers: providers.iter().map(|provider| (provider.account(), provider.service().clone())).collect(),
            sharing,
            traffic: traffic.clone(),
            folder: base.chain().to_owned(),
        };
        let metrics = metrics::serve(config.metrics, &counters, observed).await?;
        tasks.push(tokio::spawn(status::report(chain.clone(), sync.clone(), peer.clone(), traffic)));
        let system = SystemInfo {
            chain: chain.clone(),
            sync,
            peer: peer.clone(),
            chain_name: spec.name,
            should_have_peers: spec.chain_type != ChainType::Development,
        };
        let api = backend(chain.clone(), gateway, fetch, labels, payer, system);
        let rpc = serve(api, config, &counters).await?;
        Ok(Self { chain, rpc, consensus, meeting, providers, peer, tasks, metrics })
    }

    /// Resolves with a reason if a part that the node cannot do without ends by itself.
    pub fn ended(&self) -> impl Future<Output = String> + '_ {
        let (ended, twin) = (self.consensus.ended(), self.meeting.twin());
        async move {
            tokio::select! {
                reason = ended => format!("the consensus engine ended: {reason}"),
                at = twin => format!("another node votes with this validator's key and was there first: {at}"),
            }
        }
    }

    /// Stops in the order of the arrows: clients first, so that nothing new comes in, blocks last. What clients have
    /// under way may end within its grace, which `hurry` cuts.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        self.chain.stop_waiting();
        self.rpc.stop_unless(hurry).await;
        self.tasks.iter().for_each(JoinHandle::abort);
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

fn local_stores(providers: &[Provider], base: &BasePath) -> LocalStores {
    LocalStores {
        stores: providers.iter().filter_map(|provider| provider.service().store().cloned()).collect(),
        share_disk: share_disk(&base.pieces(), &base.spool()),
    }
}

async fn serve(api: Backend, config: NodeConfig, counters: &Counters) -> anyhow::Result<RunningServer> {
    let mut server = ServerConfig::new(SocketAddr::from((Ipv4Addr::LOCALHOST, config.rpc_port)));
    server.cors_origins = config.rpc_cors;
    server.observer = Arc::new(counters.requests.clone());
    let rpc = Server::start(server, api).await.context("start the API; --rpc-port gives it another port")?;
    tracing::info!("JSON-RPC listening on http://{}", rpc.local_addr());
    Ok(rpc)
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

// What a chain spec may say, the engine can do: a spec that is taken never fails here.
const _: () = assert!(chain_spec::BLOCK_BYTES_MAX <= ConsensusConfig::BLOCK_BYTES_MAX);
const _: () = assert!(chain_spec::PART_BYTES_MAX <= ConsensusConfig::PART_BYTES_MAX);
const _: () = assert!(chain_spec::PARTS_MAX <= ConsensusConfig::PARTS_MAX);

/// The pool with what waited when the node ended.
fn open_mempool(ledger: &Ledger, base: &BasePath) -> anyhow::Result<Mempool> {
    let mempool = Mempool::new(MempoolLimits::STANDARD);
    let path = base.network().join("mempool");
    let now_ms = clock_ms().max(ledger.head().header.timestamp_ms);
    let kept = mempool.keep(&path, &ledger.state(), &ledger.genesis_hash(), now_ms);
    let count = kept.map_err(|error| not_written(&path, error))?;
    if count > 0 {
        tracing::info!(count, "transactions wait from before");
    }
    Ok(mempool)
}

/// Whose consensus ports are known: those of the command line and of the chain spec.
fn consensus_peers(spec: &ChainSpec, config: &NodeConfig) -> Vec<String> {
    spec.consensus_peers.iter().chain(&config.network.consensus_peers).cloned().collect()
}

/// Where consensus listens. The engine does not say which port it got where any would do.
fn consensus_host(spec: &ChainSpec, config: &NodeConfig) -> IpAddr {
    let hosts = config.network.hosts(spec.chain_type == ChainType::Live, false);
    hosts.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// What says where this node's validator is; none if it has none, or nobody knows the port.
fn announcer(spec: &ChainSpec, config: &NodeConfig, roles: &Roles, consensus: &ConsensusHandle) -> Option<Announcer> {
    let keys = roles.validator.as_ref().filter(|_| config.network.port != 0 && !roles.is_everything)?;
    let (key, peer_key) = (keys.consensus.clone(), consensus.peer_key());
    Some(Announcer { key, host: consensus_host(spec, config), port: config.network.port, peer_key })
}

async fn start_consensus(
    spec: &ChainSpec,
    base: &BasePath,
    config: &NodeConfig,
    keystore: &Keystore,
    chain: Arc<Chain>,
    roles: &Roles,
    peers: Vec<String>,
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
    let secret = match &roles.consensus_peer {
        Some(seed) => seed.clone(),
        None => keystore.peer_seed("consensus-network")?,
    };
    let host = consensus_host(spec, config);
    let validator = roles.validator.clone();
    let engine = ConsensusConfig {
        moniker: config.name.clone(),
        listen: SocketAddr::from((host, config.network.port)),
        peers,
        peers_only: config.network.consensus_peers_only,
        data_dir: base.consensus(),
        validator: validator.map(|keys| ValidatorKey { account: keys.account, key: keys.consensus }),
        network_secret: *secret,
        idle: Duration::from_millis(parameters.time.idle_ms),
        timeouts,
        part_bytes: parameters.limits.part_bytes,
        block_bytes_max: parameters.limits.block_bytes,
        limits: Limits::of(spec.chain_type, &config.network.limits).consensus,
        ready_within: READY_WITHIN,
        new_guard: config.new_guard,
    };
    let started = consensus::start(chain.clone(), chain, engine).await;
    let consensus = started.map_err(|error| not_started(error, &config.chain, base))?;
    if config.network.port != 0 {
        let (family, port, id) =
            (if host.is_ipv4() { "ip4" } else { "ip6" }, config.network.port, consensus.peer_key());
        tracing::info!("consensus listening on /{family}/{host}/tcp/{port}/p2p/{id}");
    }
    Ok(consensus)
}
