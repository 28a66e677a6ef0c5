//! How long from `storage_submit` to its answer, beside what the chain alone takes for a transfer and the disk for a
//! synced write, in the same run.

#[allow(dead_code, reason = "other benches use the rest")]
mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::row;
use e2e::{Network, Node, bytes};
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Purpose};
use serde_json::json;

const ROUNDS: u64 = 200;
const SUBMIT_BYTES: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let network = Network::dev()?;
        let node = network.start()?;
        let mut submits = Vec::new();
        let mut transfers = Vec::new();
        let mut syncs = Vec::new();
        // One of each in turn, so that whatever else the machine does falls on all alike.
        for round in 0..ROUNDS {
            submits.push(submit(&node, round).await?);
            transfers.push(transfer(&node).await?);
            syncs.push(synced_write(network.base())?);
        }
        println!("{ROUNDS} rounds, submit of {SUBMIT_BYTES} bytes, milliseconds");
        println!("{:<44}{:>8}{:>8}{:>8}", "", "p50", "p99", "max");
        let submit = row("storage_submit to final", submits);
        let transfer = row("transfer to final", transfers);
        row("synced write of 4 KiB", syncs);
        println!("transfer / submit, p50: {:.2}", transfer.as_secs_f64() / submit.as_secs_f64());
        Ok(())
    })
}

async fn submit(node: &Node, seed: u64) -> anyhow::Result<Duration> {
    let data = BASE64_STANDARD.encode(bytes(seed, SUBMIT_BYTES));
    let started = Instant::now();
    node.ok("storage_submit", json!([data])).await?;
    Ok(started.elapsed())
}

async fn transfer(node: &Node) -> anyhow::Result<Duration> {
    let bob = KeyPair::from_secret_text("//Bob")?;
    let to = KeyPair::from_secret_text("//Charlie")?.account().to_string();
    let call = json!({ "module": "accounts", "name": "transfer", "args": { "to": to, "amount": "1000000" } });
    let prepare = json!([{ "from": bob.account().to_string(), "call": call }]);
    let prepared = node.ok("author_prepare", prepare).await?;
    let payload = prepared["payload"].as_str().and_then(|text| text.strip_prefix("0x")).context("a payload")?;
    let signature = bob.sign(Purpose::Account, &hex::decode(payload)?, OsRng);
    let params = json!([prepared["transaction"], format!("0x{signature}")]);
    let started = Instant::now();
    let submitted = node.ok("author_submitTransaction", params).await?;
    loop {
        let status = node.ok("chain_getTransaction", json!([submitted["txHash"]])).await?;
        if status["status"] == "final" {
            return Ok(started.elapsed());
        }
    }
}

fn synced_write(folder: &std::path::Path) -> anyhow::Result<Duration> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("synced"))?;
    let started = Instant::now();
    file.write_all(&[7; 4096])?;
    file.sync_data()?;
    Ok(started.elapsed())
}
