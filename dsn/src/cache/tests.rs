#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::lru::Lru;
use super::{CacheLimits, PieceCache};
use pieces::{PieceHash, VerifiedSlice, decode_slice, encode_slice, outboard};
use proptest::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Long enough that only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn hash(number: u8) -> PieceHash {
    PieceHash::from_bytes([number; 32])
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u64),
    Grow(u8, u64),
    Get(u8),
    Remove(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let piece = 0..12_u8;
    prop_oneof![
        (piece.clone(), 0..120_u64).prop_map(|(piece, bytes)| Step::Insert(piece, bytes)),
        (piece.clone(), 0..120_u64).prop_map(|(piece, bytes)| Step::Grow(piece, bytes)),
        piece.clone().prop_map(Step::Get),
        piece.prop_map(Step::Remove),
    ]
}

/// The same, slowly: pieces with their bytes, the one used longest ago in front.
#[derive(Default)]
struct Model(Vec<(u8, u64)>);

const LIMIT_BYTES: u64 = 300;
const COUNT_MAX: usize = 6;

impl Model {
    fn take(&mut self, piece: u8) -> Option<(u8, u64)> {
        let place = self.0.iter().position(|(known, _)| *known == piece)?;
        Some(self.0.remove(place))
    }

    fn put(&mut self, piece: u8, bytes: u64) -> Vec<u8> {
        let mut gone = Vec::new();
        while self.0.len() >= COUNT_MAX || self.used() + bytes > LIMIT_BYTES {
            gone.push(self.0.remove(0).0);
        }
        self.0.push((piece, bytes));
        gone
    }

    fn used(&self) -> u64 {
        self.0.iter().map(|(_, bytes)| bytes).sum()
    }
}

proptest! {
    #[test]
    fn what_was_used_longest_ago_goes_first_and_the_bound_holds(steps in prop::collection::vec(step(), 0..200)) {
        let (mut lru, mut model) = (Lru::new(LIMIT_BYTES, COUNT_MAX), Model::default());
        for step in steps {
            match step {
                Step::Insert(piece, bytes) => {
                    let mut gone: Vec<u8> = model.take(piece).map(|(piece, _)| piece).into_iter().collect();
                    gone.extend(model.put(piece, bytes));
                    prop_assert_eq!(lru.insert(hash(piece), bytes, piece), Some(gone));
                }
                Step::Grow(piece, bytes) => {
                    let known = model.0.iter().find(|(known, _)| *known == piece).map(|(_, bytes)| *bytes);
                    let expected = known.filter(|known| known + bytes <= LIMIT_BYTES).map(|known| {
                        model.take(piece);
                        model.put(piece, known + bytes)
                    });
                    prop_assert_eq!(lru.grow(&hash(piece), bytes), expected);
                }
                Step::Get(piece) => {
                    let known = model.take(piece);
                    model.0.extend(known);
                    prop_assert_eq!(lru.get(&hash(piece)).copied(), known.map(|(piece, _)| piece));
                }
                Step::Remove(piece) => {
                    prop_assert_eq!(lru.remove(&hash(piece)), model.take(piece).map(|(piece, _)| piece));
                }
            }
            prop_assert_eq!((lru.used_bytes(), lru.len()), (model.used(), model.0.len()));
            prop_assert!(lru.used_bytes() <= LIMIT_BYTES && lru.len() <= COUNT_MAX);
        }
    }
}

#[test]
fn what_does_not_fit_even_alone_makes_nobody_go() {
    let mut lru = Lru::new(100, 10);
    assert_eq!(lru.insert(hash(1), 60, 1), Some(vec![]));
    assert_eq!(lru.insert(hash(2), 101, 2), None);
    assert_eq!(lru.grow(&hash(1), 41), None);
    assert_eq!(lru.grow(&hash(1), u64::MAX), None);
    assert_eq!((lru.used_bytes(), lru.peek(&hash(1))), (60, Some(&1)));
}

/// A piece, and its slices as a reader gets them.
struct Piece {
    bytes: Vec<u8>,
    hash: PieceHash,
    tree: Vec<u8>,
}

impl Piece {
    fn new(number: u8, count: usize) -> Self {
        let bytes: Vec<u8> = (0..count).map(|at| u8::try_from(at / 1000 % 251).unwrap() ^ number).collect();
        let (hash, tree) = outboard(bytes.as_slice(), u64::try_from(count).unwrap()).unwrap();
        Self { bytes, hash, tree }
    }

    fn len(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap()
    }

    fn encoded(&self, range: Range<u64>) -> Vec<u8> {
        let mut encoded = Vec::new();
        encode_slice(self.bytes.as_slice(), &self.tree, self.hash, self.len(), range, &mut encoded).unwrap();
        encoded
    }

    fn slice(&self, range: Range<u64>) -> VerifiedSlice {
        decode_slice(self.hash, self.len(), range.clone(), &self.encoded(range)).unwrap()
    }

    async fn keep(&self, cache: &Arc<PieceCache>, range: Range<u64>) -> bool {
        let writer = cache.writer(self.hash, self.len(), range.clone()).unwrap();
        writer.keep(self.slice(range)).await
    }
}

fn cache(dir: &tempfile::TempDir, bytes: u64) -> Arc<PieceCache> {
    Arc::new(PieceCache::open(&dir.path().join("cache"), CacheLimits { bytes, reserve_bytes: 0 }).unwrap())
}

/// Bytes of all files in the cache's folder.
fn on_disk(dir: &tempfile::TempDir) -> Vec<u64> {
    let entries = std::fs::read_dir(dir.path().join("cache")).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).collect()
}

#[tokio::test]
async fn a_piece_that_came_in_any_parts_is_given_in_any_others() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, piece) = (cache(&dir, 1 << 20), Piece::new(1, 200_000));
    for range in [65_536..131_072, 0..20_000, 131_072..200_000] {
        assert!(piece.keep(&cache, range).await);
        assert!(!cache.has(&piece.hash));
    }
    let reader = cache.reader(&piece.hash, piece.len()).unwrap();
    assert!(!reader.may_have(&(20_000..65_536)));
    assert!(reader.wait_for(&(70_000..200_000), PATIENCE).await);
    assert!(piece.keep(&cache, 16_384..65_536).await);
    assert!(cache.has(&piece.hash));
    for range in [0..200_000, 1..2, 199_999..200_000, 33_000..140_000] {
        let mut encoded = Vec::new();
        reader.encode_slice(range.clone(), &mut encoded).unwrap();
        assert_eq!(encoded, piece.encoded(range));
    }
    // The same again takes nothing more.
    let used = cache.used_bytes();
    assert!(piece.keep(&cache, 0..200_000).await);
    assert_eq!(cache.used_bytes(), used);
    // Of another length it would be another piece.
    assert!(cache.reader(&piece.hash, 199_999).is_none());
    assert!(cache.writer(piece.hash, 199_999, 0..10).is_none());
}

#[tokio::test]
async fn what_is_promised_is_waited_for_until_it_comes_or_is_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, piece) = (cache(&dir, 1 << 20), Piece::new(1, 200_000));
    let writer = cache.writer(piece.hash, piece.len(), 0..131_072).unwrap();
    let reader = cache.reader(&piece.hash, piece.len()).unwrap();
    assert!(!reader.may_have(&(131_072..200_000)));
    let (came, kept) = tokio::join!(reader.wait_for(&(0..65_536), PATIENCE), writer.keep(piece.slice(0..65_536)));
    assert!(came && kept);
    // Nobody brings it before that.
    assert!(!reader.wait_for(&(65_536..131_072), Duration::ZERO).await);
    let withdrawn = async { drop(writer) };
    let (came, ()) = tokio::join!(reader.wait_for(&(65_536..131_072), PATIENCE), withdrawn);
    assert!(!came);
    assert!(reader.wait_for(&(0..65_536), Duration::ZERO).await);
}

#[tokio::test]
async fn the_cache_takes_no_more_than_it_may_on_disk_and_keeps_what_was_used() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir, 1_000_000);
    let all: Vec<_> = (0..20).map(|number| Piece::new(number, 200_000)).collect();
    for piece in &all {
        assert!(piece.keep(&cache, 0..200_000).await);
        // The first is used again and again.
        assert!(cache.reader(&all[0].hash, 200_000).is_some());
        assert!(cache.used_bytes() <= cache.limit_bytes());
        assert!(on_disk(&dir).iter().sum::<u64>() <= cache.used_bytes());
    }
    let held: Vec<_> = (0..20).filter(|number| cache.has(&all[*number].hash)).collect();
    assert_eq!(held, [0, 17, 18, 19]);
    assert_eq!(cache.piece_count(), 4);
}

#[tokio::test]
async fn a_piece_larger_than_the_cache_is_kept_as_far_as_it_fits() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, piece) = (cache(&dir, 150_000), Piece::new(1, 200_000));
    assert!(piece.keep(&cache, 0..131_072).await);
    assert!(!piece.keep(&cache, 131_072..200_000).await);
    assert!(!cache.has(&piece.hash));
    assert!(cache.reader(&piece.hash, piece.len()).unwrap().may_have(&(0..131_072)));
}

#[tokio::test]
async fn a_full_disk_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let limits = CacheLimits { bytes: 1 << 30, reserve_bytes: u64::MAX };
    let cache = Arc::new(PieceCache::open(&dir.path().join("cache"), limits).unwrap());
    assert!(!Piece::new(1, 1000).keep(&cache, 0..1000).await);
    assert_eq!((cache.piece_count(), on_disk(&dir)), (0, vec![]));
}

#[tokio::test]
async fn a_start_finds_an_empty_cache() {
    let dir = tempfile::tempdir().unwrap();
    let piece = Piece::new(1, 1000);
    assert!(piece.keep(&cache(&dir, 1 << 20), 0..1000).await);
    assert_eq!(on_disk(&dir), [1000]);
    let again = cache(&dir, 1 << 20);
    assert_eq!((again.has(&piece.hash), again.used_bytes(), on_disk(&dir)), (false, 0, vec![]));
}

#[tokio::test]
async fn a_damaged_or_deleted_piece_is_not_given_and_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, piece) = (cache(&dir, 1 << 20), Piece::new(1, 100_000));
    let file = || std::fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    assert!(piece.keep(&cache, 0..100_000).await);
    let mut bytes = piece.bytes.clone();
    bytes[50_000] ^= 1;
    std::fs::write(file(), &bytes).unwrap();
    let reader = cache.reader(&piece.hash, piece.len()).unwrap();
    assert!(reader.encode_slice(40_000..60_000, &mut Vec::new()).is_err());
    assert_eq!((cache.has(&piece.hash), on_disk(&dir)), (false, vec![]));

    assert!(piece.keep(&cache, 0..100_000).await);
    std::fs::remove_file(file()).unwrap();
    assert!(!cache.has(&piece.hash));
    assert!(cache.reader(&piece.hash, piece.len()).is_none());
    assert_eq!((cache.piece_count(), cache.used_bytes()), (0, 0));
    // And it can come again.
    assert!(piece.keep(&cache, 0..100_000).await);
    assert_eq!(cache.reader(&piece.hash, piece.len()).map(|reader| reader.may_have(&(0..100_000))), Some(true));
}
