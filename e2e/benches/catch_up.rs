//! How fast a fresh node follows a chain from its genesis: blocks with nothing in them, and blocks full of transfers beside
//! the signatures alone that are in them.

#[allow(dead_code, reason = "other benches use the rest")]
mod common;

use std::time::Instant;

use anyhow::{Context, ensure};
use common::{MIB, height, reach, stop};
use e2e::Node;
use e2e::cluster::{Cluster, Part};
use parity_scale_codec::Encode;
use rand_core::OsRng;
use runtime::crypto::{AccountId, KeyPair, Purpose, SignedMessage, verify_batch};
use runtime::types::{AccountsCall, BlockHash, Call, SignedTransaction, Transaction, TransferCall};
use serde_json::{Value, json};

const VALIDATORS: usize = 4;
/// Blocks with nothing in them that a fresh node catches up.
const EMPTY_BLOCKS: u64 = 3_000;
const FULL_BLOCKS: u64 = 25;
const FULL_BLOCK_BYTES: u32 = 512 * 1024;
/// Time for the pool to get what fills a block.
const FULL_BLOCK_MS: u32 = 4_000;
/// Accounts that send at the same time.
const SENDERS: usize = 16;
/// Signatures that are checked at once beside it.
const BATCH: usize = 3_000;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        empty_blocks().await?;
        full_blocks().await
    })
}

fn network(parts: &[Part], edit: impl FnOnce(&mut Value)) -> anyhow::Result<Cluster> {
    Cluster::like_local(parts, |spec| edit(&mut spec["genesis"]))
}

/// What a fresh node needs to follow those nodes: from which height to which, and the seconds.
async fn follow(cluster: &mut Cluster, target: u64) -> anyhow::Result<(Node, u64, f64)> {
    let fresh = cluster.join(Part::Full)?;
    let fresh = cluster.start(fresh)?;
    let begun = Instant::now();
    let from = height(&fresh).await?;
    reach(&fresh, target).await?;
    Ok((fresh, from, begun.elapsed().as_secs_f64()))
}

async fn empty_blocks() -> anyhow::Result<()> {
    let validators: Vec<Part> = (0..VALIDATORS).map(Part::Validator).collect();
    let mut cluster = network(&validators, |genesis| {
        let time = &mut genesis["parameters"]["time"];
        (time["targetMs"], time["idleMs"]) = (json!(0), json!(1));
    })?;
    let nodes = cluster.start_all()?;
    let started = Instant::now();
    reach(&nodes[0], EMPTY_BLOCKS).await?;
    println!("{:<44}{:>8.0} blocks/s", "made, empty, 1 ms idle", EMPTY_BLOCKS as f64 / started.elapsed().as_secs_f64());
    stop(nodes)?;

    // With fewer than two thirds nothing is added, so that all the processors are the fresh node's and its servers'.
    let (one, other) = (cluster.start(0)?, cluster.start(1)?);
    let target = height(&one).await?.min(height(&other).await?);
    let (fresh, from, seconds) = follow(&mut cluster, target).await?;
    let blocks = target - from;
    println!("{:<44}{:>8.0} blocks/s, {blocks} of them", "caught up, empty", blocks as f64 / seconds);
    ensure!(target >= EMPTY_BLOCKS, "the chain was shorter than it should be: {target}");
    stop(vec![one, other, fresh])
}

/// One validator makes the blocks: four on two processors would need minutes, and a block's votes are few beside its
/// transactions.
async fn full_blocks() -> anyhow::Result<()> {
    let senders = (0..SENDERS).map(|number| Ok(KeyPair::from_secret_text(&format!("//Sender//{number}"))?));
    let senders = senders.collect::<anyhow::Result<Vec<_>>>()?;
    let mut cluster = network(&[Part::Validator(0)], |genesis| {
        genesis["validators"].as_array_mut().expect("the preset's validators").truncate(1);
        let accounts = genesis["accounts"].as_array_mut().expect("the preset's accounts");
        let rich = |pair: &KeyPair| json!({ "account": pair.account().to_string(), "balance": "1000000000000000000" });
        accounts.extend(senders.iter().map(rich));
        let parameters = &mut genesis["parameters"];
        parameters["time"]["targetMs"] = json!(FULL_BLOCK_MS);
        parameters["limits"]["blockBytes"] = json!(FULL_BLOCK_BYTES);
        parameters["limits"]["transactionBytes"] = json!(FULL_BLOCK_BYTES / 4);
    })?;
    let validator = cluster.start(0)?;
    let genesis: BlockHash = serde_json::from_value(validator.ok("chain_getBlockHash", json!([0])).await?)?;
    let first = height(&validator).await?;
    let target = first + FULL_BLOCKS;
    let to = |sender: usize| senders[(sender + 1) % SENDERS].account();
    let sending =
        senders.iter().enumerate().map(|(number, sender)| send_until(&validator, sender, to(number), &genesis, target));
    futures::future::try_join_all(sending).await?;
    let target = height(&validator).await?;

    let (fresh, from, seconds) = follow(&mut cluster, target).await?;
    let (blocks, mut transfers) = (target - from, 0);
    for at in from + 1..=target {
        let block = validator.ok("chain_getBlock", json!([at])).await?;
        transfers += block["transactions"].as_array().context("a block has transactions")?.len();
    }
    let bytes = transfer(&senders[0], senders[1].account(), 0, &genesis).encoded_size() * transfers;
    let (mib, a_second) = (bytes as f64 / MIB, transfers as f64 / seconds);
    println!(
        "{:<44}{:>8.1} blocks/s, {blocks} of {:.0} KiB",
        "caught up, full",
        blocks as f64 / seconds,
        mib * 1024.0 / blocks as f64
    );
    let limit = signatures_a_second(&senders[0], senders[1].account(), &genesis)?;
    println!("{:<44}{a_second:>8.0} a second, {mib:.0} MiB of them", "transfers in those");
    println!("{:<44}{limit:>8.0} a second, ratio {:.2}", "signatures alone, in batches, one core", a_second / limit);
    stop(vec![validator, fresh])
}

fn transfer(sender: &KeyPair, to: AccountId, nonce: u64, genesis: &BlockHash) -> SignedTransaction {
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to, amount: 1 }));
    let (version, signer) = (Transaction::VERSION, sender.account());
    let transaction = Transaction::Signed { version, signer, nonce, tip: 0, expires_at_ms: 0, call };
    transaction.sign(genesis, sender, OsRng)
}

/// Sends transfers as fast as the node takes them.
async fn send_until(
    node: &Node,
    sender: &KeyPair,
    to: AccountId,
    genesis: &BlockHash,
    target: u64,
) -> anyhow::Result<()> {
    let mut nonce = 0;
    while height(node).await? < target {
        let SignedTransaction { transaction, signature } = transfer(sender, to, nonce, genesis);
        let params = json!([format!("0x{}", hex::encode(transaction.encode())), format!("0x{signature}")]);
        match node.call("author_submitTransaction", params).await? {
            Ok(_) => nonce += 1,
            // As many wait as may.
            Err(error) if error["code"] == 1007 => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(error) => anyhow::bail!("{error}"),
        }
    }
    Ok(())
}

fn signatures_a_second(sender: &KeyPair, to: AccountId, genesis: &BlockHash) -> anyhow::Result<f64> {
    let batch = (0..BATCH as u64).map(|nonce| {
        let SignedTransaction { transaction, signature } = transfer(sender, to, nonce, genesis);
        let message = transaction.payload(genesis);
        SignedMessage { key: sender.public_key(), purpose: Purpose::Account, message, signature }
    });
    let batch: Vec<_> = batch.collect();
    let started = Instant::now();
    verify_batch(&batch)?;
    Ok(BATCH as f64 / started.elapsed().as_secs_f64())
}
