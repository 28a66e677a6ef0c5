//! What handles of a peer see of its network.

use super::book::{FoundBy, PeerBook};
use super::connected::ConnectedPeers;
use super::counts::NetworkCounts;
use super::family::Mismatch;
use super::refused::Reason;
use crate::net::judged::Judged;
use crate::net::settings::NetworkConfig;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// Locked for moments, never while something is awaited. Where two are locked, in this order.
#[derive(Debug)]
pub(in crate::net) struct Shared {
    pub(super) connected: Mutex<ConnectedPeers>,
    pub(super) book: Mutex<PeerBook>,
    pub(super) counts: Mutex<NetworkCounts>,
    pub(in crate::net) judged: Judged,
    pub(super) external: watch::Sender<Vec<Multiaddr>>,
    pub(super) gossip_peers: watch::Sender<usize>,
    /// Whether the file of known peers could not be written the last time.
    pub(super) unwritten: AtomicBool,
    hides: bool,
}

impl Shared {
    pub(in crate::net) fn new(own: PeerId, settings: &NetworkConfig) -> Self {
        let (limits, intervals) = (&settings.limits, &settings.intervals);
        let book = PeerBook::new(own, limits.known_peers, intervals.redial, intervals.redial_longest);
        Self {
            connected: Mutex::default(),
            book: Mutex::new(book),
            counts: Mutex::default(),
            judged: Judged::new(),
            external: watch::Sender::default(),
            gossip_peers: watch::Sender::new(0),
            unwritten: AtomicBool::default(),
            hides: settings.relay_only,
        }
    }

    pub(in crate::net) fn connected_ids(&self) -> Vec<PeerId> {
        self.connected.lock().ids()
    }

    pub(in crate::net) fn peers(&self) -> Vec<super::PeerInfo> {
        self.connected.lock().list()
    }

    pub(in crate::net) fn known(&self) -> Vec<super::KnownPeer> {
        self.book.lock().list()
    }

    pub(in crate::net) fn external(&self) -> Vec<Multiaddr> {
        self.external.borrow().clone()
    }

    /// Changes with [`external`](Self::external).
    pub(in crate::net) fn watch_external(&self) -> watch::Receiver<Vec<Multiaddr>> {
        self.external.subscribe()
    }

    /// Whether others are not to know where this peer is.
    pub(in crate::net) const fn hides(&self) -> bool {
        self.hides
    }

    pub(in crate::net) fn gossip_peers(&self) -> watch::Receiver<usize> {
        self.gossip_peers.subscribe()
    }

    pub(in crate::net) fn counts(&self) -> NetworkCounts {
        let (connected, known) = (self.connected.lock().count_by_source(), self.book.lock().len());
        NetworkCounts { connected, known, ..*self.counts.lock() }
    }

    pub(super) fn count_refusal(&self, reason: &Reason) {
        let mut counts = self.counts.lock();
        match reason {
            Reason::Mismatch(Mismatch::Version { .. }) => counts.refused_version += 1,
            Reason::Mismatch(_) => counts.refused_chain += 1,
            Reason::Spam => counts.gossip_banned += 1,
        }
    }

    pub(super) fn count_found(&self, found: FoundBy) {
        self.counts.lock().found[found.index()] += 1;
    }
}
