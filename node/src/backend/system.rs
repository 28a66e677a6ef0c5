//! The node itself.

use std::sync::Arc;

use async_trait::async_trait;
use rpc::ApiError;
use rpc::ports::System;
use rpc::types::{Health, PeerInfo, SyncState};
use runtime::crypto::PeerKey;
use runtime::state::ReadTables;
use runtime::tables::PeerNumbers;

use crate::chain::Chain;
use crate::errors::of_state;
use crate::sync::Sync;

/// What the node says of itself.
pub struct SystemInfo {
    /// Where providers are recorded.
    pub chain: Arc<Chain>,
    /// How far it is behind.
    pub sync: Sync,
    /// The gateway's peer.
    pub peer: dsn::Peer,
    /// The chain's name.
    pub chain_name: String,
    /// Whether the chain is more than this one process.
    pub should_have_peers: bool,
}

#[async_trait]
impl System for SystemInfo {
    async fn health(&self) -> Result<Health, ApiError> {
        let peers = u32::try_from(self.peer.peer_count()).unwrap_or(u32::MAX);
        Ok(Health { peers, is_syncing: self.sync.is_syncing(), should_have_peers: self.should_have_peers })
    }

    fn name(&self) -> String {
        "Piecewise".into()
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").into()
    }

    fn chain(&self) -> String {
        self.chain_name.clone()
    }

    fn local_peer_id(&self) -> String {
        self.peer.peer_id()
    }

    async fn local_listen_addresses(&self) -> Result<Vec<String>, ApiError> {
        Ok(listen_lines(&self.peer))
    }

    /// Storage peers: they do not say how far they are, and what they do is what the ledger records of them.
    async fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        let state = self.chain.ledger().state();
        let info = |peer_id: String| {
            let key: Option<PeerKey> = peer_id.parse().ok();
            let number = key.map_or(Ok(None), |key| state.read::<PeerNumbers>(&key)).map_err(of_state)?;
            let roles = if number.is_some() { "provider" } else { "full" };
            Ok(PeerInfo { peer_id, roles: roles.into(), best_hash: None, best_number: None })
        };
        self.peer.connected_peers().into_iter().map(info).collect()
    }

    async fn sync_state(&self) -> Result<SyncState, ApiError> {
        Ok(self.sync.state())
    }
}

/// A peer's addresses as operators know them: with `/p2p` and the peer id.
pub fn listen_lines(peer: &dsn::Peer) -> Vec<String> {
    let id = peer.peer_id();
    peer.listen_addresses().iter().map(|address| format!("{address}/p2p/{id}")).collect()
}
