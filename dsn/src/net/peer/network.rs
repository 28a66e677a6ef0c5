//! What a peer says about its network, and what it is given to pass on.

use super::Peer;
use crate::net::actor::Command;
use crate::net::gossip::{GossipError, Kind};
use crate::net::network::{KnownPeer, NetworkCounts, PeerInfo};
use bytes::Bytes;
use libp2p::Multiaddr;
use tokio::sync::{oneshot, watch};

impl Peer {
    /// The peers that it is connected with, in the order of their ids.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.inner.shared.peers()
    }

    /// The peers that it knows, connected or not, in the order of their ids. None if its network is off.
    pub fn known_peers(&self) -> Vec<KnownPeer> {
        self.inner.shared.known()
    }

    /// Where others reach it, as it was told or found out, without `/p2p/` unless a relay is on the way.
    pub fn external_addresses(&self) -> Vec<Multiaddr> {
        self.inner.shared.external()
    }

    /// Where others can be told to find this peer: nowhere, if it hides behind relays.
    pub(crate) fn told_addresses(&self) -> Vec<Multiaddr> {
        if self.inner.shared.hides() {
            return Vec::new();
        }
        let external = self.external_addresses();
        if external.is_empty() { self.listen_addresses() } else { external }
    }

    /// Changes with [`external_addresses`](Self::external_addresses).
    pub fn watch_external_addresses(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.inner.shared.watch_external()
    }

    /// What its network did so far.
    pub fn network_counts(&self) -> NetworkCounts {
        self.inner.shared.counts()
    }

    /// How many peers listen for transactions. When the first one comes, transactions that wait may be sent again.
    pub fn gossip_peers(&self) -> watch::Receiver<usize> {
        self.inner.shared.gossip_peers()
    }

    /// Sends a transaction that this node admitted to all that listen. That it was sent before, or came from another
    /// peer, is no error.
    ///
    /// # Errors
    /// Nobody listens, it is too long, or this peer passes none on.
    pub async fn gossip_transaction(&self, transaction: Bytes) -> Result<(), GossipError> {
        self.gossip(Kind::Transaction, transaction).await
    }

    /// Sends all that listen where this node's validator is.
    ///
    /// # Errors
    /// As [`gossip_transaction`](Self::gossip_transaction).
    pub async fn gossip_announcement(&self, announcement: Bytes) -> Result<(), GossipError> {
        self.gossip(Kind::Announcement, announcement).await
    }

    async fn gossip(&self, kind: Kind, message: Bytes) -> Result<(), GossipError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Gossip { kind, message, reply };
        self.inner.commands.send(command).await.map_err(|_| GossipError::Stopped)?;
        answer.await.unwrap_or(Err(GossipError::Stopped))
    }
}
