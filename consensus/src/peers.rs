//! Peers that the node hears of while the engine runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use malachite::app::engine::network::PersistentPeerError;
use malachite::app::net::Multiaddr;
use malachite::app::types::PeerId;
use malachite::{ConsensusRequestError, NetworkRequest};
use thiserror::Error;
use tokio::sync::{mpsc, watch};

use crate::engine::{id_of, peer};
use crate::error::StartError;
use crate::heights::{PEERS_MAX, PeerHeights};
use crate::port::NamedHosts;

/// The peers that the engine stays connected to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConsensusPeers {
    /// Of the engine that runs.
    requests: watch::Sender<mpsc::Sender<NetworkRequest>>,
    heights: PeerHeights,
    hosts: NamedHosts,
    /// Those of the configuration, which stay whatever is heard.
    named: Arc<[String]>,
    /// Those that were heard of, for the next engine.
    heard: Arc<Mutex<BTreeSet<String>>>,
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
        Self { requests: watch::Sender::new(requests), heights, hosts, named: named.into(), heard: Arc::default() }
    }

    /// Another engine runs, which was told of these. It is told of those that were heard of meanwhile.
    pub(crate) fn turn_to(&self, requests: mpsc::Sender<NetworkRequest>, told: Vec<String>) {
        self.requests.send_replace(requests.clone());
        let missed: Vec<_> = self.all().into_iter().filter(|address| !told.contains(address)).collect();
        tokio::spawn(async move {
            for address in missed.iter().filter_map(|address| peer(address).ok()) {
                // An engine that has ended again is followed by one that is told of all.
                let _ = NetworkRequest::add_persistent_peer(&requests, address).await;
            }
        });
    }

    /// The addresses that an engine stays connected to.
    pub(crate) fn all(&self) -> Vec<String> {
        self.named.iter().cloned().chain(self.heard(|heard| heard.iter().cloned().collect::<Vec<_>>())).collect()
    }

    fn heard<T>(&self, change: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        // Each change is one insertion or removal.
        change(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
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
        self.heard(|heard| heard.len() < PEERS_MAX && heard.insert(address.to_string()));
        let requests = self.requests.borrow().clone();
        done(NetworkRequest::add_persistent_peer(&requests, address).await)
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
        self.heard(|heard| heard.remove(&address.to_string()));
        let requests = self.requests.borrow().clone();
        done(NetworkRequest::remove_persistent_peer(&requests, address).await)
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
