//! The network around this node's peer, in numbers.

use std::fmt;

use dsn::{FoundBy, NetworkCounts};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::observed::{Out, count};

/// Writes what a peer says that its network does.
pub fn write(out: &mut Out<'_>, counts: &NetworkCounts) -> fmt::Result {
    let by = |values: [u64; FoundBy::ALL.len()]| FoundBy::ALL.iter().map(ToString::to_string).zip(values);
    out.counters("dsn_found_peers", "Peers that were heard of for the first time", "by", by(counts.found))?;
    let help = "Peers that are connected, by who told of them";
    out.labelled("dsn_connected_peers", help, ConstGauge::new, "by", by(counts.connected.map(count)))?;
    out.gauge("dsn_known_peers", "Peers that are known, connected or not", count(counts.known))?;
    let dials = [("ok", counts.dials.saturating_sub(counts.dials_failed)), ("failed", counts.dials_failed)];
    out.counters("dsn_dials", "Peers that were dialed", "outcome", dials)?;
    let refused =
        [("chain", counts.refused_chain), ("version", counts.refused_version), ("spam", counts.gossip_banned)];
    out.counters("dsn_refused_peers", "Peers that were let go of for good reason", "reason", refused)?;
    let help = "Records that peers wanted to have kept in the table of peers, which keeps none";
    out.one("dsn_records_refused", help, &ConstCounter::new(counts.records_refused))?;
    gossip(out, counts)?;
    let registrations = [("ok", counts.registrations), ("failed", counts.registrations_failed)];
    out.counters("dsn_registrations", "Registrations with rendezvous points", "outcome", registrations)?;
    let ways = [("relay", counts.reservations), ("hole", counts.holes_punched), ("port", counts.ports_mapped)];
    let help = "Ways that were found by which others reach this node's peer";
    out.counters("dsn_ways_found", help, "way", ways)
}

fn gossip(out: &mut Out<'_>, counts: &NetworkCounts) -> fmt::Result {
    let sent = &ConstCounter::new(counts.gossip_sent);
    out.one("gossip_sent", "Transactions of this node that were sent to others", sent)?;
    let help = "Transactions that others sent, by what became of them";
    let judged = [
        ("accepted", counts.gossip_accepted),
        ("ignored", counts.gossip_ignored),
        ("rejected", counts.gossip_rejected),
        ("throttled", counts.gossip_throttled),
        ("overflowed", counts.gossip_overflowed),
    ];
    out.counters("gossip_judged", help, "outcome", judged)
}
