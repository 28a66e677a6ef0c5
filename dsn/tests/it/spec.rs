//! docs/spec/wire.md says how peers of the storage network are reached, and what they serve.

use crate::pages::{number, read};
use dsn::{NetworkIntervals, NetworkLimits, PeerLimits, ServiceLimits, Timeouts};
use std::time::Duration;

#[test]
fn limits_of_the_page_are_those_of_the_code() {
    let page = read("docs/spec/wire.md");
    let is = |name, expected: u64| assert_eq!(number(&page, name), expected, "{name}");
    let peers = PeerLimits::default();
    is("connections_in", peers.connections_in.into());
    is("connections_per_peer", peers.connections_per_peer.into());
    is("connections_pending", peers.connections_pending.into());
    is("streams_per_peer", peers.streams_per_peer.into());
    is("streams_served", peers.streams_served.into());
    assert!(page.contains(&format!("both sides together may have {} streams open", 2 * peers.streams_per_peer)));
    let served = ServiceLimits::default();
    for (name, count) in [("puts", served.puts), ("gets", served.gets), ("haves", served.haves)] {
        is(name, u64::try_from(count).unwrap());
    }
    let Timeouts { connect, idle, whole, connection_idle } = Timeouts::default();
    let times = [("connect", connect), ("idle", idle), ("whole", whole), ("connection_idle", connection_idle)];
    for (name, time) in times {
        assert_eq!(Duration::from_secs(number(&page, name)), time, "{name}");
    }
}

#[test]
fn names_of_the_page_are_those_of_the_code() {
    let page = read("docs/spec/wire.md");
    let protocols = read("dsn/src/protocol.rs");
    let verbs: Vec<&str> = protocols.split(": name(\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(verbs.len(), 4, "{verbs:?}");
    for verb in verbs {
        let name = format!("/piecewise/{}/{verb}/1", "6e".repeat(32));
        assert!(page.contains(&format!("| `{verb}` | `{name}` |")), "no row for {name}");
    }
    // Each is said once in the code; the page must follow it.
    let constant = |path: &str, before: &str| {
        let source = read(path);
        let behind = source.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {path}"));
        behind.split(';').next().unwrap().trim_matches('"').to_owned()
    };
    let version = constant("dsn/src/net/network/family.rs", "const VERSION: u32 = ");
    let digits = constant("dsn/src/net/network/family.rs", "const GENESIS_DIGITS: usize = ");
    let family = format!("protocol version `/piecewise/{version}/` and the first {digits} hex digits");
    assert!(page.contains(&family), "{family}");
    for (path, name) in [
        ("dsn/src/net/behaviour.rs", "/piecewise/{genesis}/kad/1"),
        ("dsn/src/net/gossip/topic.rs", "/piecewise/{genesis}/transactions/1"),
        ("dsn/src/net/gossip/topic.rs", "/piecewise/{genesis}/validators/1"),
        ("dsn/src/net/network/discover.rs", "piecewise/{}"),
    ] {
        assert!(read(path).contains(&format!("format!(\"{name}\"")), "{path} does not name {name}");
        let name = name.replace("{genesis}", "<genesis>").replace("{}", "<genesis>");
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    let limits = NetworkLimits::default();
    assert!(page.contains(&format!("A message has at most {} bytes.", limits.kademlia_packet_bytes)));
    assert!(page.contains(&format!("a message of at most {}\nbytes", dsn::ANNOUNCEMENT_BYTES_MAX)));
    let quota = format!("may send {} at once and {} a second", limits.gossip_burst, limits.gossip_per_second);
    assert!(page.contains(&quota), "{quota}");
    assert_eq!(NetworkIntervals::default().refused, Duration::from_secs(600), "the page says ten minutes");
    let addresses = constant("dsn/src/net/target.rs", "const ADDRESSES_MAX: usize = ");
    assert_eq!(number(&page, "ADDRESSES_MAX").to_string(), addresses);
    let pings = constant("dsn/src/net/behaviour.rs", "const PING_INTERVAL: Duration = ");
    assert_eq!(pings, "Duration::from_secs(20)", "the page says every 20 s");
}
