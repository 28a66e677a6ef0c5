//! How many `storage_locate` a node answers, beside a method that does nothing, in the same run.

use std::time::Instant;

use anyhow::ensure;
use e2e::{Network, Node, bytes};
use futures::future::try_join_all;
use serde_json::{Value, json};

const FILES: u64 = 64;
const CLIENTS: usize = 16;
const CALLS: usize = 500;
const ROUNDS: usize = 5;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let network = Network::dev()?;
        let node = network.start()?;
        let mut files = Vec::new();
        for seed in 0..FILES {
            let put = node.http(reqwest::Method::PUT, "/v1/files").body(bytes(seed, 10_000)).send().await?;
            files.push(put.error_for_status()?.json::<Value>().await?["fileId"].take());
        }
        let (mut locate, mut empty) = (Vec::new(), Vec::new());
        // In turns, so that whatever else the machine does falls on both alike; the first round only warms up.
        for _ in 0..=ROUNDS {
            empty.push(calls_per_second(&node, "system_name", |_| json!([])).await?);
            locate.push(calls_per_second(&node, "storage_locate", |call| json!([files[call % files.len()]])).await?);
        }
        let (locate, empty) = (median(&mut locate[1..]), median(&mut empty[1..]));
        println!("{CLIENTS} clients, calls a second, the median of {ROUNDS} rounds of {}", CLIENTS * CALLS);
        println!("{:<20}{empty:>8.0}", "system_name");
        println!("{:<20}{locate:>8.0}   {:.2}", "storage_locate", locate / empty);
        Ok(())
    })
}

/// The client shares the processors with the node, so it does as little as it can: it looks at the answer's first bytes.
async fn calls_per_second(node: &Node, method: &str, params: impl Fn(usize) -> Value) -> anyhow::Result<f64> {
    let started = Instant::now();
    let params = &params;
    try_join_all((0..CLIENTS).map(|client| async move {
        for call in 0..CALLS {
            let params = params(client * CALLS + call);
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
            let post = node.http(reqwest::Method::POST, "/").header("content-type", "application/json").body(body);
            let answer = post.send().await?.error_for_status()?.bytes().await?;
            ensure!(!answer.windows(8).take(64).any(|word| word == b"\"error\":"), "{method}: {answer:?}");
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok((CLIENTS * CALLS) as f64 / started.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
