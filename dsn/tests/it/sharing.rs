//! What was read is kept for a while and passed on.

use crate::hostile::{Liar, Lie};
use crate::loads::{WIDE, read, segment, stored, targets};
use crate::support::{MIB, MemorySegment, Provider, bytes_of, client, open};
use crate::transfer::code_of;
use dsn::protocol::get::{GetRequest, WINDOW_BYTES};
use dsn::{CacheLimits, Kept, Peer, PieceCache, PieceService, RefusalCode, SegmentReader, ServiceLimits, Standing};
use dsn_messages::share::ShareReply;
use futures::StreamExt as _;
use pieces::PieceHash;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A peer that holds no piece and keeps what it reads.
struct Reader {
    peer: Peer,
    service: PieceService,
    _dir: tempfile::TempDir,
}

impl Reader {
    async fn start() -> Self {
        Self::beside(&[]).await
    }

    async fn beside(providers: &[Provider]) -> Self {
        let (peer, dir) = (client().await, tempfile::tempdir().unwrap());
        let limits = CacheLimits { bytes: 1 << 30, reserve_bytes: 0 };
        let cache = Arc::new(PieceCache::open(&dir.path().join("cache"), limits).unwrap());
        let beside = providers.iter().map(|provider| provider.peer.peer_key());
        let service = PieceService::without_store(ServiceLimits::default()).with_cache(cache, beside);
        peer.serve(service.clone()).unwrap();
        Self { peer, service, _dir: dir }
    }

    async fn reads(&self, stored: &MemorySegment, holders: &[Provider]) {
        let count = stored.code.stripe_count(u64::try_from(stored.content.len()).unwrap());
        let got = read(&self.peer, segment(stored, targets(holders)), 0..count).await.unwrap();
        assert!(got == stored.content);
    }
}

fn committed_bytes(holders: &[Provider]) -> u64 {
    holders.iter().map(|holder| holder.service.counters().committed_bytes()).sum()
}

fn cached_bytes(readers: &[Reader]) -> u64 {
    readers.iter().map(|reader| reader.service.counters().cached_bytes()).sum()
}

fn len_of(stored: &MemorySegment) -> u64 {
    u64::try_from(stored.content.len()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_who_read_a_file_at_once_take_most_of_it_from_each_other() {
    const READERS: usize = 12;
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 16 * MIB)).await;
    let readers = futures::future::join_all((0..READERS).map(|_| Reader::start())).await;
    futures::future::join_all(readers.iter().map(|reader| reader.reads(&stored, &holders))).await;
    let (committed, cached) = (committed_bytes(&holders), cached_bytes(&readers));
    let referrals: u64 = holders.iter().map(|holder| holder.service.counters().referrals()).sum();
    println!("{committed} bytes from committed pieces, {cached} from caches, {referrals} referrals");
    assert!(committed + cached >= u64::try_from(READERS).unwrap() * len_of(&stored));
    assert!(2 * committed < committed + cached, "{committed} of {}", committed + cached);
    // What the readers counted is what was served, but for what was on its way when a column was given up.
    let read_committed: u64 = readers.iter().map(|reader| reader.peer.reads().committed_bytes()).sum();
    let read_cached: u64 = readers.iter().map(|reader| reader.peer.reads().cached_bytes()).sum();
    assert!(read_committed <= committed && read_cached <= cached);
    assert!(read_committed + read_cached >= u64::try_from(READERS).unwrap() * len_of(&stored));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_later_are_served_by_those_who_came_before() {
    let (asker, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
    let hashes = stored.manifest().piece_hashes;
    let mut readers = Vec::new();
    for _ in 0..6 {
        let reader = Reader::start().await;
        reader.reads(&stored, &holders).await;
        // It says so itself, and does not call it a promise.
        let kept = asker.kept(&reader.peer.target(), hashes.clone()).await.unwrap();
        assert_eq!(kept.iter().filter(|kept| **kept == Kept::Cached).count(), 2);
        assert!(!kept.contains(&Kept::Held));
        assert_eq!(asker.have(&reader.peer.target(), hashes.clone()).await.unwrap(), [false; 4]);
        readers.push(reader);
    }
    // The first two were given it by the holders.
    assert_eq!(committed_bytes(&holders), 2 * len_of(&stored));
    assert_eq!(cached_bytes(&readers), 4 * len_of(&stored));
    let held = asker.kept(&holders[0].target(), vec![hashes[0], hashes[1]]).await.unwrap();
    assert_eq!(held, [Kept::Held, Kept::Not]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_once_is_there_when_its_holders_are_gone() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
    let reader = Reader::start().await;
    reader.reads(&stored, &holders).await;
    for holder in &holders {
        holder.peer.stop().await;
    }
    reader.reads(&stored, &holders).await;
    let reads = reader.peer.reads();
    assert_eq!((reads.committed_bytes(), reads.cached_bytes()), (len_of(&stored), 0));
    assert_eq!(reads.own_bytes(), len_of(&stored));
    // What it gives to itself is served to nobody.
    assert_eq!(reader.service.counters().cached_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_was_read_is_kept_and_the_rest_is_fetched() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
    let reader = Reader::start().await;
    let part = read(&reader.peer, segment(&stored, targets(&holders)), 0..8).await.unwrap();
    assert!(part == stored.content[..MIB]);
    reader.reads(&stored, &holders).await;
    let own = u64::try_from(MIB).unwrap();
    assert_eq!(reader.peer.reads().own_bytes(), own);
    assert_eq!(reader.peer.reads().committed_bytes(), len_of(&stored));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_on_the_same_disk_anyway_is_not_kept_again() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
    let reader = Reader::beside(&holders).await;
    reader.reads(&stored, &holders).await;
    assert_eq!(reader.service.cache().map(|cache| cache.piece_count()), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_keeps_nothing_is_given_everything_by_the_holders_and_named_to_nobody() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 2 * MIB)).await;
    let count = WIDE.stripe_count(len_of(&stored));
    for _ in 0..4 {
        let peer = client().await;
        assert!(read(&peer, segment(&stored, targets(&holders)), 0..count).await.unwrap() == stored.content);
    }
    assert_eq!(committed_bytes(&holders), 4 * len_of(&stored));
    let reader = Reader::start().await;
    reader.reads(&stored, &holders).await;
    assert_eq!(reader.peer.reads().cached_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_store_takes_no_pieces() {
    let (reader, client) = (Reader::start().await, client().await);
    let refused = client.open_put(&reader.peer.target(), open(0, 10)).await.unwrap_err();
    assert_eq!(code_of(refused), RefusalCode::NotPermitted);
    assert_eq!(client.have(&reader.peer.target(), vec![PieceHash::ZERO]).await.unwrap(), [false]);
}

/// The two first sharers of both pieces, who do as `lie` says.
async fn liars(lie: Lie, stored: &MemorySegment, holders: &[Provider]) -> Vec<Liar> {
    let mut liars = Vec::new();
    for (holder, piece) in holders.iter().zip(stored.pieces()).take(2) {
        let piece_bytes = u32::try_from(piece.len()).unwrap();
        let piece_hash = PieceHash::of(&piece);
        let get = GetRequest { piece_hash, piece_bytes, start: 0, end: piece_bytes, window_bytes: WINDOW_BYTES };
        for _ in 0..2 {
            let mut liar = Liar::start(piece.clone(), lie).await;
            assert_eq!(liar.offers_to_share(holder, get).await, ShareReply::Found);
            liars.push(liar);
        }
    }
    liars
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sharer_that_lies_is_banned_and_the_holder_gives_the_rest() {
    for lie in [Lie::FlipInWindow(0), Lie::FlipInWindow(3), Lie::NotEvenHeader] {
        let (_, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
        let liars = liars(lie, &stored, &holders).await;
        let reader = Reader::start().await;
        reader.reads(&stored, &holders).await;
        for liar in &liars {
            assert_eq!(liar.asked(), 1, "{lie:?}");
            assert_eq!(reader.peer.judged().standing(&liar.target().peer_key), Standing::Banned, "{lie:?}");
        }
        // No byte of a lie is kept or passed on, and nothing is held against those who named the liars.
        let hashes = stored.manifest().piece_hashes;
        let asker = client().await;
        let kept = asker.kept(&reader.peer.target(), hashes.clone()).await.unwrap();
        assert_eq!(kept[..2], [Kept::Cached, Kept::Cached]);
        let piece = stored.pieces().swap_remove(0);
        let count = u32::try_from(piece.len()).unwrap();
        let got = asker.get_bytes(&reader.peer.target(), hashes[0], count, 5..u64::from(count)).await.unwrap();
        assert!(got == piece[5..]);
        assert!(holders.iter().all(|holder| reader.peer.judged().standing(&holder.peer.peer_key()) == Standing::Good));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sharer_that_says_nothing_costs_a_moment_and_no_holder_its_standing() {
    for lie in [Lie::SilentFromTheStart, Lie::SilentInWindow(3), Lie::EndInWindow(3)] {
        let (_, holders, stored) = stored(WIDE, bytes_of(3, 4 * MIB)).await;
        let liars = liars(lie, &stored, &holders).await;
        let reader = Reader::start().await;
        let started = Instant::now();
        reader.reads(&stored, &holders).await;
        assert!(started.elapsed() < Duration::from_secs(8), "{lie:?}: {:?}", started.elapsed());
        let peers =
            holders.iter().map(|holder| holder.peer.peer_key()).chain(liars.iter().map(|liar| liar.target().peer_key));
        assert!(peers.into_iter().all(|peer| reader.peer.judged().standing(&peer) == Standing::Good), "{lie:?}");
    }
}

/// Whoever stops reading holds up those who read from it only until they have asked the holder.
#[tokio::test(flavor = "multi_thread")]
async fn readers_behind_one_that_stopped_go_on_from_the_holder() {
    let (_, holders, stored) = stored(WIDE, bytes_of(3, 20 * MIB)).await;
    let count = WIDE.stripe_count(len_of(&stored));
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let reader = Reader::start().await;
        let reading = SegmentReader::new(reader.peer.clone(), segment(&stored, targets(&holders))).unwrap();
        let mut stripes = reading.stripes(0..count).unwrap();
        stripes.next().await.unwrap().unwrap();
        stalled.push((reader, stripes));
    }
    let reader = Reader::start().await;
    reader.reads(&stored, &holders).await;
    assert!(reader.peer.reads().cached_bytes() > 0);
    assert!(reader.peer.reads().committed_bytes() > 0);
    drop(stalled);
}
