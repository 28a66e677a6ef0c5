//! A segment from k of n holders.

use crate::hostile::{Liar, Lie};
use crate::support::{GENESIS, MemorySegment, Provider, SMALL, bytes_of, client, config, providers, wait_until};
use crate::uploads::{columns, upload};
use dsn::{
    DownloadError, Holder, Peer, PeerTarget, PieceService, Segment, SegmentReader, ServiceLimits, Stripes,
    read_bytes_max, upload_segment,
};
use futures::{StreamExt as _, TryStreamExt as _};
use pieces::{ErasureCode, FileId};
use runtime::crypto::AccountId;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Units of a real size, so that a segment has several windows.
pub const WIDE: ErasureCode = ErasureCode::new(2, 4, 64 * 1024);

pub async fn stored(code: ErasureCode, content: Vec<u8>) -> (Peer, Vec<Provider>, MemorySegment) {
    let (holders, client) = (providers(code.n).await, client().await);
    let segment = MemorySegment::new(code, content);
    upload_segment(&client, upload(code, columns(&holders, &[])), &segment).await.unwrap();
    (client, holders, segment)
}

pub fn segment(of: &MemorySegment, holders: Vec<Option<Holder>>) -> Segment {
    Segment { file: FileId::ZERO, segment: 0, code: of.code, manifest: of.manifest(), holders }
}

pub fn targets(holders: &[Provider]) -> Vec<Option<Holder>> {
    holders.iter().map(|holder| Some(holder.holder())).collect()
}

pub fn stranger(target: PeerTarget) -> Option<Holder> {
    Some(Holder { provider: AccountId::ZERO, target })
}

pub async fn read(client: &Peer, segment: Segment, stripes: Range<u64>) -> Result<Vec<u8>, DownloadError> {
    let reader = SegmentReader::new(client.clone(), segment)?;
    reader.stripes(stripes)?.try_fold(Vec::new(), |read, stripe| async move { Ok([&read[..], &stripe].concat()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_range_of_stripes_is_what_was_stored() {
    for len in [1, 4096 * 2, 4096 * 2 + 1, 700_001] {
        let (client, holders, stored) = stored(SMALL, bytes_of(3, len)).await;
        let count = SMALL.stripe_count(u64::try_from(len).unwrap());
        for stripes in [0..count, 0..0, count..count, 0..1, count / 3..count / 2 + 1, count - 1..count] {
            let got = read(&client, segment(&stored, targets(&holders)), stripes.clone()).await.unwrap();
            let at = |stripe: u64| usize::try_from(stripe * SMALL.stripe_bytes()).unwrap().min(len);
            assert!(got == stored.content[at(stripes.start)..at(stripes.end)], "stripes {stripes:?} of {len} bytes");
        }
        let behind = read(&client, segment(&stored, targets(&holders)), 0..count + 1).await;
        assert!(matches!(behind, Err(DownloadError::Stripes { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_two_of_four_holders_may_vanish() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 2_000_000)).await;
    let count = WIDE.stripe_count(2_000_000);
    for first in 0..4 {
        for second in first + 1..4 {
            let mut left = targets(&holders);
            // One is known to be lost, the other does not answer.
            left[first] = None;
            left[second] = stranger(dead().await);
            let got = read(&client, segment(&stored, left), 0..count).await.unwrap();
            assert!(got == stored.content, "without {first} and {second}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_many_gone_the_error_says_how_many_are_left() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 500_000)).await;
    let mut left = targets(&holders);
    (left[0], left[1]) = (None, None);
    left[3] = stranger(dead().await);
    let error = read(&client, segment(&stored, left), 0..1).await.unwrap_err();
    assert!(matches!(error, DownloadError::NotEnough { segment: 0, live: 1, needed: 2 }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_holder_is_caught_and_the_parity_takes_over() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 3_000_000)).await;
    let count = WIDE.stripe_count(3_000_000);
    let piece = stored.pieces().swap_remove(1);
    for lie in [Lie::FlipInWindow(0), Lie::FlipInWindow(3), Lie::EndInWindow(2), Lie::NotEvenHeader] {
        let liar = Liar::start(piece.clone(), lie).await;
        let mut with_liar = targets(&holders);
        with_liar[1] = stranger(liar.target());
        let got = read(&client, segment(&stored, with_liar), 0..count).await.unwrap();
        assert!(got == stored.content, "{lie:?}");
        assert!(liar.asked() >= 1, "{lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_holder_is_hedged_by_another() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 3_000_000)).await;
    let count = WIDE.stripe_count(3_000_000);
    let liar = Liar::start(stored.pieces().swap_remove(0), Lie::SilentInWindow(1)).await;
    let mut with_liar = targets(&holders);
    with_liar[0] = stranger(liar.target());
    let started = std::time::Instant::now();
    let got = read(&client, segment(&stored, with_liar), 0..count).await.unwrap();
    assert!(got == stored.content);
    // Well before the silent one times out after 10 s.
    assert!(started.elapsed() < crate::support::TIMEOUTS.idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_dies_half_way_is_replaced_at_the_same_stripe() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 12_000_000)).await;
    let count = WIDE.stripe_count(12_000_000);
    let reader = SegmentReader::new(client, segment(&stored, targets(&holders))).unwrap();
    let mut stripes = reader.stripes(0..count).unwrap();
    let mut got = stripes.next().await.unwrap().unwrap().to_vec();
    holders[0].peer.stop().await;
    while let Some(stripe) = stripes.next().await {
        got.extend_from_slice(&stripe.unwrap());
    }
    assert!(got == stored.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_stops_the_holders() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 40_000_000)).await;
    let liar = Liar::start(stored.pieces().swap_remove(0), Lie::None).await;
    let mut with_liar = targets(&holders);
    with_liar[0] = stranger(liar.target());
    let reader = SegmentReader::new(client, segment(&stored, with_liar)).unwrap();
    let mut stripes = reader.stripes(0..WIDE.stripe_count(40_000_000)).unwrap();
    stripes.next().await.unwrap().unwrap();
    assert_eq!(liar.ended(), 0);
    drop(stripes);
    wait_until(|| liar.ended() == 1).await;
    // It had sent only what fits into the queues on the way, not its whole piece of 20 MB.
    assert!(liar.sent_bytes() < 16_000_000, "{}", liar.sent_bytes());
}

/// Readers that stopped reading use up this peer's streams: the pieces are all there, and nobody may call them lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_free_streams_is_busy_and_no_piece_is_lost() {
    let len = 20_000_000;
    let (_, holders, stored) = stored(WIDE, bytes_of(3, len)).await;
    let mut few = config(GENESIS);
    few.limits.streams_per_peer = 1;
    few.timeouts.connect = Duration::from_secs(1);
    let client = Peer::start(few).await.unwrap();
    let stripes = 0..WIDE.stripe_count(u64::try_from(len).unwrap());
    let stalled = async || -> Stripes {
        let reader = SegmentReader::new(client.clone(), segment(&stored, targets(&holders))).unwrap();
        let mut stripes = reader.stripes(stripes.clone()).unwrap();
        stripes.next().await.unwrap().unwrap();
        stripes
    };
    let first = stalled().await;
    let _second = stalled().await;
    let error = read(&client, segment(&stored, targets(&holders)), 0..1).await.unwrap_err();
    assert!(matches!(error, DownloadError::Busy { segment: 0 }), "{error:?}");
    // Whoever goes away makes room.
    drop(first);
    let got = read(&client, segment(&stored, targets(&holders)), stripes.clone()).await.unwrap();
    assert!(got == stored.content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_without_room_is_busy_and_its_piece_is_not_lost() {
    let (client, holders, stored) = stored(WIDE, bytes_of(3, 500_000)).await;
    let (mut with_busy, mut peers) = (targets(&holders), Vec::new());
    for (holder, target) in holders.iter().zip(&mut with_busy).take(3) {
        let busy = Peer::start(config(GENESIS)).await.unwrap();
        let none = ServiceLimits { gets: 0, ..ServiceLimits::default() };
        busy.serve(PieceService::with_limits(Arc::clone(&holder.store), holder.chain.clone(), none)).unwrap();
        *target = stranger(busy.target());
        peers.push(busy);
    }
    let error = read(&client, segment(&stored, with_busy.clone()), 0..1).await.unwrap_err();
    assert!(matches!(error, DownloadError::Busy { segment: 0 }), "{error:?}");
    // Where the others are really gone, too few are left, and the busy one counts as one of them.
    (with_busy[0], with_busy[1], with_busy[3]) = (None, None, None);
    let error = read(&client, segment(&stored, with_busy), 0..1).await.unwrap_err();
    assert!(matches!(error, DownloadError::NotEnough { segment: 0, live: 1, needed: 2 }), "{error:?}");
}

/// The API counts every download with this; seventy of them must fit into what bodies may take, 128 MiB.
#[test]
fn what_a_reader_keeps_in_memory_follows_from_its_code() {
    const KIB: u64 = 1024;
    assert_eq!(read_bytes_max(&WIDE), 2 * (256 + 4 * 128) * KIB + 2 * 128 * KIB);
    // Each of many columns has less, and never less than 64 KiB.
    let standard = ErasureCode::new(10, 30, 64 * 1024);
    assert_eq!(read_bytes_max(&standard), 10 * (256 + 4 * 64) * KIB + 2 * 64 * KIB);
    // Small units are read many at a time, large ones alone.
    assert_eq!(read_bytes_max(&SMALL), read_bytes_max(&WIDE));
    assert_eq!(read_bytes_max(&ErasureCode::new(1, 2, 256 * 1024)), (256 + 4 * 256) * KIB + 2 * 256 * KIB);
    assert!(70 * read_bytes_max(&WIDE) < 128 * KIB * KIB);
}

pub async fn dead() -> PeerTarget {
    let peer = client().await;
    let target = peer.target();
    peer.stop().await;
    target
}
