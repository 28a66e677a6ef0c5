//! Peers of one process: they reach each other without a socket.
//!
//! A stream between them carries the same messages, is served by the same code and is counted in the same way as any
//! other; only the connection, with its encryption and its way through the kernel, is left out. Whoever is asked for at
//! an address where no neighbour listens is reached there, over the network.

use super::actor::Command;
use super::peer::Status;
use crate::protocol::ProtocolNames;
use crate::service::PieceService;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

/// The peers of one process that know each other, one entry for each that was started. Cloning gives another handle of
/// the same list.
#[derive(Clone, Default)]
pub struct Neighbours {
    peers: Arc<Mutex<HashMap<PeerId, Neighbour>>>,
}

/// A peer as the others of its process see it. Does not keep it alive.
pub(super) struct Neighbour {
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) status: Arc<Status>,
    pub(super) names: Arc<ProtocolNames>,
    pub(super) service: Arc<OnceLock<PieceService>>,
}

impl fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Neighbours").field("count", &self.peers.lock().len()).finish()
    }
}

impl Neighbours {
    pub(super) fn add(&self, peer: PeerId, neighbour: Neighbour) {
        self.peers.lock().insert(peer, neighbour);
    }

    /// Where to ask `peer` for a stream, if it runs in this process, serves this chain, and listens on one of
    /// `addresses`.
    pub(super) fn find(
        &self,
        peer: &PeerId,
        addresses: &[Multiaddr],
        names: &ProtocolNames,
    ) -> Option<mpsc::Sender<Command>> {
        let peers = self.peers.lock();
        let neighbour = peers.get(peer)?;
        let is_meant = neighbour.names.as_ref() == names && neighbour.status.listens_on_any(addresses);
        // Without a service it has nothing to say; over a connection it would say so.
        if is_meant && neighbour.service.get().is_some() { neighbour.commands.upgrade() } else { None }
    }
}
