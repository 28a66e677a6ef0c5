//! What no block records yet has its own room: a flood takes that and no more.

use crate::stores::put;
use crate::support::{Chain, LIMITS, bytes_of, client, intent, key, open, open_store};
use bytes::Bytes;
use dsn::store::PieceTerms;
use dsn::{
    Admission, Admitted, Authority, PieceService, PutAnswer, PutOpen, Refusal, RefusalCode, StoreError, UnrecordedQuota,
};
use futures::{StreamExt as _, stream};
use pieces::PieceHash;
use runtime::crypto::Signature;
use runtime::types::{DealId, StorageCommitment};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PIECE_BYTES: u32 = 1000;
const OWNER_BYTES_MAX: u64 = 10_000;
const ALL_BYTES_MAX: u64 = 25_500;

fn deal(nonce: u64) -> DealId {
    intent(nonce).intent.deal()
}

/// The deals of an owner who has ten.
fn quota(nonce: u64) -> UnrecordedQuota {
    let first = nonce - nonce % 10;
    UnrecordedQuota {
        deal: deal(nonce),
        of_owner: (first..first + 10).map(deal).collect(),
        owner_bytes_max: OWNER_BYTES_MAX,
        all_bytes_max: ALL_BYTES_MAX,
    }
}

#[test]
fn a_flood_of_many_threads_takes_what_is_allowed_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let taken = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for nonce in 0..10 {
            let (store, taken) = (&store, &taken);
            scope.spawn(move || {
                for index in 0..40 {
                    let piece = bytes_of(u8::try_from(nonce * 20 + u64::from(index % 20)).unwrap(), 1000);
                    let Ok(mut writer) = store.begin_unrecorded(PIECE_BYTES, &quota(nonce)) else { continue };
                    writer.write(&piece).unwrap();
                    let (deal, store_by_ms) = (deal(nonce), 1000);
                    let terms = PieceTerms { deal, segment: 0, index, until_epoch: 9, store_by_ms, recorded: false };
                    writer.finish(PieceHash::of(&piece), PIECE_BYTES, terms).unwrap();
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert!(store.unrecorded_bytes() <= OWNER_BYTES_MAX, "{}", store.unrecorded_bytes());
    assert_eq!(store.unrecorded_bytes(), taken.into_inner() * u64::from(PIECE_BYTES));
    let full = store.begin_unrecorded(PIECE_BYTES, &quota(3)).unwrap_err();
    assert!(matches!(full, StoreError::Unrecorded { whose: "this owner", used: 10_000, .. }), "{full:?}");
    assert!(full.is_full());
    // What is recorded has room all the same, and so has another owner.
    drop(store.begin(PIECE_BYTES).unwrap());
    drop(store.begin_unrecorded(PIECE_BYTES, &quota(10)).unwrap());
}

#[test]
fn what_is_being_written_counts_and_what_is_recorded_or_after_a_restart_is_counted_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let writers: Vec<_> = (0..10).map(|nonce| store.begin_unrecorded(PIECE_BYTES, &quota(nonce)).unwrap()).collect();
    assert!(store.begin_unrecorded(PIECE_BYTES, &quota(0)).is_err());
    let others: Vec<_> = (10..20).map(|nonce| store.begin_unrecorded(PIECE_BYTES, &quota(nonce)).unwrap()).collect();
    let third: Vec<_> = (20..25).map(|nonce| store.begin_unrecorded(PIECE_BYTES, &quota(nonce)).unwrap()).collect();
    let full = store.begin_unrecorded(PIECE_BYTES, &quota(25)).unwrap_err();
    assert!(matches!(full, StoreError::Unrecorded { whose: "all owners", used: 25_000, .. }), "{full:?}");
    drop((writers, others, third));
    // Deal 0 is the one that `put` puts for.
    let hash = put(&store, 0, &bytes_of(1, 9_500));
    assert!(store.begin_unrecorded(PIECE_BYTES, &quota(5)).is_err());
    drop(store);
    let store = open_store(dir.path(), LIMITS);
    assert!(store.begin_unrecorded(PIECE_BYTES, &quota(5)).is_err());
    store.mark_recorded(&key(0, hash)).unwrap();
    drop(store.begin_unrecorded(PIECE_BYTES, &quota(5)).unwrap());
}

/// A chain that gives every owner ten deals.
struct Limited(Chain);

impl Admission for Limited {
    fn admit(&self, open: &PutOpen) -> Result<Admitted, Refusal> {
        let Authority::Intent(signed) = &open.authority else { return self.0.admit(open) };
        let quota = Some(quota(signed.intent.deal_nonce));
        self.0.admit(open).map(|admitted| Admitted { quota, ..admitted })
    }

    fn sign(&self, commitment: &StorageCommitment) -> Signature {
        self.0.sign(commitment)
    }
}

#[tokio::test]
async fn a_peer_that_floods_is_told_why_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_store(dir.path(), LIMITS);
    let (peer, client) = (client().await, client().await);
    peer.serve(PieceService::new(store.clone(), Arc::new(Limited(Chain::new(1))))).unwrap();
    let put = |seed: u8| {
        let (client, target) = (client.clone(), peer.target());
        async move {
            let piece = Bytes::from(bytes_of(seed, 1000));
            let (nonce, hash) = (u64::from(seed), PieceHash::of(&piece));
            let open = PutOpen { authority: Authority::Intent(intent(nonce)), ..open(0, piece.len()) };
            client.put(&target, open, stream::iter([Ok(piece)]), hash).await
        }
    };
    let is_kept = |answer: &Result<PutAnswer, dsn::PutError>| matches!(answer, Ok(PutAnswer::Committed { .. }));
    let mut answers: Vec<_> = stream::iter(0..60).map(put).buffer_unordered(8).collect().await;
    // While a piece is being written, its room may count twice: the flood may have been refused a little early.
    let mut seed = 60;
    while answers.len() == 60 || answers.last().is_some_and(is_kept) {
        answers.push(put(seed).await);
        seed += 1;
    }
    let committed = answers.iter().filter(|answer| is_kept(answer)).count();
    assert_eq!((committed, store.unrecorded_bytes()), (25, 25_000));
    let refusals = answers.iter().filter_map(|answer| match answer {
        Err(dsn::PutError::Refused { refusal, .. }) | Ok(PutAnswer::Refused(refusal)) => Some(refusal),
        _ => None,
    });
    let refusals: Vec<_> = refusals.collect();
    assert_eq!(refusals.len(), answers.len() - 25);
    assert!(refusals.iter().all(|refusal| refusal.code == RefusalCode::Unrecorded), "{refusals:?}");
    assert!(
        refusals.iter().all(|refusal| refusal.to_string().contains("may have unrecorded are taken")),
        "{refusals:?}"
    );
}
