//! What benches of files have in common.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::Node;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

pub const CHUNK_BYTES: usize = 256 * 1024;
pub const MIB: f64 = 1_048_576.0;

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

pub fn rate(bytes: u64, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let started = Instant::now();
    work()?;
    Ok(mib(bytes) / started.elapsed().as_secs_f64())
}

/// Bytes that do not compress.
pub fn write_file(path: &Path, bytes: u64) -> anyhow::Result<blake3::Hash> {
    let mut file = File::create(path)?;
    let mut stream = blake3::Hasher::new().finalize_xof();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left.min(1 << 20))?;
        stream.fill(&mut buffer[..length]);
        hasher.update(&buffer[..length]);
        file.write_all(&buffer[..length])?;
        left -= length as u64;
    }
    // Else the disk would still be busy with it while others are measured.
    file.sync_all()?;
    Ok(hasher.finalize())
}

pub async fn put(node: &Node, path: &Path, bytes: u64) -> anyhow::Result<String> {
    let file = tokio::fs::File::open(path).await?;
    let body = reqwest::Body::wrap_stream(ReaderStream::with_capacity(file, CHUNK_BYTES));
    let url = format!("{}/v1/files", node.url());
    let response = reqwest::Client::new().put(url).header("content-length", bytes).body(body).send().await?;
    let receipt: Value = response.error_for_status()?.json().await?;
    Ok(receipt["fileId"].as_str().context("the receipt names the file")?.to_owned())
}

/// MiB/s.
pub async fn get(node: &Node, file: &str, bytes: u64, hash: blake3::Hash) -> anyhow::Result<f64> {
    let started = Instant::now();
    let response = reqwest::Client::new().get(format!("{}/v1/files/{file}", node.url())).send().await?;
    let mut body = response.error_for_status()?.bytes_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = body.next().await {
        hasher.update(&chunk?);
    }
    let rate = mib(bytes) / started.elapsed().as_secs_f64();
    ensure!(hasher.finalize() == hash, "other bytes came back");
    Ok(rate)
}

/// Prints the median, the 99th percentile and the most, in milliseconds; returns the median.
pub fn row(name: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!("{name:<44}{:>8.2}{:>8.2}{:>8.2}", millis(at(50)), millis(at(99)), millis(at(100)));
    at(50)
}

/// Ends all of them; they end side by side.
pub fn stop(nodes: Vec<Node>) -> anyhow::Result<()> {
    nodes.iter().try_for_each(Node::ask_to_stop)?;
    nodes.into_iter().try_for_each(|node| node.terminate().map(drop))
}

pub async fn height(node: &Node) -> anyhow::Result<u64> {
    let header: Value = node.ok("chain_getHeader", json!([])).await?;
    header["height"].as_u64().context("a header has a height")
}

pub async fn reach(node: &Node, wanted: u64) -> anyhow::Result<()> {
    while height(node).await? < wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
