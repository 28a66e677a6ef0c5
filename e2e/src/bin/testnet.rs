//! A network of the preset `local` on this machine, in one command: four validators and eight providers, each a process.
//!
//! Prints one line of JSON for each node once all are ready, and stops them all on SIGINT or SIGTERM.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use e2e::Node;
use e2e::cluster::{Cluster, Part};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

const VALIDATORS: usize = 4;
const PROVIDERS: u32 = 8;
/// Until the network stands; shared processors can be very slow.
const READY_WITHIN: Duration = Duration::from_secs(300);
/// How often a node is asked again.
const PAUSE: Duration = Duration::from_millis(200);
/// A node that was asked to stop may take so long.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Runs four validators and eight providers on this machine, each a process, until it is interrupted.
#[derive(Parser)]
struct Args {
    /// Where the nodes keep everything; a temporary folder if not given.
    #[arg(long, value_name = "DIR")]
    base_path: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { base_path } = Args::parse();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let validators = (0..VALIDATORS).map(Part::Validator);
    let parts: Vec<Part> = validators.chain((0..PROVIDERS).map(Part::Provider)).collect();
    let cluster = Cluster::local(&parts, base_path.as_deref())?;
    // Dropping a node kills it, so that no way out of here leaves one behind.
    let mut nodes = (0..parts.len()).map(|index| cluster.spawn(index)).collect::<Result<Vec<_>, _>>()?;
    eprintln!("{} nodes are starting", nodes.len());
    tokio::select! {
        started = tokio::time::timeout(READY_WITHIN, stand(&cluster, &mut nodes)) => {
            started.with_context(|| format!("the network does not stand after {} s", READY_WITHIN.as_secs()))??;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopping");
    stop(nodes).await
}

/// Waits until blocks come, every provider is where the ledger says, and every node knows; then says who is where.
async fn stand(cluster: &Cluster, nodes: &mut [Node]) -> anyhow::Result<()> {
    for (node, member) in nodes.iter_mut().zip(cluster.members()) {
        while !tokio::task::block_in_place(|| node.is_ready_within(PAUSE)).context(member.name.clone())? {
            tokio::task::yield_now().await;
        }
    }
    for (node, member) in nodes.iter().zip(cluster.members()).filter(|(_, member)| member.part.provider().is_some()) {
        until(|| is_recorded(node)).await.context(member.name.clone())?;
    }
    let head = head(nodes.first().context("there are nodes")?).await?;
    for (index, (node, member)) in nodes.iter().zip(cluster.members()).enumerate() {
        until(|| has_reached(node, head)).await.context(member.name.clone())?;
        let line = json!({
            "name": member.name,
            "role": member.part.role(),
            "rpc": node.url(),
            "pid": node.pid(),
            "basePath": member.base,
        });
        let again = member.base.join("start.sh");
        std::fs::write(&again, script(&cluster.command(index))).with_context(|| again.display().to_string())?;
        println!("{line}");
    }
    Ok(())
}

/// Starts a node again after it was killed.
fn script(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''")));
    format!("#!/bin/sh\nexec {}\n", quoted.collect::<Vec<_>>().join(" "))
}

async fn until<F: Future<Output = anyhow::Result<bool>>>(holds: impl Fn() -> F) -> anyhow::Result<()> {
    while !holds().await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn head(node: &Node) -> anyhow::Result<u64> {
    node.ok("chain_getHeader", json!([])).await?["height"].as_u64().context("a header has a height")
}

async fn has_reached(node: &Node, height: u64) -> anyhow::Result<bool> {
    let is_syncing = node.ok("system_health", json!([])).await?["isSyncing"] != json!(false);
    Ok(!is_syncing && head(node).await? >= height)
}

/// Whether the ledger has this provider's peer at the addresses where it listens.
async fn is_recorded(node: &Node) -> anyhow::Result<bool> {
    let id = node.ok("system_localPeerId", json!([])).await?;
    let listens = node.ok("system_localListenAddresses", json!([])).await?;
    let listed = node.ok("provider_list", json!([])).await?;
    let mut recorded = listed["items"].as_array().into_iter().flatten();
    let own = recorded.find(|provider| provider["peerId"] == id);
    let suffix = format!("/p2p/{}", id.as_str().unwrap_or_default());
    let strip = |address: &Value| address.as_str().and_then(|text| text.strip_suffix(&suffix)).map(str::to_owned);
    let listens: Vec<String> = listens.as_array().into_iter().flatten().filter_map(strip).collect();
    Ok(own.is_some_and(|provider| provider["addresses"] == json!(listens)))
}

/// All at once, then each in its turn; what does not stop in time is killed.
async fn stop(nodes: Vec<Node>) -> anyhow::Result<()> {
    let end = Instant::now() + STOP_WITHIN;
    for node in &nodes {
        // One that somebody has killed is gone already.
        node.ask_to_stop().ok();
    }
    for mut node in nodes {
        while !node.has_ended()? && Instant::now() < end {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
