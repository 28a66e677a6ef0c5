//! The peers that are connected: how they were found, what they say they are, and by which way.

use super::addresses::{Block, block};
use super::book::FoundBy;
use crate::net::pending::{Host, host_of};
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::HashMap;

/// Addresses that a peer says it listens on, as they are reported.
const LISTENS_MAX: usize = 8;
/// Characters of what a peer says it runs.
const AGENT_CHARS_MAX: usize = 64;

/// A peer that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// As libp2p prints it.
    pub peer_id: String,
    /// What it says it runs.
    pub agent: Option<String>,
    /// The far ends of its connections, then where it says it listens.
    pub addresses: Vec<Multiaddr>,
    /// Who told of it.
    pub found: FoundBy,
    /// Whether this side made one of the connections.
    pub outbound: bool,
    /// Whether all connections lead through a relay.
    pub relayed: bool,
    /// Whether it said that it is of this chain and speaks this version.
    pub verified: bool,
}

/// What is known of a connected peer.
#[derive(Debug)]
pub(crate) struct Connected {
    connections: Vec<(ConnectionId, ConnectedPoint)>,
    agent: Option<String>,
    listens: Vec<Multiaddr>,
    pub(crate) found: FoundBy,
    pub(crate) verified: bool,
}

impl Connected {
    /// The address that this side dialed.
    pub(crate) fn dialed(&self) -> Option<&Multiaddr> {
        self.connections.iter().find_map(|(_, point)| match point {
            ConnectedPoint::Dialer { address, .. } => Some(address),
            ConnectedPoint::Listener { .. } => None,
        })
    }

    /// Where it is, by the first of its connections.
    pub(crate) fn host(&self) -> Host {
        self.connections.first().and_then(|(_, point)| host_of(point.get_remote_address()))
    }

    pub(crate) fn is_outbound(&self) -> bool {
        self.dialed().is_some()
    }

    fn shown(&self, peer: &PeerId) -> PeerInfo {
        let ends: Vec<_> = self.connections.iter().map(|(_, point)| point.get_remote_address().clone()).collect();
        let relayed = self.connections.iter().all(|(_, point)| point.is_relayed());
        let mut addresses = ends;
        addresses.extend(self.listens.iter().cloned());
        PeerInfo {
            peer_id: peer.to_string(),
            agent: self.agent.clone(),
            addresses,
            found: self.found,
            outbound: self.is_outbound(),
            relayed,
            verified: self.verified,
        }
    }
}

/// Connected peers by id; as many as there are connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectedPeers {
    peers: HashMap<PeerId, Connected>,
}

impl ConnectedPeers {
    pub(crate) fn opened(&mut self, peer: PeerId, connection: ConnectionId, point: ConnectedPoint, found: FoundBy) {
        let new = || Connected { connections: Vec::new(), agent: None, listens: Vec::new(), found, verified: false };
        self.peers.entry(peer).or_insert_with(new).connections.push((connection, point));
    }

    /// Returns what was known of the peer if that was its last connection.
    pub(crate) fn closed(&mut self, peer: &PeerId, connection: ConnectionId) -> Option<Connected> {
        let known = self.peers.get_mut(peer)?;
        known.connections.retain(|(id, _)| *id != connection);
        if known.connections.is_empty() { self.peers.remove(peer) } else { None }
    }

    /// The peer said what it is, and that it is of this chain.
    pub(crate) fn verified(&mut self, peer: &PeerId, agent: &str, listens: &[Multiaddr]) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.agent = Some(agent.escape_debug().take(AGENT_CHARS_MAX).collect());
            known.listens = listens.iter().take(LISTENS_MAX).cloned().collect();
            known.verified = true;
        }
    }

    pub(crate) fn get(&self, peer: &PeerId) -> Option<&Connected> {
        self.peers.get(peer)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Connected)> {
        self.peers.iter()
    }

    pub(crate) fn ids(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    /// The blocks of the internet that this side has dialed into.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        self.peers.values().filter_map(|known| block(known.dialed()?)).collect()
    }

    /// All of them, in the order of their ids.
    pub(crate) fn list(&self) -> Vec<PeerInfo> {
        let mut list: Vec<_> = self.peers.iter().map(|(peer, known)| known.shown(peer)).collect();
        list.sort_by(|left, right| left.peer_id.cmp(&right.peer_id));
        list
    }

    pub(crate) fn count_by_source(&self) -> [usize; FoundBy::ALL.len()] {
        let mut counts = [0; FoundBy::ALL.len()];
        for known in self.peers.values() {
            counts[known.found.index()] += 1;
        }
        counts
    }
}
