//! The peers that are known, where they are reached, and whom to dial next. Pure: the caller brings the time.

use super::addresses::{Block, block, is_dialable};
use libp2p::{Multiaddr, PeerId};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

/// Most addresses of one peer that are remembered.
pub(crate) const ADDRESSES_KNOWN_MAX: usize = 8;
/// A peer that was never reached is forgotten after so many dials.
const DIALS_MAX: u32 = 6;

/// Who told of a peer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FoundBy {
    /// It is a boot node of this configuration.
    BootNode,
    /// It is a reserved peer of this configuration.
    Reserved,
    /// It was asked for with addresses, as a provider's record has them.
    Ledger,
    /// The table of peers.
    Kademlia,
    /// It is on the same link.
    Mdns,
    /// A rendezvous point, or it is one.
    Rendezvous,
    /// It is a relay of this configuration.
    Relay,
    /// The file of an earlier run.
    Store,
    /// It came by itself.
    Inbound,
}

impl FoundBy {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 9] = [
        Self::BootNode,
        Self::Reserved,
        Self::Ledger,
        Self::Kademlia,
        Self::Mdns,
        Self::Rendezvous,
        Self::Relay,
        Self::Store,
        Self::Inbound,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }
}

/// A word, for logs and labels.
impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BootNode => "bootnode",
            Self::Reserved => "reserved",
            Self::Ledger => "ledger",
            Self::Kademlia => "kademlia",
            Self::Mdns => "mdns",
            Self::Rendezvous => "rendezvous",
            Self::Relay => "relay",
            Self::Store => "store",
            Self::Inbound => "inbound",
        })
    }
}

/// A peer that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// As libp2p prints it.
    pub peer_id: String,
    /// Where it may be reached, without `/p2p/`; those that worked come first.
    pub addresses: Vec<Multiaddr>,
    /// Who told of it.
    pub found: FoundBy,
    /// When this chain was last seen there, in seconds since 1970; 0 for never.
    pub last_seen_s: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Those that worked come first.
    addresses: Vec<Multiaddr>,
    /// How many of the first ones worked.
    confirmed: usize,
    pub(crate) found: FoundBy,
    /// Is dialed whenever it is lost, and never forgotten.
    pub(crate) pinned: bool,
    last_seen_s: u64,
    is_met: bool,
    failures: u32,
    dial_at: Duration,
}

/// What is new about a peer that was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// It was not known, and is now.
    pub(crate) is_new: bool,
    /// It was not met before, since the start; who told of it.
    pub(crate) first_by: Option<FoundBy>,
}

/// Peers by id, at most so many.
#[derive(Debug)]
pub(crate) struct PeerBook {
    peers: HashMap<PeerId, Entry>,
    own: PeerId,
    peers_max: usize,
    redial: Duration,
    redial_longest: Duration,
    changed: bool,
}

impl PeerBook {
    pub(crate) fn new(own: PeerId, peers_max: usize, redial: Duration, redial_longest: Duration) -> Self {
        Self { peers: HashMap::new(), own, peers_max, redial, redial_longest, changed: false }
    }

    /// Somebody told of a peer. True if it was not known and is now.
    pub(crate) fn heard(&mut self, peer: PeerId, addresses: &[Multiaddr], found: FoundBy) -> bool {
        let addresses: Vec<_> = addresses.iter().filter(|address| is_dialable(address)).collect();
        if peer == self.own || addresses.is_empty() {
            return false;
        }
        let is_new = !self.peers.contains_key(&peer);
        if is_new && !self.make_room(0, false) {
            return false;
        }
        let entry = self.peers.entry(peer).or_insert_with(|| Entry::new(found));
        addresses.into_iter().for_each(|address| entry.add(address));
        is_new
    }

    /// A peer of the configuration, which is never forgotten.
    pub(crate) fn pin(&mut self, peer: PeerId, address: Multiaddr, found: FoundBy) {
        if peer == self.own {
            return;
        }
        let entry = self.peers.entry(peer).or_insert_with(|| Entry::new(found));
        (entry.pinned, entry.found) = (true, found);
        entry.add(&address);
    }

    /// A peer was of this chain at `unix_s`, and reached by `address` if this side dialed. It says where it listens.
    pub(crate) fn met(
        &mut self,
        peer: PeerId,
        address: Option<&Multiaddr>,
        listens: &[Multiaddr],
        found: FoundBy,
        unix_s: u64,
    ) -> Met {
        let is_new = !self.peers.contains_key(&peer);
        if peer == self.own || (is_new && !self.make_room(unix_s, address.is_some())) {
            return Met::default();
        }
        let entry = self.peers.entry(peer).or_insert_with(|| Entry::new(found));
        (entry.last_seen_s, entry.failures) = (unix_s, 0);
        listens.iter().filter(|address| is_dialable(address)).for_each(|address| entry.add(address));
        if let Some(address) = address {
            entry.confirm(address);
        }
        self.changed = true;
        let is_first = !std::mem::replace(&mut entry.is_met, true);
        Met { is_new, first_by: is_first.then_some(entry.found) }
    }

    /// A dial failed, or the connection with a pinned peer was lost: not before a while.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Duration) {
        let Some(entry) = self.peers.get_mut(peer) else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        entry.dial_at = now + wait(self.redial, self.redial_longest, entry.failures);
        if entry.failures >= DIALS_MAX && entry.last_seen_s == 0 && !entry.pinned {
            self.peers.remove(peer);
        }
    }

    /// Nobody is to dial it before `until`.
    pub(crate) fn leave_alone(&mut self, peer: &PeerId, until: Duration) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.dial_at = until;
            entry.last_seen_s = 0;
            self.changed = true;
        }
    }

    /// Whom to dial at `now`: all pinned peers that are not connected, and so many others, from many blocks of the
    /// internet. `taken` says which peers are connected or being dialed.
    pub(crate) fn due(
        &mut self,
        now: Duration,
        room: usize,
        blocks: &[Block],
        taken: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let ready = self
            .peers
            .iter()
            .filter(|(peer, entry)| entry.dial_at <= now && !entry.addresses.is_empty() && !taken(peer));
        let (pinned, mut others): (Vec<_>, Vec<_>) = ready.partition(|(_, entry)| entry.pinned);
        let crowd = |entry: &Entry| match entry.addresses.first().and_then(block) {
            Some(of) => blocks.iter().filter(|other| **other == of).count(),
            None => 0,
        };
        // The peer id at the end makes the order the same whatever the map's is.
        others.sort_by_cached_key(|(peer, entry)| {
            (crowd(entry), entry.failures, Reverse(entry.last_seen_s), peer.to_bytes())
        });
        let chosen = pinned.into_iter().chain(others.into_iter().take(room));
        let due: Vec<_> = chosen.map(|(peer, entry)| (*peer, entry.addresses.clone())).collect();
        for (peer, _) in &due {
            if let Some(entry) = self.peers.get_mut(peer) {
                // Until its outcome is known.
                entry.dial_at = now + self.redial;
            }
        }
        due
    }

    pub(crate) fn get(&self, peer: &PeerId) -> Option<&Entry> {
        self.peers.get(peer)
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// All of them, in the order of their ids.
    pub(crate) fn list(&self) -> Vec<KnownPeer> {
        let mut list: Vec<_> = self.peers.iter().map(|(peer, entry)| entry.shown(peer)).collect();
        list.sort_by(|left, right| left.peer_id.cmp(&right.peer_id));
        list
    }

    /// Whether something that is worth writing down has changed since the last call.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Those worth writing down: seen to be of this chain.
    pub(crate) fn saved(&self) -> Vec<(PeerId, Vec<Multiaddr>, u64)> {
        let seen = self.peers.iter().filter(|(_, entry)| entry.last_seen_s > 0 && !entry.addresses.is_empty());
        seen.map(|(peer, entry)| (*peer, entry.addresses.clone(), entry.last_seen_s)).collect()
    }

    /// A peer of an earlier run. True if it was not known and is now.
    pub(crate) fn restore(&mut self, peer: PeerId, addresses: &[Multiaddr], last_seen_s: u64) -> bool {
        let is_new = self.heard(peer, addresses, FoundBy::Store);
        if is_new && let Some(entry) = self.peers.get_mut(&peer) {
            (entry.last_seen_s, entry.confirmed) = (last_seen_s, entry.addresses.len());
        }
        is_new
    }

    /// Forgets whoever is of the least use if the book is full, for somebody who was seen at `unix_s` or never, and whom
    /// this side reached or who came by itself. Says whether there is room. Who was seen does not give way to somebody that
    /// may not exist, and who was reached not to somebody that came: coming costs nothing.
    fn make_room(&mut self, unix_s: u64, is_reached: bool) -> bool {
        if self.peers.len() < self.peers_max {
            return true;
        }
        let others = self.peers.iter().filter(|(_, entry)| !entry.pinned);
        let least = others.min_by_key(|(_, entry)| (entry.is_reached(), entry.last_seen_s, Reverse(entry.failures)));
        let gives_way = |entry: &Entry| match entry.is_reached() {
            true => is_reached && entry.last_seen_s < unix_s,
            false => entry.last_seen_s < unix_s || (entry.last_seen_s == 0 && entry.failures > 0),
        };
        match least.filter(|(_, entry)| gives_way(entry)).map(|(peer, _)| *peer) {
            Some(peer) => self.peers.remove(&peer).is_some(),
            None => false,
        }
    }
}

impl Entry {
    fn new(found: FoundBy) -> Self {
        let dial_at = Duration::ZERO;
        Self {
            addresses: Vec::new(),
            confirmed: 0,
            found,
            pinned: false,
            last_seen_s: 0,
            is_met: false,
            failures: 0,
            dial_at,
        }
    }

    /// Whether one of its addresses ever worked.
    const fn is_reached(&self) -> bool {
        self.confirmed > 0
    }

    /// An address that somebody named. Those that worked stay before it.
    fn add(&mut self, address: &Multiaddr) {
        if self.addresses.contains(address) {
            return;
        }
        if self.addresses.len() >= ADDRESSES_KNOWN_MAX {
            if self.confirmed >= self.addresses.len() {
                return;
            }
            self.addresses.remove(self.confirmed);
        }
        self.addresses.push(address.clone());
    }

    /// An address that worked comes first.
    fn confirm(&mut self, address: &Multiaddr) {
        match self.addresses.iter().position(|known| known == address) {
            Some(at) => {
                self.addresses.remove(at);
                self.confirmed -= usize::from(at < self.confirmed);
            }
            None => self.addresses.truncate(ADDRESSES_KNOWN_MAX - 1),
        }
        self.addresses.insert(0, address.clone());
        self.confirmed = (self.confirmed + 1).min(self.addresses.len());
    }

    fn shown(&self, peer: &PeerId) -> KnownPeer {
        let (addresses, found, last_seen_s) = (self.addresses.clone(), self.found, self.last_seen_s);
        KnownPeer { peer_id: peer.to_string(), addresses, found, last_seen_s }
    }
}

/// How long after the so manieth failure in a row.
fn wait(first: Duration, longest: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    first.saturating_mul(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests;
