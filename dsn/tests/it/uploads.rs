//! A segment to n holders.

use crate::hostile::Stuck;
use crate::support::{
    Chain, LIMITS, MemorySegment, PLACEMENT_EPOCHS, Provider, SMALL, bytes_of, client, intent, key, providers,
};
use dsn::{Candidate, SegmentUpload, StoreLimits, UploadError, upload_segment};
use pieces::{ErasureCode, PieceHash};
use runtime::crypto::AccountId;
use runtime::terms::commitment_for;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

pub fn upload(code: ErasureCode, columns: BTreeMap<u8, Vec<Candidate>>) -> SegmentUpload {
    let intent = intent(0);
    let terms = commitment_for(&intent.intent, PLACEMENT_EPOCHS, 0, 0, PieceHash::ZERO, 0, AccountId::ZERO);
    SegmentUpload { intent, segment: 0, code, piece_bytes_max: 1 << 25, terms, columns }
}

/// Column `i` to provider `i`, the spare ones to whoever needs them.
pub fn columns(holders: &[Provider], spares: &[Provider]) -> BTreeMap<u8, Vec<Candidate>> {
    let numbered: Vec<Candidate> =
        (0..).zip(holders.iter().chain(spares)).map(|(slot, provider)| provider.candidate(slot)).collect();
    let (own, shared) = numbered.split_at(holders.len());
    (0..).zip(own).map(|(index, first)| (index, [std::slice::from_ref(first), shared].concat())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_is_held_by_its_first_candidate() {
    let (holders, client) = (providers(4).await, client().await);
    for (deal, len) in (0..).zip([1, 4096, 8192, 8193, 1_000_000]) {
        let segment = MemorySegment::new(SMALL, bytes_of(deal, len));
        let done = upload_segment(&client, upload(SMALL, columns(&holders, &[])), &segment).await.unwrap();
        assert_eq!((done.manifest, done.failures), (segment.manifest(), vec![]));
        assert_eq!(segment.opened.load(Ordering::Relaxed), 1);
        let expected = segment.pieces();
        for ((index, held), piece) in (0_u8..).zip(&done.holders).zip(expected) {
            let provider = &holders[usize::from(index)];
            assert_eq!((held.index, held.slot), (index, index));
            assert_eq!(held.commitment.provider, provider.chain.account.account());
            assert_eq!(held.commitment.piece_hash, PieceHash::of(&piece));
            assert!(provider.store.row(&key(index, PieceHash::of(&piece))).unwrap().is_some());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_provider_is_replaced_by_a_spare_slot_at_once() {
    let (mut all, client) = (providers(6).await, client().await);
    let spares = all.split_off(4);
    all[1].peer.stop().await;
    all[3].peer.stop().await;
    let segment = MemorySegment::new(SMALL, bytes_of(1, 100_000));
    let done = upload_segment(&client, upload(SMALL, columns(&all, &spares)), &segment).await.unwrap();
    let mut slots: Vec<u8> = done.holders.iter().map(|held| held.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 2, 4, 5]);
    let mut failed: Vec<u8> = done.failures.iter().map(|failure| failure.index).collect();
    failed.sort_unstable();
    assert_eq!(failed, [1, 3]);
    // Nobody had to be sent anything twice.
    assert_eq!(segment.opened.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_breaks_starts_anew_on_a_spare_slot() {
    let (mut holders, client) = (providers(3).await, client().await);
    let chain = Chain { signs_wrong: true, ..Chain::new(4) };
    holders.push(Provider::start_with(chain, LIMITS).await);
    let spares = [Provider::start(5).await];
    let segment = MemorySegment::new(SMALL, bytes_of(1, 100_000));
    let done = upload_segment(&client, upload(SMALL, columns(&holders, &spares)), &segment).await.unwrap();
    assert_eq!(done.holders.iter().map(|held| held.slot).collect::<Vec<_>>(), [0, 1, 2, 4]);
    assert_eq!(done.failures.len(), 1);
    let failure = &done.failures[0];
    assert_eq!((failure.index, failure.slot), (3, 3));
    assert_eq!(failure.provider, holders[3].chain.account.account());
    assert!(failure.reason.contains("not signed with its service key"), "{}", failure.reason);
    assert_eq!(segment.opened.load(Ordering::Relaxed), 2);
    let hash = PieceHash::of(&segment.pieces()[3]);
    assert_eq!(client.have(&spares[0].target(), vec![hash]).await.unwrap(), [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_holder_the_error_names_provider_and_reason() {
    let (mut holders, client) = (providers(3).await, client().await);
    let tiny = StoreLimits { quota_bytes: 1000, reserve_bytes: 0 };
    holders.push(Provider::start_with(Chain::new(4), tiny).await);
    let segment = MemorySegment::new(SMALL, bytes_of(1, 100_000));
    let error = upload_segment(&client, upload(SMALL, columns(&holders, &[])), &segment).await.unwrap_err();
    let text = error.to_string();
    let UploadError::NoHolder { missing, failures, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((missing, failures.len()), (vec![3], 1));
    let full = holders[3].chain.account.account().to_string();
    assert!(text.contains(&full) && text.contains("there is no room left"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uploads_to_the_same_providers_do_not_wait_for_each_other() {
    let (holders, client) = (providers(4).await, client().await);
    let uploads = (0..20).map(|seed| {
        let (client, columns) = (client.clone(), columns(&holders, &[]));
        async move {
            let mut upload = upload(SMALL, columns);
            upload.intent = intent(seed);
            upload.terms.deal = upload.intent.intent.deal();
            upload.terms.cause = pieces::Hash::from_bytes(*upload.intent.intent.hash().as_bytes());
            let segment = MemorySegment::new(SMALL, bytes_of(u8::try_from(seed).unwrap(), 50_000));
            upload_segment(&client, upload, &segment).await
        }
    });
    for done in futures::future::join_all(uploads).await {
        assert_eq!(done.unwrap().holders.len(), 4);
    }
}

/// The stuck one is raced while the others, who get nothing either, still wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_accepts_and_then_takes_nothing_is_replaced() {
    let (holders, client) = (providers(3).await, client().await);
    let (spare, stuck) = (Provider::start(5).await, Stuck::start().await);
    let mut candidates = columns(&holders, &[]);
    candidates.insert(3, vec![Candidate { target: stuck.target(), ..spare.candidate(3) }, spare.candidate(4)]);
    // More than fits into the queues on the way to it.
    let segment = MemorySegment::new(ErasureCode::new(2, 4, 65_536), bytes_of(1, 30_000_000));
    let done = upload_segment(&client, upload(segment.code, candidates), &segment).await.unwrap();
    assert_eq!(done.holders.iter().map(|held| held.slot).collect::<Vec<_>>(), [0, 1, 2, 4]);
    assert_eq!(done.failures, [], "it was slow, which is no failure");
}
