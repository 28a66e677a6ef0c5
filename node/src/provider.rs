//! A provider of this node: its piece store, its own peer, and its record on the ledger.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use chain_spec::dev_keys;
use dsn::{Multiaddr, NetworkConfig, Peer, PieceCache, PieceService, PieceStore, StoreLimits};
use runtime::crypto::{AccountId, KeyPair};
use runtime::state::ReadTables;
use runtime::tables::{ProviderNumbers, Providers};
use runtime::types::{Call, ProvidersCall, Text, UpdateProvider};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::admission::LedgerAdmission;
use crate::base_path::{BasePath, make_folder};
use crate::chain::Chain;
use crate::listen::{self, Places};
use crate::spool::RESERVE_BYTES;
use crate::submitter::Submitter;

pub mod record;
mod scrub;
mod sweep;

pub use sweep::recorded_through;

/// Addresses of a provider that the ledger takes.
const ADDRESSES_MAX: usize = 8;
/// Those among them that are kept for ways through relays, if there are any.
const RELAYED_MAX: usize = 2;

/// The keys of a provider.
#[derive(Clone)]
pub struct ProviderKeys {
    /// Who is paid.
    pub account: KeyPair,
    /// Signs commitments.
    pub service: KeyPair,
    /// Seed of the peer's ed25519 key.
    pub peer_seed: Zeroizing<[u8; 32]>,
}

impl ProviderKeys {
    /// The well-known keys of provider `index` of a preset.
    pub fn development(index: u32) -> anyhow::Result<Self> {
        Ok(Self {
            account: dev_keys::provider_account(index)?,
            service: dev_keys::service_key(index)?,
            peer_seed: Zeroizing::new(dev_keys::provider_peer_seed(index)),
        })
    }
}

/// Where a provider serves.
pub enum Place<'a> {
    /// With a peer of its own, on loopback, whose port is kept.
    Own,
    /// With the node's own.
    Shared(Shared<'a>),
}

/// The peer of a node that keeps pieces.
pub struct Shared<'a> {
    /// The peer.
    pub peer: &'a Peer,
    /// Where others see it, if the operator says so.
    pub public: &'a [Multiaddr],
    /// What the node has read, served by the same peer.
    pub cache: Option<Arc<PieceCache>>,
}

/// A provider that serves.
pub struct Provider {
    account: KeyPair,
    peer: Peer,
    owns_peer: bool,
    public: Vec<Multiaddr>,
    service: PieceService,
    sweeping: JoinHandle<()>,
    scrubbing: JoinHandle<()>,
}

impl Provider {
    /// Opens the store, starts the peer on the port it had before if it is its own, and serves.
    pub async fn start(
        chain: Arc<Chain>,
        base: &BasePath,
        keys: ProviderKeys,
        common: &listen::Common,
        quota: Option<u64>,
        place: Place<'_>,
    ) -> anyhow::Result<Self> {
        let account = keys.account.account();
        let folder = base.pieces().join(account.to_string());
        let limits = StoreLimits { quota_bytes: quota.unwrap_or(u64::MAX), reserve_bytes: RESERVE_BYTES };
        let pieces = folder.clone();
        let opening = tokio::task::spawn_blocking(move || {
            make_folder(&folder)
                .with_context(|| format!("make the folder {}", folder.display()))
                .and_then(|()| PieceStore::open(&folder, limits).context("open the piece store"))
        });
        let store = Arc::new(opening.await?.with_context(|| format!("provider {account}"))?);
        let (peer, public, cache, owns_peer) = match place {
            Place::Shared(Shared { peer, public, cache }) => (peer.clone(), public.to_vec(), cache, false),
            Place::Own => {
                let ports = base.network().join(format!("{account}.port"));
                let recorded = recorded_port(&chain, &account)?;
                (start_peer(&keys.peer_seed, common, &ports, recorded).await?, Vec::new(), None, true)
            }
        };
        let admission = Arc::new(LedgerAdmission::new(chain.clone(), account, keys.service));
        let mut service = PieceService::new(store.clone(), admission);
        if let Some(cache) = cache {
            service = service.with_cache(cache, [peer.peer_key()]);
        }
        peer.serve(service.clone())?;
        let scrubbing = tokio::spawn(scrub::follow(store.clone(), account));
        let sweeping = tokio::spawn(sweep::follow(chain, store, account, pieces));
        Ok(Self { account: keys.account, peer, owns_peer, public, service, sweeping, scrubbing })
    }

    /// The provider's peer.
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether nothing else uses its peer.
    pub const fn owns_peer(&self) -> bool {
        self.owns_peer
    }

    /// Who is paid.
    pub fn account(&self) -> AccountId {
        self.account.account()
    }

    /// Its pieces, and what it has served of them.
    pub const fn service(&self) -> &PieceService {
        &self.service
    }

    /// Where others reach it, as the ledger records it: where the operator says; else where it has found out that they
    /// do, or listens. Ways through relays come last.
    pub fn addresses(&self) -> anyhow::Result<Vec<Text<128>>> {
        reached_at(&self.peer, &self.public)
    }

    /// Has the ledger record where the peer listens, if it does not yet.
    pub async fn announce(&self, chain: &Chain, submitter: &Submitter) -> anyhow::Result<()> {
        let account = self.account.account();
        let addresses = self.addresses()?;
        let state = chain.ledger().state();
        let number = state.read::<ProviderNumbers>(&account)?;
        let number = number.with_context(|| format!("the ledger has no provider {account}"))?;
        if state.require::<Providers>(&number)?.addresses == addresses {
            return Ok(());
        }
        let update = UpdateProvider { addresses: Some(addresses), ..UpdateProvider::default() };
        let call = Call::Providers(ProvidersCall::Update(update));
        submitter.call(&self.account, call).await.with_context(|| format!("record the addresses of {account}"))?;
        tracing::info!(provider = %account, "new addresses are recorded");
        Ok(())
    }

    /// Finds out later what [`addresses`](Self::addresses) are then.
    pub fn watched(&self) -> WatchedAddresses {
        WatchedAddresses {
            changes: self.peer.watch_external_addresses(),
            peer: self.peer.clone(),
            public: self.public.clone(),
        }
    }

    /// Stops serving.
    pub async fn stop(self) {
        self.sweeping.abort();
        self.scrubbing.abort();
        if self.owns_peer {
            self.peer.stop().await;
        }
    }
}

/// Where others reach a provider, now and later.
pub struct WatchedAddresses {
    peer: Peer,
    public: Vec<Multiaddr>,
    changes: watch::Receiver<Vec<Multiaddr>>,
}

impl WatchedAddresses {
    /// As [`Provider::addresses`].
    pub fn now(&mut self) -> anyhow::Result<Vec<Text<128>>> {
        self.changes.mark_unchanged();
        reached_at(&self.peer, &self.public)
    }

    /// Resolves once they may be others than [`now`](Self::now) last said; never, if the peer has ended.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// As [`Provider::addresses`].
fn reached_at(peer: &Peer, public: &[Multiaddr]) -> anyhow::Result<Vec<Text<128>>> {
    let mut known = peer.external_addresses();
    if known.is_empty() {
        known = peer.listen_addresses();
    }
    let (relayed, mut direct): (Vec<_>, Vec<_>) = known.into_iter().partition(dsn::is_relayed);
    if !public.is_empty() {
        direct = public.to_vec();
    }
    // A host with many interfaces listens at more than the ledger takes.
    direct.truncate(ADDRESSES_MAX.saturating_sub(relayed.len().min(RELAYED_MAX)));
    let addresses = direct.into_iter().chain(relayed).take(ADDRESSES_MAX);
    Ok(addresses.map(|address| Text::new(address.to_string())).collect::<Result<_, _>>()?)
}

/// The TCP port of the first address that the ledger records.
fn recorded_port(chain: &Chain, account: &AccountId) -> anyhow::Result<Option<u16>> {
    let state = chain.ledger().state();
    let Some(number) = state.read::<ProviderNumbers>(account)? else { return Ok(None) };
    let provider = state.require::<Providers>(&number)?;
    let port = provider.addresses.iter().find_map(|address| address.as_str().rsplit_once("/tcp/")?.1.parse().ok());
    Ok(port)
}

/// Listens on the port that was kept, else on the recorded one, else on any free one; and keeps it.
async fn start_peer(
    seed: &[u8; 32],
    common: &listen::Common,
    kept_at: &Path,
    recorded: Option<u16>,
) -> anyhow::Result<Peer> {
    let kept = fs::read_to_string(kept_at).ok().and_then(|text| text.trim().parse().ok());
    let mut refused = None;
    for port in kept.into_iter().chain(recorded).chain([0]) {
        match listen::listen(seed, common, &Places::loopback(port), &NetworkConfig::default()).await {
            Ok(peer) => {
                let port = peer.listen_addresses().first().and_then(tcp_port).context("the peer has no port")?;
                fs::write(kept_at, port.to_string()).with_context(|| format!("write {}", kept_at.display()))?;
                return Ok(peer);
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(|| anyhow::anyhow!("no port was tried"), anyhow::Error::from))
}

/// The port of `/ip4/../tcp/PORT`.
fn tcp_port(address: &Multiaddr) -> Option<u16> {
    address.to_string().rsplit_once("/tcp/")?.1.split('/').next()?.parse().ok()
}
