//! A network of four validators and eight providers on this machine: how long a submit takes, how fast a file goes in and
//! comes back beside the same on the dev chain, and what an idle node needs.

#[allow(dead_code, reason = "other benches use the rest")]
mod common;

use std::fs::read_to_string;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{MIB, get, height, mib, put, reach, row, stop, write_file};
use e2e::cluster::{Cluster, Part};
use e2e::{Network, Node, bytes};
use serde_json::json;

const VALIDATORS: usize = 4;
const PROVIDERS: u32 = 8;
const SUBMITS: u64 = 60;
const SUBMIT_BYTES: usize = 1_000;
const FILE_BYTES: u64 = 256 << 20;
/// An idle network is watched for so long.
const WATCHED: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        let hash = write_file(&file, FILE_BYTES)?;
        let dev = {
            let network = Network::dev()?;
            let node = network.start()?;
            let rates = put_and_get(&node, &node, &file, hash).await?;
            node.terminate()?;
            rates
        };
        println!("{:<44}{:>8}{:>8}{:>8}", "milliseconds", "p50", "p99", "max");
        with_network(1_000, 5_000, async |nodes| submits("submit to final, target 1 s", nodes).await).await?;
        with_network(0, 5_000, async |nodes| {
            idle(nodes).await?;
            submits("submit to final, no target", nodes).await?;
            let (taken, given) = put_and_get(&nodes[0], &nodes[1], &file, hash).await?;
            println!("{:<44}{:>8}{:>8}", "MiB/s, 256 MiB", "put", "get");
            println!("{:<44}{:>8.0}{:>8.0}", "dev chain, 2 of 4", dev.0, dev.1);
            println!("{:<44}{taken:>8.0}{given:>8.0}", "network, 4 of 8");
            println!("{:<44}{:>8.2}{:>8.2}", "ratio", taken / dev.0, given / dev.1);
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn network(target_ms: u64, idle_ms: u64, parts: &[Part]) -> anyhow::Result<Cluster> {
    Cluster::like_local(parts, |spec| {
        let time = &mut spec["genesis"]["parameters"]["time"];
        (time["targetMs"], time["idleMs"]) = (json!(target_ms), json!(idle_ms));
    })
}

async fn with_network(
    target_ms: u64,
    idle_ms: u64,
    measure: impl AsyncFnOnce(&[Node]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let validators = (0..VALIDATORS).map(Part::Validator);
    let parts: Vec<Part> = validators.chain((0..PROVIDERS).map(Part::Provider)).collect();
    let cluster = network(target_ms, idle_ms, &parts)?;
    let mut nodes = cluster.start_all()?;
    for node in nodes.iter_mut().skip(VALIDATORS) {
        node.has_said("the ledger has this provider and its addresses")?;
    }
    measure(&nodes).await?;
    stop(nodes)
}

async fn submits(name: &str, nodes: &[Node]) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for round in 0..SUBMITS {
        let data = BASE64_STANDARD.encode(bytes(round, SUBMIT_BYTES));
        let node = &nodes[usize::try_from(round)? % VALIDATORS];
        let started = Instant::now();
        node.ok("storage_submit", json!([data])).await?;
        times.push(started.elapsed());
    }
    row(name, times);
    Ok(())
}

/// MiB/s of putting at one node, and of getting from the other.
async fn put_and_get(
    into: &Node,
    from: &Node,
    file: &std::path::Path,
    hash: blake3::Hash,
) -> anyhow::Result<(f64, f64)> {
    let started = Instant::now();
    let id = put(into, file, FILE_BYTES).await?;
    let taken = mib(FILE_BYTES) / started.elapsed().as_secs_f64();
    let head = height(into).await?;
    reach(from, head).await?;
    Ok((taken, get(from, &id, FILE_BYTES, hash).await?))
}

/// Memory and traffic of nodes to which nobody talks. All of a node's bytes go over loopback, once out and once in.
async fn idle(nodes: &[Node]) -> anyhow::Result<()> {
    let before = loopback_bytes()?;
    tokio::time::sleep(WATCHED).await;
    let sent = (loopback_bytes()? - before) as f64 / WATCHED.as_secs_f64() / nodes.len() as f64;
    let memory = nodes.iter().map(resident_bytes).collect::<Result<Vec<_>, _>>()?;
    let (least, most) = (memory.iter().min().context("nodes")?, memory.iter().max().context("nodes")?);
    println!("{:<44}{:>8.0} to {:.0} MiB", "resident, idle", *least as f64 / MIB, *most as f64 / MIB);
    println!("{:<44}{sent:>8.0} bytes/s sent by each", "traffic, idle");
    Ok(())
}

fn resident_bytes(node: &Node) -> anyhow::Result<u64> {
    let status = read_to_string(format!("/proc/{}/status", node.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in the status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

fn loopback_bytes() -> anyhow::Result<u64> {
    let devices = read_to_string("/proc/net/dev")?;
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).context("no loopback device")?;
    Ok(line.split_whitespace().next().context("a counter of bytes")?.parse()?)
}
