//! What clients ask, answered from the ledger, the mempool and the services: the ports of `rpc`.

mod chain;
mod storage;
mod system;

use std::sync::Arc;

use rpc::Backend;

use crate::chain::Chain;
use crate::fetch::Fetch;
use crate::gateway::Gateway;
use crate::labels::Labels;

pub use storage::{locate, store_of};
pub use system::{SystemInfo, listen_lines};

/// Reads of the chain. They take microseconds from memory or RocksDB's cache, so they run where they are asked.
struct ChainBackend {
    chain: Arc<Chain>,
}

/// Files in and out.
struct StorageBackend {
    chain: Arc<Chain>,
    gateway: Gateway,
    fetch: Fetch,
    labels: Arc<Labels>,
}

/// Everything behind the API.
pub fn backend(chain: Arc<Chain>, gateway: Gateway, fetch: Fetch, labels: Arc<Labels>, system: SystemInfo) -> Backend {
    let on_chain = Arc::new(ChainBackend { chain: chain.clone() });
    Backend {
        genesis: chain.ledger().genesis_hash(),
        storage: Arc::new(StorageBackend { chain, gateway, fetch, labels }),
        chain: on_chain.clone(),
        state: on_chain.clone(),
        accounts: on_chain.clone(),
        author: on_chain.clone(),
        providers: on_chain.clone(),
        validators: on_chain,
        system: Arc::new(system),
    }
}
