//! Peers that the node hears of while the engine runs.

use std::sync::Arc;

use malachite::app::engine::network::PersistentPeerError;
use malachite::app::net::Multiaddr;
use malachite::app::types::PeerId;
use malachite::{ConsensusRequestError, NetworkRequest};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::engine::{id_of, peer};
use crate::error::StartError;
use crate::gate::NamedHosts;
use crate::heights::PeerHeights;

/// The peers that the engine stays connected to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConsensusPeers {
    requests: mpsc::Sender<NetworkRequest>,
    heights: PeerHeights,
    hosts: NamedHosts,
    /// Those of the configuration, which stay whatever is heard.
    named: Arc<[String]>,
}

/// Why a peer is not kept.
#[derive(Debug, Error)]
pub enum PeerError {
    /// It is no address.
    #[error(transparent)]
    Address(#[from] StartError),
    /// The engine has ended, or cannot keep up.
    #[error("the engine does not answer: {0}")]
    Engine(String),
}

impl ConsensusPeers {
    pub(crate) fn new(
        requests: mpsc::Sender<NetworkRequest>,
        heights: PeerHeights,
        hosts: NamedHosts,
        named: &[String],
    ) -> Self {
        Self { requests, heights, hosts, named: named.into() }
    }

    fn is_named(&self, address: &str) -> bool {
        self.named.iter().any(|named| named == address)
    }

    /// Stays connected to the peer at this address from now on, keeps places for its host, and believes how far it says that it is.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn add(&self, address: &str) -> Result<(), PeerError> {
        let (address, id) = parse(address)?;
        self.heights.name(id);
        if self.is_named(address.to_string().as_str()) {
            return Ok(());
        }
        self.hosts.add(&address);
        done(NetworkRequest::add_persistent_peer(&self.requests, address).await)
    }

    /// Looks for the peer there no more.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn remove(&self, address: &str) -> Result<(), PeerError> {
        let (address, _) = parse(address)?;
        if self.is_named(address.to_string().as_str()) {
            return Ok(());
        }
        self.hosts.remove(&address);
        done(NetworkRequest::remove_persistent_peer(&self.requests, address).await)
    }
}

fn parse(address: &str) -> Result<(Multiaddr, PeerId), StartError> {
    Ok((peer(address)?, id_of(address)?))
}

/// One that is there, or gone, already is as it should be.
fn done(answer: Result<Result<(), PersistentPeerError>, ConsensusRequestError>) -> Result<(), PeerError> {
    match answer {
        Ok(Ok(()) | Err(PersistentPeerError::AlreadyExists | PersistentPeerError::NotFound)) => Ok(()),
        Ok(Err(error)) => Err(PeerError::Engine(error.to_string())),
        Err(error) => Err(PeerError::Engine(error.to_string())),
    }
}
