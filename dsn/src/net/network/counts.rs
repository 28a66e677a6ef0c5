//! What the network around a peer has done so far.

use super::book::FoundBy;

/// Counters since the start, and what is now. For metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Peers that were heard of for the first time, by who told of them, as in [`FoundBy::ALL`].
    pub found: [u64; FoundBy::ALL.len()],
    /// Peers that are connected now, by who told of them.
    pub connected: [usize; FoundBy::ALL.len()],
    /// Peers that are known now.
    pub known: usize,
    /// Peers that were dialed, whoever wanted it,
    pub dials: u64,
    /// and could not be reached.
    pub dials_failed: u64,
    /// Peers that were of another chain, or of none.
    pub refused_chain: u64,
    /// Peers of this chain that spoke another version.
    pub refused_version: u64,
    /// Records that peers wanted to be kept in the table of peers, which keeps none.
    pub records_refused: u64,
    /// Transactions of this node that were sent.
    pub gossip_sent: u64,
    /// Transactions that came for the first time,
    pub gossip_received: u64,
    /// and were passed on,
    pub gossip_accepted: u64,
    /// or not, without anybody's fault,
    pub gossip_ignored: u64,
    /// or were invalid whatever the state,
    pub gossip_rejected: u64,
    /// or were not looked at, because their sender sent too many,
    pub gossip_throttled: u64,
    /// or because too many waited.
    pub gossip_overflowed: u64,
    /// Peers that were dropped for invalid transactions.
    pub gossip_banned: u64,
    /// Registrations with rendezvous points,
    pub registrations: u64,
    /// and those that were refused.
    pub registrations_failed: u64,
    /// Reservations with relays.
    pub reservations: u64,
    /// Connections that got rid of their relay.
    pub holes_punched: u64,
    /// Ports that the router mapped.
    pub ports_mapped: u64,
}
