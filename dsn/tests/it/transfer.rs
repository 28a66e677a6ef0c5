//! put, get and have between two peers.

use crate::support::{GENESIS, MIB, Provider, bytes_of, client, config, deal, key, open};
use bytes::Bytes;
use dsn::protocol::get::{WINDOW_BYTES_MAX, WINDOW_BYTES_MIN};
use dsn::{
    Authority, GetError, HaveError, Neighbours, OpenError, Peer, PeerConfig, PeerTarget, PutAnswer, PutError, PutOpen,
    RefusalCode,
};
use futures::stream;
use pieces::{FileId, PieceHash};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_is_committed_held_and_read_back() {
    let (provider, client) = (Provider::start(1).await, client().await);
    for (index, count) in (0..).zip([1, 63, 16 * 1024, 300_000, MIB, 3 * MIB + 17]) {
        let piece = bytes_of(index, count);
        let hash = PieceHash::of(&piece);
        let PutAnswer::Committed { commitment, signature } = provider.put(&client, index, &piece).await.unwrap() else {
            panic!("not committed");
        };
        let piece_bytes = u32::try_from(count).unwrap();
        assert_eq!((commitment.piece_hash, commitment.piece_bytes), (hash, piece_bytes));
        assert_eq!((commitment.segment, commitment.index, commitment.deal), (0, index, deal()));
        commitment.verify(&provider.chain.service.public_key(), &signature).unwrap();
        let row = provider.store.row(&key(index, hash)).unwrap().unwrap();
        assert_eq!((row.piece_bytes, row.recorded), (piece_bytes, false));
        assert_eq!((row.until_epoch, row.store_by_ms), (commitment.until_epoch, commitment.store_by_ms));

        let end = u64::from(piece_bytes);
        for range in [0..end, 0..1, end - 1..end, end / 3..end / 2 + 1] {
            let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            let read = client.get_bytes(&provider.target(), hash, piece_bytes, range).await.unwrap();
            assert_eq!(read, piece[from..to]);
        }
        assert_eq!(client.have(&provider.target(), vec![hash]).await.unwrap(), [true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_range_gives_no_window() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let piece = bytes_of(1, 5000);
    provider.put(&client, 0, &piece).await.unwrap();
    for at in [0, 5000] {
        let mut slices = client.get(&provider.target(), PieceHash::of(&piece), 5000, at..at).await.unwrap();
        assert!(slices.next().await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_of_the_size_that_was_asked_for() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let piece = bytes_of(1, 200_000);
    let hash = PieceHash::of(&piece);
    provider.put(&client, 0, &piece).await.unwrap();
    let target = provider.target();
    let mut slices = client.get_in_windows(&target, hash, 200_000, 10_000..200_000, 65_536).await.unwrap();
    let mut ranges = Vec::new();
    while let Some(slice) = slices.next().await.unwrap() {
        ranges.push(slice.range());
    }
    assert_eq!(ranges, [10_000..65_536, 65_536..131_072, 131_072..196_608, 196_608..200_000]);
    for window_bytes in [0, 16 * 1024 - 1, 1024 * 1024 + 1] {
        let refused = client.get_in_windows(&target, hash, 200_000, 0..1, window_bytes).await;
        assert!(matches!(refused, Err(GetError::Range { .. })), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_is_not_there_is_not_found() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let piece = bytes_of(1, 5000);
    provider.put(&client, 0, &piece).await.unwrap();
    for (hash, piece_bytes) in [(PieceHash::of(b"another"), 5000), (PieceHash::of(&piece), 4999)] {
        let got = client.get(&provider.target(), hash, piece_bytes, 0..10).await;
        assert!(matches!(got, Err(GetError::NotFound { .. })), "{got:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn have_answers_for_each_piece_in_order() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let mut asked = Vec::new();
    for index in 0..20 {
        let piece = bytes_of(index, 100 + usize::from(index));
        if index % 3 == 0 {
            provider.put(&client, index, &piece).await.unwrap();
        }
        asked.push(PieceHash::of(&piece));
    }
    let held = client.have(&provider.target(), asked).await.unwrap();
    assert_eq!(held, (0..20).map(|index| index % 3 == 0).collect::<Vec<_>>());
    assert_eq!(client.have(&provider.target(), Vec::new()).await.unwrap(), [false; 0]);
    let most = client.have(&provider.target(), vec![PieceHash::ZERO; 1024]).await.unwrap();
    assert_eq!(most, [false; 1024]);
    assert!(client.have(&provider.target(), vec![PieceHash::ZERO; 1025]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_end_hash_is_refused_and_nothing_is_kept() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let piece = bytes_of(1, MIB);
    let mut put = client.open_put(&provider.target(), open(0, MIB)).await.unwrap();
    put.send(&Bytes::from(piece.clone())).await.unwrap();
    let error = put.finish(PieceHash::of(b"something else")).await.unwrap_err();
    assert_eq!(code_of(error), RefusalCode::Mismatch);
    assert_eq!(provider.store.rows_of(&deal(), 0, 0).unwrap(), []);
    assert_eq!(client.have(&provider.target(), vec![PieceHash::of(&piece)]).await.unwrap(), [false]);
    assert_eq!(files_in(provider.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_piece_is_taken_back_and_no_other() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let (file, piece) = (FileId::from_bytes([9; 32]), bytes_of(1, 100_000));
    let open = PutOpen { authority: Authority::Recorded(file), ..open(2, piece.len()) };
    let units = |piece: &[u8]| stream::iter([Ok(Bytes::copy_from_slice(piece))]);

    let unknown = client.put(&provider.target(), open.clone(), units(&piece), PieceHash::of(&piece)).await;
    assert_eq!(code_of(unknown.unwrap_err()), RefusalCode::NotRecorded);

    provider.chain.recorded.lock().insert((file, 0, 2), PieceHash::of(&piece));
    let other = bytes_of(2, 100_000);
    let refused = client.put(&provider.target(), open.clone(), units(&other), PieceHash::of(&other)).await;
    assert_eq!(code_of(refused.unwrap_err()), RefusalCode::Mismatch);
    assert_eq!(files_in(provider.dir.path()), 0);

    let restored = client.put(&provider.target(), open, units(&piece), PieceHash::of(&piece)).await.unwrap();
    assert_eq!(restored, PutAnswer::Restored);
    let row = provider.store.row(&key(2, PieceHash::of(&piece))).unwrap().unwrap();
    assert_eq!((row.until_epoch, row.recorded), (77, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_longer_than_announced_is_not_sent() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let mut put = client.open_put(&provider.target(), open(0, 1000)).await.unwrap();
    put.send(&vec![1_u8; 600].into()).await.unwrap();
    assert!(matches!(put.send(&vec![1_u8; 401].into()).await, Err(PutError::TooLong { max: 1000, actual: 1001 })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_reaches_its_own_store_without_a_connection() {
    let provider = Provider::start(1).await;
    let piece = bytes_of(1, 2 * MIB);
    let answer = provider.put(&provider.peer, 0, &piece).await.unwrap();
    assert!(matches!(answer, PutAnswer::Committed { .. }));
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
    let read = provider.peer.get_bytes(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
    assert_eq!((read.as_ref(), provider.peer.peer_count()), (piece.as_slice(), 0));
}

/// At an address where no neighbour listens, it is reached over the network: a proxy there is not passed by.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_reach_each_other_without_a_connection_unless_another_address_is_meant() {
    let neighbours = Neighbours::default();
    let started = Peer::start(PeerConfig { neighbours: Some(neighbours.clone()), ..config(GENESIS) });
    let (near, far) = (started.await.unwrap(), client().await);
    let beside = Peer::start(PeerConfig { neighbours: Some(neighbours), ..config(GENESIS) }).await.unwrap();
    let provider = Provider::start_on(1, beside);
    let piece = bytes_of(1, 2 * MIB);
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
    assert!(matches!(provider.put(&near, 0, &piece).await.unwrap(), PutAnswer::Committed { .. }));
    let read = near.get_bytes(&provider.target(), hash, count, 0..u64::from(count)).await.unwrap();
    assert_eq!(near.have(&provider.target(), vec![hash]).await.unwrap(), [true]);
    assert_eq!((read.as_ref(), near.peer_count(), provider.peer.peer_count()), (piece.as_slice(), 0, 0));
    // Somebody of another process needs a connection.
    assert_eq!(far.have(&provider.target(), vec![hash]).await.unwrap(), [true]);
    assert_eq!((far.peer_count(), near.peer_count()), (1, 0));
    let elsewhere = PeerTarget { addresses: far.listen_addresses(), ..provider.target() };
    let refused = near.have(&elsewhere, vec![hash]).await;
    assert!(matches!(refused, Err(HaveError::Open { source: OpenError::Dial { .. }, .. })), "{refused:?}");
    // Once it has stopped, it is not there for neighbours either.
    provider.peer.stop().await;
    assert!(near.have(&provider.target(), vec![hash]).await.is_err());
}

/// What is handed over in memory is cut and joined as it is wanted, not as it was given.
#[tokio::test(flavor = "multi_thread")]
async fn units_and_windows_of_any_size_reach_a_neighbour_whole() {
    let provider = Provider::start(1).await;
    for (index, unit_bytes) in (0..).zip([1, 100, 65_536, 300_000, MIB]) {
        let piece = bytes_of(index, unit_bytes * 5 / 2 + 200);
        let (hash, count) = (PieceHash::of(&piece), u32::try_from(piece.len()).unwrap());
        let mut put = provider.peer.open_put(&provider.target(), open(index, piece.len())).await.unwrap();
        for unit in piece.chunks(unit_bytes) {
            put.send(&Bytes::copy_from_slice(unit)).await.unwrap();
        }
        assert!(matches!(put.finish(hash).await.unwrap(), PutAnswer::Committed { .. }));
        for window_bytes in [WINDOW_BYTES_MIN, 65_536, WINDOW_BYTES_MAX] {
            let range = 0..u64::from(count);
            let got = provider.peer.get_in_windows(&provider.target(), hash, count, range, window_bytes).await;
            let (mut slices, mut read) = (got.unwrap(), Vec::new());
            while let Some(slice) = slices.next().await.unwrap() {
                read.extend_from_slice(&slice.range_bytes());
            }
            assert!(read == piece, "units of {unit_bytes}, windows of {window_bytes}");
        }
    }
}

/// The deal of an upload that failed is used again. Whoever has promised both pieces must have both: either may be
/// recorded.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_piece_of_the_same_place_does_not_take_away_the_first() {
    let (provider, client) = (Provider::start(1).await, client().await);
    let (first, second) = (bytes_of(1, 1000), bytes_of(2, 2000));
    for piece in [&first, &second] {
        assert!(matches!(provider.put(&client, 0, piece).await.unwrap(), PutAnswer::Committed { .. }));
    }
    let hashes = vec![PieceHash::of(&first), PieceHash::of(&second)];
    assert_eq!(client.have(&provider.target(), hashes.clone()).await.unwrap(), [true, true]);
    assert_eq!(provider.store.rows_of(&deal(), 0, 0).unwrap().len(), 2);
    // Once the time has passed, only the recorded one stays.
    provider.store.sweep_unrecorded(u64::MAX, |key, _| key.piece_hash == hashes[0]).unwrap();
    assert_eq!(client.have(&provider.target(), hashes).await.unwrap(), [true, false]);
}

pub fn code_of(error: PutError) -> RefusalCode {
    match error {
        PutError::Refused { refusal, .. } => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Files in the folders of pieces and of temporary files.
pub fn files_in(dir: &std::path::Path) -> usize {
    fn count(dir: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&dir.join("files")) + count(&dir.join("tmp"))
}
