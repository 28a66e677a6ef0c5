//! What clients ask, answered from the ledger, the mempool and the services: the ports of `rpc`.

mod chain;
mod leases;
mod storage;
mod synced;
mod system;

use std::sync::Arc;

use pieces::FileId;
use rpc::Backend;
use rpc::types::{LocateQuery, Located, Rendered};
use tokio::sync::Semaphore;

use crate::chain::Chain;
use crate::fetch::Fetch;
use crate::gateway::Gateway;
use crate::keystore::Keystore;
use crate::labels::Labels;
use crate::submitter::Submitter;
use crate::sync::Sync;
use storage::Answers;
use synced::Synced;

pub use storage::{locate, store_of};
pub use system::{SystemInfo, listen_lines};

/// Transactions from clients whose calls are tried at once. One may take as long as checking thousands of signatures,
/// and nobody pays for those that are refused: others wait, and the node has its processors for blocks.
const TRIALS_MAX: usize = 2;

/// Reads of the chain. They take microseconds from memory or RocksDB's cache, so they run where they are asked.
struct ChainBackend {
    chain: Arc<Chain>,
}

/// Transactions in.
struct AuthorBackend {
    chain: Arc<Chain>,
    /// Places for transactions whose calls are being tried. Those that wait for one are bounded by the bodies that the
    /// server takes at once.
    trials: Arc<Semaphore>,
}

impl AuthorBackend {
    fn new(chain: Arc<Chain>) -> Self {
        Self { chain, trials: Arc::new(Semaphore::new(TRIALS_MAX)) }
    }
}

/// Files in and out.
struct StorageBackend {
    chain: Arc<Chain>,
    gateway: Gateway,
    fetch: Fetch,
    labels: Arc<Labels>,
    payer: Payer,
    located: Answers<(FileId, LocateQuery), Rendered<Located>>,
}

/// Makes calls for the gateway's own account.
pub struct Payer {
    /// Has the account's key.
    pub keystore: Arc<Keystore>,
    /// Signs and sends.
    pub submitter: Arc<Submitter>,
}

fn when_synced<B>(sync: &Sync, behind: B) -> Synced<B> {
    Synced { behind, sync: sync.clone() }
}

/// Everything behind the API.
pub fn backend(
    chain: Arc<Chain>,
    gateway: Gateway,
    fetch: Fetch,
    labels: Arc<Labels>,
    payer: Payer,
    system: SystemInfo,
) -> Backend {
    let on_chain = Arc::new(ChainBackend { chain: chain.clone() });
    let genesis = chain.ledger().genesis_hash();
    let sync = &system.sync;
    let author = Arc::new(when_synced(sync, AuthorBackend::new(chain.clone())));
    let uploads = Arc::new(when_synced(sync, gateway.clone()));
    let storage = StorageBackend { chain, gateway, fetch, labels, payer, located: Answers::default() };
    let storage = Arc::new(when_synced(sync, storage));
    Backend {
        genesis,
        storage,
        uploads,
        chain: on_chain.clone(),
        state: on_chain.clone(),
        accounts: on_chain.clone(),
        author,
        providers: on_chain.clone(),
        validators: on_chain,
        system: Arc::new(system),
    }
}
