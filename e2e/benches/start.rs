//! How long a node takes to start with many files, beside one that has none, in the same run; and what it costs to put
//! them.
//!
//! `PIECEWISE_BENCH_FILES` says how many, 100,000 if not set.

use std::time::{Duration, Instant};

use e2e::{Network, bytes};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

const DEFAULT_FILES: u64 = 100_000;
const CLIENTS: usize = 64;
const FILE_BYTES: usize = 100;
const ROUNDS: usize = 3;

fn main() -> anyhow::Result<()> {
    let files = std::env::var("PIECEWISE_BENCH_FILES").map_or(Ok(DEFAULT_FILES), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let network = Network::dev()?;
        let node = network.start()?;
        let started = Instant::now();
        let put = |seed| {
            let request = node.http(reqwest::Method::PUT, "/v1/files").body(bytes(seed, FILE_BYTES));
            async move { anyhow::Ok(request.send().await?.error_for_status()?.json::<Value>().await?) }
        };
        let last = stream::iter(0..files).map(put).buffer_unordered(CLIENTS);
        let last = last.try_fold(Value::Null, |_, receipt| async { Ok(receipt) }).await?;
        let putting = started.elapsed();
        node.kill()?;

        let full = best_start(&network).await?;
        let node = network.start()?;
        let path = format!("/v1/files/{}", last["fileId"].as_str().unwrap_or_default());
        node.http(reqwest::Method::GET, &path).send().await?.error_for_status()?;
        let memory = node.peak_memory_bytes()? >> 20;
        let empty = best_start(&Network::dev()?).await?;
        println!("{files} files of {FILE_BYTES} bytes put by {CLIENTS} clients in {:.0} s", putting.as_secs_f64());
        println!("{:<32}{:>8.2} s", "start with no file", empty.as_secs_f64());
        println!("{:<32}{:>8.2} s, {memory} MiB resident at most", "start after SIGKILL with them", full.as_secs_f64());
        Ok(())
    })
}

/// Until it answers, each time after a SIGKILL; the first start makes what is not there.
async fn best_start(network: &Network) -> anyhow::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..=ROUNDS {
        let started = Instant::now();
        let node = network.start()?;
        node.ok("system_health", serde_json::json!([])).await?;
        best = best.min(started.elapsed());
        node.kill()?;
    }
    Ok(best)
}
