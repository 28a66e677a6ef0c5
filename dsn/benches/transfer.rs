//! Bytes per second of put and get between two peers over loopback, and of whole segments.
//!
//! Prints what it measures: these are numbers of a machine, not claims to be checked.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

#[path = "../tests/it/support.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod support;

use dsn::{Segment, SegmentReader, SegmentUpload, upload_segment};
use futures::StreamExt as _;
use pieces::{ErasureCode, FileId, PieceHash};
use runtime::crypto::AccountId;
use runtime::terms::commitment_for;
use std::time::Instant;
use support::{MIB, MemorySegment, PLACEMENT_EPOCHS, Provider, bytes_of, client, intent, providers};

const CODE: ErasureCode = ErasureCode::new(2, 4, 64 * 1024);

fn rate(what: &str, bytes: usize, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    let mib = u32::try_from(bytes / MIB).unwrap();
    println!("{what:44} {:8.1} MiB/s  ({seconds:.3} s)", f64::from(mib) / seconds);
}

#[tokio::main]
async fn main() {
    one_piece().await;
    small_pieces().await;
    one_segment().await;
}

async fn one_piece() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let piece = bytes_of(1, 64 * MIB);
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
    for round in 0..3 {
        let started = Instant::now();
        provider.put(&client, round, &piece).await.unwrap();
        rate("put, one piece of 64 MiB", piece.len(), started);
    }
    for _ in 0..3 {
        let started = Instant::now();
        let mut slices = client.get(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
        while slices.next().await.unwrap().is_some() {}
        rate("get, one piece of 64 MiB", piece.len(), started);
    }
    let started = Instant::now();
    provider.put(&provider.peer, 9, &piece).await.unwrap();
    rate("put, one piece of 64 MiB, to itself", piece.len(), started);
}

async fn small_pieces() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let started = Instant::now();
    let puts = futures::stream::iter(0..200_u8).map(|index| {
        let (provider, client) = (&provider, &client);
        async move { provider.put(client, index, &bytes_of(index, 65_536)).await.unwrap() }
    });
    puts.buffer_unordered(16).for_each(|_| async {}).await;
    let seconds = started.elapsed().as_secs_f64();
    println!("{:44} {:8.1} pieces/s", "put, pieces of 64 KiB, 16 at a time", 200.0 / seconds);
    let hash = PieceHash::of(&bytes_of(0, 65_536));
    let started = Instant::now();
    for _ in 0..1000 {
        client.get_bytes(&provider.target(), hash, 65_536, 0..65_536).await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{:44} {:8.1} pieces/s", "get, pieces of 64 KiB, one after another", 1000.0 / seconds);
}

async fn one_segment() {
    let (holders, client) = (providers(4).await, client().await);
    let content = bytes_of(7, 64 * MIB);
    let segment = MemorySegment::new(CODE, content);
    let columns = (0..).zip(&holders).map(|(slot, holder)| (slot, vec![holder.candidate(slot)])).collect();
    let intent = intent(0);
    let terms = commitment_for(&intent.intent, PLACEMENT_EPOCHS, 0, 0, PieceHash::ZERO, 0, AccountId::ZERO);
    let upload = SegmentUpload { intent, segment: 0, code: CODE, piece_bytes_max: 1 << 26, terms, columns };
    let started = Instant::now();
    let done = upload_segment(&client, upload, &segment).await.unwrap();
    rate("upload, 64 MiB, 2 of 4 (128 MiB are sent)", 64 * MIB, started);
    for (what, lost) in [("download, 64 MiB, data columns", 4), ("download, 64 MiB, one parity column", 0)] {
        let mut targets: Vec<_> = holders.iter().map(|holder| Some(holder.holder())).collect();
        if let Some(target) = targets.get_mut(lost) {
            *target = None;
        }
        let located =
            Segment { file: FileId::ZERO, segment: 0, code: CODE, manifest: done.manifest.clone(), holders: targets };
        let reader = SegmentReader::new(client.clone(), located).unwrap();
        let started = Instant::now();
        let mut stripes = reader.stripes(0..CODE.stripe_count(done.manifest.len)).unwrap();
        while let Some(stripe) = stripes.next().await {
            stripe.unwrap();
        }
        rate(what, 64 * MIB, started);
    }
}
