//! Every put that was answered with a commitment is there after a kill.
//!
//! The test runs itself again as a child process that stores pieces, kills it in the middle, and opens its store.

use crate::support::{Chain, LIMITS, bytes_of, client, intent, open, open_store};
use bytes::Bytes;
use dsn::{PieceKey, PieceService, PutAnswer};
use futures::stream;
use parity_scale_codec::{DecodeAll as _, Encode as _};
use pieces::PieceHash;
use runtime::crypto::Signature;
use runtime::types::StorageCommitment;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Set for the child: where its store is.
const CHILD_DIR: &str = "PIECEWISE_DURABILITY_DIR";
/// Answers after which the child is killed, in each round.
const KILLED_AFTER: [usize; 4] = [1, 7, 40, 90];

#[test]
fn every_committed_piece_is_there_after_a_kill() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        return store_for_ever(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut committed = Vec::new();
    for kill_after in KILLED_AFTER {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::every_committed_piece_is_there_after_a_kill", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(answer) = line.unwrap().strip_prefix("committed ").map(ToOwned::to_owned) else {
                continue;
            };
            // A line that the kill has cut was not received.
            let Ok(bytes) = hex::decode(answer) else {
                continue;
            };
            if let Ok(promise) = <(StorageCommitment, Signature)>::decode_all(&mut bytes.as_slice()) {
                committed.push(promise);
                answers += 1;
            }
            if answers == kill_after {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(answers >= kill_after, "the child ended by itself after {answers} answers");
        let store = open_store(dir.path(), LIMITS);
        for (promise, signature) in &committed {
            promise.verify(&Chain::new(1).service.public_key(), signature).unwrap();
            let StorageCommitment { deal, segment, index, piece_hash, .. } = *promise;
            let row = store.row(&PieceKey { deal, segment, index, piece_hash }).unwrap().unwrap();
            assert_eq!((row.piece_bytes, row.store_by_ms), (promise.piece_bytes, promise.store_by_ms));
            let piece = store.open_piece(&promise.piece_hash).unwrap().unwrap();
            let count = u64::from(promise.piece_bytes);
            let mut slice = Vec::new();
            // Every group is hashed while it is read.
            piece.reader.encode_slice(0..count, &mut slice).unwrap();
        }
    }
    assert!(committed.len() >= KILLED_AFTER.iter().sum());
}

/// Puts pieces over a real connection until it is killed, eight at a time.
#[tokio::main]
async fn store_for_ever(dir: &Path) {
    let store = open_store(dir, LIMITS);
    let (chain, peer, client) = (Arc::new(Chain::new(1)), client().await, client().await);
    let started = store.piece_count();
    peer.serve(PieceService::new(store, chain)).unwrap();
    let puts = (0..8_u64).map(|lane| {
        let (client, target) = (client.clone(), peer.target());
        async move {
            for round in 0.. {
                let nonce = (started << 32) | (round << 8) | lane;
                let seed = u8::try_from(lane * 31 % 251).unwrap();
                let mut piece = bytes_of(seed, if round % 8 == 0 { 2_000_000 } else { 30_000 });
                piece[..8].copy_from_slice(&nonce.to_le_bytes());
                let hash = PieceHash::of(&piece);
                let open = dsn::PutOpen { authority: dsn::Authority::Intent(intent(nonce)), ..open(0, piece.len()) };
                let units: Vec<_> = piece.chunks(65_536).map(|unit| Ok(Bytes::copy_from_slice(unit))).collect();
                let answer = client.put(&target, open, stream::iter(units), hash).await.unwrap();
                let PutAnswer::Committed { commitment, signature } = answer else {
                    panic!("not committed");
                };
                let mut out = std::io::stdout().lock();
                writeln!(out, "committed {}", hex::encode((commitment, signature).encode())).unwrap();
                out.flush().unwrap();
            }
        }
    });
    futures::future::join_all(puts).await;
}
