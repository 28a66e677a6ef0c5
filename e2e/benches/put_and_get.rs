//! How fast a large file goes into the dev chain and comes back, beside what the disk and a socket take for the same
//! bytes, in the same run; and how much memory the node needed.
//!
//! `PIECEWISE_BENCH_BYTES` makes the file smaller or larger; with 10737418240 it is the 10 GiB of the memory figure. It
//! lies on the disk five times then: once as itself, once in the spool, twice as pieces, once as the limit's copy.
//!
//! Measured twice: as the dev chain is, whose peers meet in memory, and with all of them on sockets, as on machines of
//! their own.

#[allow(dead_code, reason = "other benches use the rest")]
mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use common::{CHUNK_BYTES, MIB, get, mib, put, rate, write_file};
use e2e::Network;

const DEFAULT_BYTES: u64 = 1 << 30;
/// Bytes on disk for a byte of a file: 2 of 4.
const EXPANSION: f64 = 2.0;

fn main() -> anyhow::Result<()> {
    let bytes = std::env::var("PIECEWISE_BENCH_BYTES").map_or(Ok(DEFAULT_BYTES), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        run(bytes, "peers meet in memory", &[]).await?;
        run(bytes, "peers use sockets", &["--dsn-sockets-only"]).await
    })
}

async fn run(bytes: u64, way: &str, flags: &[&str]) -> anyhow::Result<()> {
    let network = Network::dev()?;
    let path = network.base().join("file");
    let hash = write_file(&path, bytes)?;

    let disk = rate(bytes, || synced_copy(&path, &network.base().join("copy")))?;
    std::fs::remove_file(network.base().join("copy"))?;
    let node = network.start_with(flags)?;
    let started = Instant::now();
    let file = put(&node, &path, bytes).await?;
    let taken = mib(bytes) / started.elapsed().as_secs_f64();
    let put_memory = node.peak_memory_bytes()?;

    let socket = rate(bytes, || through_a_socket(&path, hash))?;
    let whole = get(&node, &file, bytes, hash).await?;
    let get_memory = node.peak_memory_bytes()?;
    node.terminate()?;

    for folder in &network.provider_folders()?[..2] {
        std::fs::remove_dir_all(folder)?;
    }
    let node = network.start_with(flags)?;
    let degraded = get(&node, &file, bytes, hash).await?;
    node.terminate()?;

    println!("{} MiB, MiB/s, {way}", bytes >> 20);
    println!("{:<44}{disk:>8.0}", "synced sequential write");
    println!("{:<44}{taken:>8.0}   {:.2} of the disk's / {EXPANSION}", "put", taken * EXPANSION / disk);
    println!("{:<44}{socket:>8.0}", "cat through a socket and BLAKE3");
    println!("{:<44}{whole:>8.0}   {:.2} of the socket's", "get", whole / socket);
    println!("{:<44}{degraded:>8.0}   {:.2}", "get with two of four providers gone", degraded / socket);
    println!("{:<44}{:>8.0} MiB", "most memory while putting", put_memory as f64 / MIB);
    println!("{:<44}{:>8.0} MiB", "most memory, then getting", get_memory as f64 / MIB);
    Ok(())
}

fn synced_copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    copy(&mut from, |chunk| Ok(to.write_all(chunk)?))?;
    Ok(to.sync_all()?)
}

fn through_a_socket(path: &Path, hash: blake3::Hash) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut file = File::open(path)?;
    let sender = std::thread::spawn(move || -> anyhow::Result<()> {
        let mut socket = listener.accept()?.0;
        copy(&mut file, |chunk| Ok(socket.write_all(chunk)?))
    });
    let mut hasher = blake3::Hasher::new();
    copy(&mut TcpStream::connect(address)?, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    sender.join().ok().context("the sender panicked")??;
    ensure!(hasher.finalize() == hash, "other bytes came through the socket");
    Ok(())
}

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => to(&buffer[..length])?,
        }
    }
}
