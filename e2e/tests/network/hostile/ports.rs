//! Whoever has no key and no protocol, and only connects.

use std::fs::{read_dir, read_link};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use e2e::bytes;
use e2e::cluster::Part;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{ATTACKED, Besieged, MIB};
use crate::world::{FOUR, World};

/// Where the attacker sits: what a port allows one address must not count against honest nodes.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Longer than the handshake's limit of either port, 2.5 s and 10 s, even on slow processors.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections of the flood.
const FLOOD: usize = 10_000;
/// How many of them are begun at once.
const BATCH: usize = 100;
/// Connections of honest peers and clients that may come and go meanwhile.
const HONEST: usize = 40;
/// Most connections that are being made that a storage port has, by docs/limits.md.
const STORAGE_PENDING: usize = 128;
/// Connections that besiege each storage port, more than it makes at once,
const STORAGE_BESIEGERS: u8 = 200;
/// and the addresses that they come from.
const STORAGE_HOSTS: u8 = 20;
/// Most connections of one address that a consensus port has, by docs/limits.md.
const CONSENSUS_PER_ADDRESS: usize = 100;

fn port_of(address: &str) -> u16 {
    address.split('/').nth(4).unwrap().parse().unwrap()
}

fn storage_port(world: &World, index: usize) -> u16 {
    port_of(&world.cluster.members()[index].storage_address().unwrap())
}

fn consensus_port(world: &World, index: usize) -> u16 {
    port_of(&world.cluster.members()[index].consensus_address().unwrap())
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    connect_from(ATTACKER, port).await
}

async fn connect_from(host: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((host, 0).into())?;
    socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
}

/// Says this and nothing more; how many bytes are said back until the other side closes.
async fn say(mut stream: TcpStream, opening: &[u8]) -> usize {
    // It may be closed before all is written.
    drop(stream.write_all(opening).await);
    let (mut said, mut buffer) = (0, [0; 1024]);
    // A reset is as good as an end.
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        said += read;
    }
    said
}

/// The beginning of a handshake as far as each of its steps, and what is none.
fn openings() -> Vec<Vec<u8>> {
    let (hello, noise) = (&b"\x13/multistream/1.0.0\n"[..], &b"\x07/noise\n"[..]);
    let key = [&[0, 32][..], bytes(1, 32).as_slice()].concat();
    let long = [&[0xff, 0xff][..], bytes(2, 0xffff).as_slice()].concat();
    vec![
        vec![],
        hello[..9].to_vec(),
        hello.to_vec(),
        [hello, noise].concat(),
        [hello, noise, &key].concat(),
        [hello, noise, &long].concat(),
        [hello, &b"\xff\xff\xff\xff\x7f"[..]].concat(),
        b"GET /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        bytes(3, 64 * 1024),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_handshakes_are_closed_at_both_ports_and_nobody_notices() {
    let mut besieged = Besieged::start().await;
    let ports = [storage_port(&besieged.world, ATTACKED), consensus_port(&besieged.world, ATTACKED)];
    let mut attackers = JoinSet::new();
    for opening in openings() {
        for port in ports {
            for _ in 0..10 {
                let (stream, opening) = (connect(port).await.unwrap(), opening.clone());
                attackers.spawn(async move { say(stream, &opening).await });
            }
        }
    }
    besieged.goes_on().await;
    while let Some(said) = timeout(PATIENCE, attackers.join_next()).await.expect("a connection is not closed") {
        assert!(said.unwrap() < 1024, "it says no more than its part of a handshake");
    }
    besieged.goes_on().await;
    besieged.cost_at_most(32 * MIB);
}

/// Sockets that a process has.
fn sockets(pid: u32) -> usize {
    let files = read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(Result::ok);
    files.filter(|file| read_link(file.path()).is_ok_and(|path| path.to_string_lossy().starts_with("socket:"))).count()
}

/// Lets this process, and the nodes it starts, have as many files open as it may; how many connections it can flood with.
fn may_open_many_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    // "unlimited" is no number.
    let mut limits = line.split_whitespace().skip(3).map(|word| word.parse().unwrap_or(usize::MAX));
    let (soft, hard) = (limits.next().unwrap(), limits.next().unwrap());
    let count = FLOOD.min(hard.saturating_sub(2_000));
    if soft < count + 2_000 {
        let own = ["--pid", &std::process::id().to_string(), &format!("--nofile={0}:{0}", count + 2_000)];
        assert!(std::process::Command::new("prlimit").args(own).status().unwrap().success());
    }
    if count < FLOOD {
        eprintln!("ONLY {count} CONNECTIONS INSTEAD OF {FLOOD}: {line}");
    }
    assert!(count >= 1_000, "that is no flood: {line}");
    count
}

/// Ten thousand connections that say nothing, all held until the node closes them; most sockets that the node had more
/// than before.
async fn flood(besieged: &mut Besieged, port: u16, count: usize) -> usize {
    let pid = besieged.world.node(ATTACKED).pid();
    let (before, mut most) = (sockets(pid), 0);
    let mut held = JoinSet::new();
    for _ in 0..count / BATCH {
        let begun = (0..BATCH).map(|_| connect(port));
        // Whom the node closes at once may not even notice that he was connected.
        for stream in futures::future::join_all(begun).await.into_iter().flatten() {
            held.spawn(async move { say(stream, &[]).await });
        }
        most = most.max(sockets(pid));
    }
    besieged.goes_on().await;
    while let Some(said) = timeout(PATIENCE, held.join_next()).await.expect("a connection is not closed") {
        assert_eq!(said.unwrap(), 0, "it is told something");
        if held.len().is_multiple_of(BATCH) {
            most = most.max(sockets(pid));
        }
    }
    println!("sockets: {before} before, at most {most}");
    most.saturating_sub(before)
}

/// A node that was never there before comes, and follows.
async fn a_new_node_joins(world: &mut World) {
    let full = world.join(Part::Full);
    let head = world.head(ATTACKED).await;
    world.reaches(full, head + 1).await;
    world.agree_at(&[ATTACKED, full], head).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_to_a_storage_port_are_so_many_and_honest_peers_are_served() {
    let count = may_open_many_files();
    let mut besieged = Besieged::start().await;
    let port = storage_port(&besieged.world, ATTACKED);
    let most = flood(&mut besieged, port, count).await;
    assert!(most <= STORAGE_PENDING + HONEST, "{most} sockets more than before");
    besieged.goes_on().await;
    besieged.cost_at_most(32 * MIB);
    a_new_node_joins(&mut besieged.world).await;
}

/// Is connected, and comes again whenever it is closed.
async fn lays_siege(sieges: &mut JoinSet<()>, host: Ipv4Addr, port: u16) {
    let mut next = connect_from(host, port).await;
    sieges.spawn(async move {
        loop {
            if let Ok(stream) = next {
                say(stream, &[]).await;
            }
            next = connect_from(host, port).await;
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_gets_a_file_while_many_addresses_besiege_every_storage_port() {
    let mut besieged = Besieged::start().await;
    let mut sieges = JoinSet::new();
    for index in 0..FOUR.len() {
        let port = storage_port(&besieged.world, index);
        for number in 0..STORAGE_BESIEGERS {
            let host = Ipv4Addr::new(127, 0, 5, 1 + number % STORAGE_HOSTS);
            lays_siege(&mut sieges, host, port).await;
        }
    }
    let full = besieged.world.join(Part::Full);
    let head = besieged.world.head(ATTACKED).await;
    besieged.world.reaches(full, head + 1).await;
    let (file, data) = besieged.file.clone();
    assert!(besieged.world.retrieve(full, &file).await == data, "the file from before the siege");
    besieged.goes_on().await;
    drop(sieges);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_to_a_consensus_port_are_a_hundred_and_others_still_come_in() {
    let count = may_open_many_files();
    let mut besieged = Besieged::start().await;
    let port = consensus_port(&besieged.world, ATTACKED);
    let most = flood(&mut besieged, port, count).await;
    // What is let in is passed on to the engine, from socket to socket.
    assert!(most <= 3 * CONSENSUS_PER_ADDRESS + HONEST, "{most} sockets more than before");
    besieged.goes_on().await;
    besieged.cost_at_most(32 * MIB);
    // Now all that one address may have at every validator, all the time.
    let mut sieges = JoinSet::new();
    for index in 0..FOUR.len() {
        for _ in 0..CONSENSUS_PER_ADDRESS {
            lays_siege(&mut sieges, ATTACKER, consensus_port(&besieged.world, index)).await;
        }
    }
    a_new_node_joins(&mut besieged.world).await;
    besieged.goes_on().await;
    drop(sieges);
}
