//! Nodes on hosts of their own, as far as the network goes: who can be reached by whom is real.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chain_spec::dev_keys;
use e2e::cluster::{Cluster, Part};
use e2e::netns::{self, Namespace};
use e2e::{Node, bytes};
use serde_json::{Value, json};

use crate::router::Router;
use crate::world::World;

/// The host in the middle as its neighbours see it, and they.
const MIDDLE: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 1, 1), Ipv4Addr::new(10, 77, 2, 1)];
const OUTER: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 77, 1, 2), Ipv4Addr::new(10, 77, 2, 2)];

/// A node that runs on a host.
struct Placed<'a> {
    node: Node,
    host: &'a Namespace,
}

/// The hosts, and the layout of the nodes on them. Others are hosts that only the middle one has cables to.
struct Land {
    cluster: Cluster,
    middle: Namespace,
    outer: Vec<Namespace>,
}

impl Land {
    /// None if there are no namespaces here.
    fn new(parts: &[Part], outer: usize) -> Option<Self> {
        if !netns::are_allowed() {
            return None;
        }
        let mut cluster = World::new(parts).cluster;
        cluster.do_not_introduce();
        let middle = Namespace::new().unwrap();
        middle.forwards(false).unwrap();
        let mut hosts = Vec::new();
        for (inner, own) in MIDDLE.into_iter().zip(OUTER).take(outer) {
            let host = Namespace::new().unwrap();
            middle.join(inner, &host, own).unwrap();
            host.route_by(inner).unwrap();
            hosts.push(host);
        }
        Some(Self { cluster, middle, outer: hosts })
    }

    fn spawn<'a>(&self, index: usize, host: &'a Namespace, args: &[&str]) -> Placed<'a> {
        // Whoever is named is in the middle.
        let named = match std::ptr::eq(host, &self.middle) {
            true => "/ip4/127.0.0.1/".to_owned(),
            false => format!("/ip4/{}/", MIDDLE[0]),
        };
        let own = self.cluster.command(index);
        let mut command = Command::new(own.get_program());
        let mdns = args.contains(&"--mdns");
        let own = own.get_args().map(|arg| arg.to_str().unwrap().replace("/ip4/127.0.0.1/", &named));
        command.args(own.filter(|arg| !mdns || arg != "--no-mdns")).args(args);
        let mut inside = host.command(&command);
        Placed { node: self.cluster.spawn_as(index, &mut inside).unwrap(), host }
    }

    fn start<'a>(&self, index: usize, host: &'a Namespace, args: &[&str]) -> Placed<'a> {
        let mut placed = self.spawn(index, host, args);
        placed.node.is_ready().unwrap();
        placed
    }
}

/// Blocks in which something comes about, or never.
const BLOCKS_MAX: usize = 100;

/// Listens wherever its host is.
const OPEN: [&str; 2] = ["--listen-addr", "0.0.0.0"];

impl Placed<'_> {
    fn ok(&self, method: &str, params: &Value) -> Value {
        self.host.ok(self.node.url(), method, params).unwrap()
    }

    /// The port of its storage peer, and its whole address with this IP address of its host.
    fn storage(&self, ip: Ipv4Addr) -> (u16, String) {
        let prefix = format!("/ip4/{ip}/tcp/");
        let listens = self.ok("system_localListenAddresses", &json!([]));
        let mut listens = listens.as_array().unwrap().iter().map(|address| address.as_str().unwrap());
        let address = listens.find(|address| address.starts_with(&prefix)).unwrap();
        let port = address[prefix.len()..].split('/').next().unwrap().parse().unwrap();
        (port, address.to_owned())
    }

    fn peer_id(&self) -> String {
        self.ok("system_localPeerId", &json!([])).as_str().unwrap().to_owned()
    }

    /// A counter that is 0 as long as it is not served.
    fn metric(&self, name: &str) -> u64 {
        let text = self.host.get(&format!("{}/metrics", self.node.metrics_url().unwrap())).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits, block by block, until the node's answer is as it should be.
    fn comes_to(&mut self, method: &str, params: &Value, is_right: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        for _ in 0..BLOCKS_MAX {
            let answer = self.host.call(self.node.url(), method, params).unwrap();
            match answer {
                Ok(answer) if is_right(&answer) => return answer,
                answer => last = Some(answer),
            }
            self.node.wait_for("height decided").unwrap();
        }
        panic!("{method} still says {last:?}")
    }

    fn submit(&self, data: &[u8]) -> Value {
        self.ok("storage_submit", &json!([BASE64_STANDARD.encode(data)]))
    }

    fn retrieve(&self, file: &Value) -> Vec<u8> {
        BASE64_STANDARD.decode(self.ok("storage_retrieve", &json!([file]))["data"].as_str().unwrap()).unwrap()
    }
}

/// Waits until the ledger, as `seen_by` has it, says that provider `number` is reached in such a way.
fn is_recorded(number: u32, seen_by: &mut Placed<'_>, way: impl Fn(&str) -> bool) -> Vec<String> {
    let account = dev_keys::provider_account(number).unwrap().account().to_string();
    let addresses = |provider: &Value| -> Vec<String> {
        provider["addresses"].as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    let recorded =
        seen_by.comes_to("provider_get", &json!([account]), |provider| addresses(provider).iter().any(|one| way(one)));
    addresses(&recorded)
}

#[test]
fn a_provider_that_cannot_be_dialled_takes_and_gives_pieces_through_a_relay() {
    let parts = [Part::Both(0), Part::Both(1), Part::Both(2), Part::Validator(3), Part::Provider(3), Part::Full];
    let Some(land) = Land::new(&parts, 2) else { return };
    let (hidden, reader) = (&land.outer[0], &land.outer[1]);
    // The last in the middle is the relay, and whom the others know.
    let relay = land.start(3, &land.middle, &[&OPEN[..], &["--relay-server"]].concat());
    let (_, through) = relay.storage(MIDDLE[0]);
    let mut middle: Vec<_> = (0..3)
        .map(|index| land.spawn(index, &land.middle, &[&OPEN[..], &["--bootnodes", &through]].concat()))
        .collect();
    // It takes for granted no address that nobody has confirmed.
    let ways = ["--bootnodes", &through, "--relays", &through];
    let mut hidden = land.spawn(4, hidden, &[&OPEN[..], &ways].concat());
    let mut reader = land.spawn(5, reader, &[&OPEN[..], &["--bootnodes", &through]].concat());
    for placed in middle.iter_mut().chain([&mut hidden, &mut reader]) {
        placed.node.is_ready().unwrap();
    }
    for placed in &mut middle {
        placed.node.has_said("the ledger has this provider and its addresses").unwrap();
    }
    let recorded = is_recorded(3, &mut reader, |address| address.contains("/p2p-circuit"));
    assert!(recorded.iter().any(|address| address.starts_with(&format!("{through}/p2p-circuit"))), "{recorded:?}");
    // It listens for everybody, but they have no way to it: the middle does not forward.
    let direct = SocketAddr::from((OUTER[0], hidden.storage(OUTER[0]).0));
    assert!(land.middle.reaches(direct).unwrap(), "{direct} listens");
    assert!(!reader.host.reaches(direct).unwrap(), "{direct} is reached from another host");

    // Every file has a piece with each of the four providers; two make it whole.
    let data = bytes(11, 300_000);
    let receipt = reader.submit(&data);
    let located = reader.ok("storage_locate", &json!([receipt["fileId"]]));
    let pieces = located["segments"][0]["pieces"].as_array().unwrap();
    assert!(pieces.iter().any(|piece| piece["peerId"] == json!(hidden.peer_id())), "{located}");
    // The one that is left has but half of what it takes.
    let before = hidden.metric(GIVEN);
    for gone in middle.drain(1..) {
        gone.node.kill().unwrap();
    }
    assert!(reader.retrieve(&receipt["fileId"]) == data);
    assert!(hidden.metric(GIVEN) > before, "what it gave: {} bytes, and {before} before", hidden.metric(GIVEN));
}

/// The router's address on the internet, and that of a host there.
const OUTSIDE: [Ipv4Addr; 2] = [Ipv4Addr::new(11, 77, 0, 1), Ipv4Addr::new(11, 77, 0, 2)];

#[test]
fn a_provider_behind_a_router_has_a_port_mapped_by_upnp_and_gives_pieces_through_it() {
    let parts = [Part::Both(0), Part::Both(1), Part::Both(2), Part::Validator(3), Part::Provider(3), Part::Full];
    let Some(land) = Land::new(&parts, 2) else { return };
    let (home, abroad) = (&land.outer[0], &land.outer[1]);
    land.middle.join(OUTSIDE[0], abroad, OUTSIDE[1]).unwrap();
    let router = Router::start(&land.middle, MIDDLE[0], OUTSIDE[0]);
    let known = land.start(3, &land.middle, &OPEN);
    let (_, address) = known.storage(MIDDLE[0]);
    let args = [&OPEN[..], &["--bootnodes", &address]].concat();
    let mut middle: Vec<_> = (0..3).map(|index| land.spawn(index, &land.middle, &args)).collect();
    let mut hidden = land.spawn(4, home, &[&args[..], &["--upnp"]].concat());
    let mut reader = land.spawn(5, abroad, &args);
    for placed in middle.iter_mut().chain([&mut hidden, &mut reader]) {
        placed.node.is_ready().unwrap();
    }
    for placed in &mut middle {
        placed.node.has_said("the ledger has this provider and its addresses").unwrap();
    }
    let (port, _) = hidden.storage(OUTER[0]);
    let mapped = format!("/ip4/{}/tcp/{port}", OUTSIDE[0]);
    is_recorded(3, &mut reader, |recorded| recorded.starts_with(&mapped));
    let said = hidden.node.has_said("the router maps a port").unwrap();
    assert!(said.contains(&mapped), "{said}");
    let direct = SocketAddr::from((OUTER[0], port));
    assert!(!reader.host.reaches(direct).unwrap(), "{direct} is reached from another host");

    let data = bytes(13, 300_000);
    let receipt = reader.submit(&data);
    let before = hidden.metric(GIVEN);
    for gone in middle.drain(1..) {
        gone.node.kill().unwrap();
    }
    assert!(reader.retrieve(&receipt["fileId"]) == data);
    assert!(hidden.metric(GIVEN) > before, "what it gave: {} bytes, and {before} before", hidden.metric(GIVEN));
    assert!(router.carried() > 0, "nobody came through the router");
}

/// Bytes of pieces that a provider gave to others.
const GIVEN: &str = "piecewise_dsn_served_bytes_total{source=\"committed\"}";

/// Where, in the middle, processes of a host are connected to by TCP, and whatever UDP sockets they have.
fn connected_to(host: &Namespace, pid: u32) -> (BTreeSet<u16>, String) {
    let mine = |line: &&str| line.contains(&format!("pid={pid},"));
    let tcp = host.sockets(&["-Htnp", "state", "established"]).unwrap();
    let far = tcp.lines().filter(mine).map(|line| line.split_whitespace().nth(3).unwrap());
    let ports = far.filter(|far| !far.starts_with("127.")).map(|far| far.rsplit_once(':').unwrap().1.parse().unwrap());
    let udp = host.sockets(&["-Huanp"]).unwrap();
    (ports.collect(), udp.lines().filter(mine).collect())
}

#[test]
fn who_reads_through_relays_only_is_not_seen_by_holders() {
    let four = (0..4).map(Part::Both);
    let Some(land) = Land::new(&four.chain([Part::Full, Part::Full]).collect::<Vec<_>>(), 1) else { return };
    let relay = land.start(4, &land.middle, &[&OPEN[..], &["--relay-server"]].concat());
    let (relay_port, through) = relay.storage(MIDDLE[0]);
    let ways = ["--bootnodes", &through, "--relays", &through];
    let mut holders: Vec<_> =
        (0..4).map(|index| land.spawn(index, &land.middle, &[&OPEN[..], &ways].concat())).collect();
    let mut holder_ports = BTreeSet::new();
    for holder in &mut holders {
        holder.node.is_ready().unwrap();
        holder_ports.insert(holder.storage(MIDDLE[0]).0);
    }
    for number in 0..4 {
        is_recorded(number, &mut holders[0], |address| address.contains("/p2p-circuit"));
    }
    let data = bytes(12, 300_000);
    let receipt = holders[0].submit(&data);
    let consensus: BTreeSet<u16> = consensus_ports(&land, 5);

    let mut names = BTreeSet::new();
    for _ in 0..2 {
        let mut reader = land.start(5, &land.outer[0], &["--relay-only", "--relays", &through]);
        let height = &receipt["height"];
        reader.comes_to("chain_getHeader", &json!([]), |header| header["height"].as_u64() >= height.as_u64());
        // After a restart it has the block, and hears only then how far the others are.
        reader.comes_to("system_health", &json!([]), |health| health["isSyncing"] == json!(false));
        // It could go there.
        for port in &holder_ports {
            assert!(reader.host.reaches(SocketAddr::from((MIDDLE[0], *port))).unwrap());
        }
        assert!(reader.retrieve(&receipt["fileId"]) == data);
        let (ports, udp) = connected_to(reader.host, reader.node.pid());
        assert!(ports.contains(&relay_port), "{ports:?}");
        let allowed: BTreeSet<u16> = consensus.iter().copied().chain([relay_port]).collect();
        assert!(ports.is_subset(&allowed), "{ports:?} beside {allowed:?}; holders are at {holder_ports:?}");
        assert!(udp.is_empty(), "{udp}");
        assert!(names.insert(reader.peer_id()), "the same peer again: {names:?}");
        assert!(reader.node.terminate().unwrap().success());
    }
}

/// Ports of the consensus peers that this node is told of.
fn consensus_ports(land: &Land, index: usize) -> BTreeSet<u16> {
    let others = land.cluster.members().iter().take(index).filter_map(e2e::cluster::Member::consensus_address);
    others.map(|address| address.split('/').nth(4).unwrap().parse().unwrap()).collect()
}

#[test]
fn two_nodes_on_one_link_find_each_other_by_mdns_alone() {
    let Some(land) = Land::new(&[Part::Full, Part::Full], 1) else { return };
    let args = [&OPEN[..], &["--mdns", "--no-kademlia"]].concat();
    let mut nodes = [land.spawn(0, &land.middle, &args), land.spawn(1, &land.outer[0], &args)];
    for placed in &mut nodes {
        placed.node.is_ready().unwrap();
    }
    let ids = nodes.each_ref().map(Placed::peer_id);
    let mut found = 0;
    for (placed, other) in nodes.iter_mut().zip(ids.iter().rev()) {
        let met = placed.node.has_said(&format!("met a peer peer={other}")).unwrap();
        assert!(["mdns", "inbound"].contains(&met.rsplit_once("by=").unwrap().1), "{met}");
        let peers = placed.ok("system_peers", &json!([]));
        assert!(peers.as_array().unwrap().iter().any(|peer| peer["peerId"] == json!(other)), "{peers}");
        found += placed.metric("piecewise_dsn_found_peers_total{by=\"mdns\"}");
    }
    assert!(found > 0, "neither heard of the other by mDNS");
}
