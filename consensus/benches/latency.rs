//! How long from work to its decided block, for one validator and for four over loopback, beside what the disk alone takes
//! for a synced write, in the same run.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that cannot go on should say where")]

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use consensus::start;

use network::Network;
use support::{TestChain, config, soon};

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/network.rs"]
mod network;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/support.rs"]
mod support;

/// Nothing is decided because of idleness.
const NEVER: Duration = Duration::from_secs(3600);
const HEIGHTS_ALONE: u64 = 200;
const HEIGHTS_OF_FOUR: u64 = 40;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{:<36}{:>8}{:>8}{:>8}", "milliseconds", "p50", "p90", "max");
        let folder = tempfile::tempdir().unwrap();
        row("synced write of 4 KiB", (0..HEIGHTS_ALONE).map(|_| synced_write(folder.path())).collect());
        row("work -> decided, alone", alone(folder.path()).await);
        row("work -> decided on all of four", of_four().await);
    });
}

async fn alone(folder: &Path) -> Vec<Duration> {
    let chain = TestChain::new(1, 0);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder, NEVER))).await.unwrap();
    chain.reaches(1).await;
    let mut took = Vec::new();
    for height in 2..2 + HEIGHTS_ALONE {
        let begun = Instant::now();
        chain.submit(1);
        chain.reaches(height).await;
        took.push(begun.elapsed());
    }
    soon(engine.stop()).await;
    took
}

async fn of_four() -> Vec<Duration> {
    let mut network = Network::new(NEVER);
    for index in 0..network.chains.len() {
        network.start(index).await;
    }
    for chain in &network.chains {
        chain.reaches(1).await;
    }
    let mut took = Vec::new();
    for height in 2..2 + HEIGHTS_OF_FOUR {
        let begun = Instant::now();
        for chain in &network.chains {
            chain.submit(1);
        }
        for chain in &network.chains {
            chain.reaches(height).await;
        }
        took.push(begun.elapsed());
    }
    network.stop().await;
    took
}

fn synced_write(folder: &Path) -> Duration {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("synced")).unwrap();
    let begun = Instant::now();
    file.write_all(&[7; 4096]).unwrap();
    file.sync_data().unwrap();
    begun.elapsed()
}

fn row(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    println!("{name:<36}{:>8.2}{:>8.2}{:>8.2}", at(50), at(90), at(100));
}
