//! Every peer of a node listens on TCP and QUIC, on IPv4 and, where the host has it, on IPv6.

use std::net::{Ipv6Addr, UdpSocket};

use e2e::{Network, Node, bytes};
use serde_json::{Value, json};

use crate::{retrieve, submit};

/// What each address of a peer looks like, its port and peer id left out.
fn shapes() -> Vec<&'static str> {
    let mut shapes = vec!["/ip4/127.0.0.1/tcp/", "/ip4/127.0.0.1/udp//quic-v1"];
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        shapes.extend(["/ip6/::1/tcp/", "/ip6/::1/udp//quic-v1"]);
    }
    shapes
}

/// An address without its port and its peer id, and the port.
fn shape(address: &str) -> (String, u16) {
    let parts: Vec<&str> = address.split("/p2p/").next().unwrap().split('/').collect();
    let at = parts.iter().position(|part| matches!(*part, "tcp" | "udp")).unwrap() + 1;
    let port = parts[at].parse().unwrap();
    let shape = [&parts[..at], &[""], &parts[at + 1..]].concat().join("/");
    (shape, port)
}

/// They have all shapes in order, and one port.
fn check(addresses: &[String]) {
    let (found, ports): (Vec<_>, Vec<_>) = addresses.iter().map(|address| shape(address)).unzip();
    assert_eq!(found, shapes(), "{addresses:?}");
    assert!(ports.iter().all(|port| *port == ports[0]), "{addresses:?}");
}

fn texts(addresses: &Value) -> Vec<String> {
    addresses.as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_owned()).collect()
}

async fn located(node: &Node, file: &Value) -> Vec<Value> {
    let located = node.ok("storage_locate", json!([file])).await.unwrap();
    located["segments"][0]["pieces"].as_array().unwrap().clone()
}

#[tokio::test]
async fn start_lines_and_the_ledger_list_every_address_of_every_peer() {
    let network = Network::dev().unwrap();
    let node = network.start().unwrap();
    let lines = node.printed().iter().filter_map(|line| line.split("DSN listening on ").nth(1)).map(str::to_owned);
    let lines: Vec<String> = lines.collect();
    let per_peer = shapes().len();
    assert_eq!(lines.len(), 5 * per_peer, "four providers and the gateway's own: {lines:#?}");
    lines.chunks(per_peer).for_each(check);
    let own = texts(&node.ok("system_localListenAddresses", json!([])).await.unwrap());
    assert_eq!(own, lines[4 * per_peer..]);

    let data = bytes(1, 100_000);
    let file = submit(&node, &data).await["fileId"].clone();
    assert!(retrieve(&node, &file).await == data);
    let before = located(&node, &file).await;
    for piece in &before {
        let addresses = texts(&piece["addresses"]);
        check(&addresses);
        let id = piece["peerId"].as_str().unwrap();
        let printed = addresses.iter().all(|address| lines.contains(&format!("{address}/p2p/{id}")));
        assert!(printed, "{addresses:?} of {id} in {lines:#?}");
    }
    // The same ports again, so that nothing has to be recorded anew.
    node.terminate().unwrap();
    let node = network.start().unwrap();
    assert!(!node.printed().iter().any(|line| line.contains("new addresses are recorded")), "{:#?}", node.printed());
    assert_eq!(located(&node, &file).await, before);
    assert!(retrieve(&node, &file).await == data);
}
