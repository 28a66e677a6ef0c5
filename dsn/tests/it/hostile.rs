//! Peers that do not keep to the protocol.

use crate::support::{GENESIS, MIB, Provider, bytes_of, client, open};
use crate::transfer::files_in;
use dsn::protocol::get::{GetReply, GetRequest, WINDOW_BYTES};
use dsn::protocol::have::HaveReply;
use dsn::protocol::put::{PutAnswer, PutEnd, PutReply};
use dsn::{GetError, PeerTarget, PutOpen, RefusalCode};
use dsn_messages::share::{ShareReply, ShareRequest};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use parity_scale_codec::{Decode, DecodeAll as _, Encode};
use pieces::{PieceHash, encode_slice, outboard};
use runtime::crypto::PeerKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::task::AbortOnDropHandle;

/// A peer that speaks raw bytes.
pub struct Raw {
    key: PeerKey,
    address: Multiaddr,
    pub control: libp2p_stream::Control,
    _swarm: AbortOnDropHandle<()>,
}

impl Raw {
    pub async fn start() -> Self {
        let pair = Keypair::generate_ed25519();
        let key = pair.clone().try_into_ed25519().unwrap().public().to_bytes();
        let mut swarm: Swarm<libp2p_stream::Behaviour> = SwarmBuilder::with_existing_identity(pair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(60)))
            .build();
        let control = swarm.behaviour().new_control();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let run = async move {
            loop {
                swarm.select_next_some().await;
            }
        };
        Self { key: PeerKey::from_bytes(key), address, control, _swarm: AbortOnDropHandle::new(tokio::spawn(run)) }
    }

    pub fn target(&self) -> PeerTarget {
        PeerTarget { peer_key: self.key, addresses: vec![self.address.clone()] }
    }

    /// A stream to a provider, which first has to come to us, as this peer dials nobody.
    async fn open(&mut self, provider: &Provider, verb: &str) -> Stream {
        provider.peer.have(&self.target(), vec![]).await.unwrap_err();
        let peer: PeerId = provider.peer.peer_id().parse().unwrap();
        self.control.open_stream(peer, protocol(verb)).await.unwrap()
    }
}

pub fn protocol(verb: &str) -> StreamProtocol {
    StreamProtocol::try_from_owned(format!("/piecewise/{GENESIS}/{verb}/1")).unwrap()
}

pub fn frame(message: &impl Encode) -> Vec<u8> {
    let bytes = message.encode();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
}

pub async fn read_frame<M: Decode>(stream: &mut Stream) -> M {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut bytes).await.unwrap();
    M::decode_all(&mut bytes.as_slice()).unwrap()
}

/// Whatever still comes until the stream ends.
pub async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as good as an end.
    drop(stream.read_to_end(&mut bytes).await);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_ends_the_stream_and_nothing_else() {
    let (provider, client, mut raw) = (Provider::start(1).await, client().await, Raw::start().await);
    let oversized = u32::MAX.to_be_bytes().to_vec();
    let garbage = [&64_u32.to_be_bytes()[..], &[0xff; 64]].concat();
    let mut left_over = frame(&GetRequest {
        piece_hash: PieceHash::ZERO,
        piece_bytes: 10,
        start: 0,
        end: 10,
        window_bytes: WINDOW_BYTES,
    });
    left_over.push(0);
    let length = u32::try_from(left_over.len() - 4).unwrap();
    left_over[..4].copy_from_slice(&length.to_be_bytes());
    // A vector that claims 2^30 - 1 hashes.
    let bomb = [&4_u32.to_be_bytes()[..], &[0xfe, 0xff, 0xff, 0xff]].concat();
    for verb in ["put", "get", "have"] {
        for bytes in [&oversized, &garbage, &left_over, &bomb] {
            let mut stream = raw.open(&provider, verb).await;
            stream.write_all(bytes).await.unwrap();
            drop(stream.flush().await);
            assert_eq!(rest(&mut stream).await, b"", "{verb} {}", hex::encode(bytes));
        }
    }
    let piece = bytes_of(1, 1000);
    provider.put(&client, 0, &piece).await.unwrap();
    assert_eq!(client.have(&provider.target(), vec![PieceHash::of(&piece)]).await.unwrap(), [true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_hashes_are_refused() {
    let (provider, mut raw) = (Provider::start(1).await, Raw::start().await);
    let mut stream = raw.open(&provider, "have").await;
    stream.write_all(&frame(&vec![PieceHash::ZERO; 1024])).await.unwrap();
    assert!(matches!(read_frame(&mut stream).await, HaveReply::Held { bitmap } if bitmap == [0; 128]));
    let mut stream = raw.open(&provider, "have").await;
    // The provider may have closed the stream before all of it is written.
    drop(stream.write_all(&frame(&vec![PieceHash::ZERO; 1025])).await);
    assert_eq!(rest(&mut stream).await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bytes_than_announced_are_refused_and_nothing_is_kept() {
    let (provider, mut raw) = (Provider::start(1).await, Raw::start().await);
    for unit_bytes in [1001_u32, 1024 * 1024 + 1, u32::MAX] {
        let mut stream = raw.open(&provider, "put").await;
        stream.write_all(&frame(&open(0, 1000))).await.unwrap();
        assert_eq!(read_frame::<PutReply>(&mut stream).await, PutReply::Accepted);
        stream.write_all(&unit_bytes.to_be_bytes()).await.unwrap();
        let PutAnswer::Refused(refusal) = read_frame(&mut stream).await else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, RefusalCode::OutOfBounds);
    }
    assert_eq!(files_in(provider.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_counts_other_bytes_is_refused() {
    let (provider, mut raw) = (Provider::start(1).await, Raw::start().await);
    let piece = bytes_of(1, 1000);
    for piece_bytes in [999, 1001] {
        let mut stream = raw.open(&provider, "put").await;
        stream.write_all(&frame(&open(0, 2000))).await.unwrap();
        assert_eq!(read_frame::<PutReply>(&mut stream).await, PutReply::Accepted);
        let end = frame(&PutEnd { piece_hash: PieceHash::of(&piece), piece_bytes });
        let sent = [&1000_u32.to_be_bytes()[..], &piece, &[0; 4], &end].concat();
        stream.write_all(&sent).await.unwrap();
        let PutAnswer::Refused(refusal) = read_frame(&mut stream).await else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, RefusalCode::Mismatch);
    }
    assert_eq!(files_in(provider.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_windows_that_are_none_are_refused() {
    let (provider, client, mut raw) = (Provider::start(1).await, client().await, Raw::start().await);
    let piece = bytes_of(1, 1000);
    provider.put(&client, 0, &piece).await.unwrap();
    let good = GetRequest {
        piece_hash: PieceHash::of(&piece),
        piece_bytes: 1000,
        start: 0,
        end: 1000,
        window_bytes: WINDOW_BYTES,
    };
    for wrong in [
        GetRequest { end: 1001, ..good },
        GetRequest { start: 501, end: 500, ..good },
        GetRequest { start: u32::MAX, end: u32::MAX, ..good },
        GetRequest { window_bytes: 0, ..good },
        GetRequest { window_bytes: u32::MAX, ..good },
    ] {
        let mut stream = raw.open(&provider, "get").await;
        stream.write_all(&frame(&wrong)).await.unwrap();
        let GetReply::Refused(refusal) = read_frame(&mut stream).await else {
            panic!("not refused: {wrong:?}");
        };
        assert_eq!(refusal.code, RefusalCode::OutOfBounds);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_gives_no_byte_of_its_window() {
    let client = client().await;
    let piece = bytes_of(1, MIB);
    let (hash, count) = (PieceHash::of(&piece), u32::try_from(MIB).unwrap());
    for window in 0..4 {
        let liar = Liar::start(piece.clone(), Lie::FlipInWindow(window)).await;
        let mut slices = client.get(&liar.target(), hash, count, 0..u64::from(count)).await.unwrap();
        let mut verified = 0;
        let error = loop {
            match slices.next().await {
                Ok(slice) => verified += slice.expect("the lie comes before the end").bytes().len(),
                Err(error) => break error,
            }
        };
        assert!(error.is_lie() && matches!(error, GetError::Lie { .. }), "{error:?}");
        assert_eq!(verified, window * usize::try_from(WINDOW_BYTES).unwrap());
        assert!(slices.next().await.unwrap().is_none());
    }
}

/// How a holder lies.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    None,
    FlipInWindow(usize),
    EndInWindow(usize),
    TooManyInWindow(usize),
    SilentInWindow(usize),
    SilentFromTheStart,
    NotEvenHeader,
}

/// A holder of one piece that serves `get` in its own way.
pub struct Liar {
    raw: Raw,
    counts: Arc<Counts>,
    _accept: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    ended: AtomicUsize,
    sent_bytes: AtomicUsize,
}

impl Liar {
    pub async fn start(piece: Vec<u8>, lie: Lie) -> Self {
        let mut raw = Raw::start().await;
        let mut incoming = raw.control.accept(protocol("get")).unwrap();
        let counts = Arc::new(Counts::default());
        let (piece, shared) = (Arc::new(piece), Arc::clone(&counts));
        let accept = async move {
            while let Some((_, stream)) = incoming.next().await {
                let (piece, counts) = (Arc::clone(&piece), Arc::clone(&shared));
                tokio::spawn(async move {
                    counts.asked.fetch_add(1, Ordering::Relaxed);
                    serve(stream, &piece, lie, &counts).await;
                    counts.ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        };
        Self { raw, counts, _accept: AbortOnDropHandle::new(tokio::spawn(accept)) }
    }

    pub fn target(&self) -> PeerTarget {
        self.raw.target()
    }

    /// Asks a provider for the piece and says that it will pass it on. The answer.
    pub async fn offers_to_share(&mut self, provider: &Provider, get: GetRequest) -> ShareReply {
        let addresses = vec![self.raw.address.to_vec()];
        let mut stream = self.raw.open(provider, "share").await;
        stream.write_all(&frame(&ShareRequest { get, addresses })).await.unwrap();
        stream.flush().await.unwrap();
        read_frame(&mut stream).await
    }

    pub fn asked(&self) -> usize {
        self.counts.asked.load(Ordering::Relaxed)
    }

    pub fn ended(&self) -> usize {
        self.counts.ended.load(Ordering::Relaxed)
    }

    pub fn sent_bytes(&self) -> usize {
        self.counts.sent_bytes.load(Ordering::Relaxed)
    }
}

/// A provider that accepts every piece and then reads nothing.
pub struct Stuck {
    raw: Raw,
    _accept: AbortOnDropHandle<()>,
}

impl Stuck {
    pub async fn start() -> Self {
        let mut raw = Raw::start().await;
        let mut incoming = raw.control.accept(protocol("put")).unwrap();
        let accept = async move {
            let mut kept = Vec::new();
            while let Some((_, mut stream)) = incoming.next().await {
                read_frame::<PutOpen>(&mut stream).await;
                stream.write_all(&frame(&PutReply::Accepted)).await.unwrap();
                stream.flush().await.unwrap();
                kept.push(stream);
            }
        };
        Self { raw, _accept: AbortOnDropHandle::new(tokio::spawn(accept)) }
    }

    pub fn target(&self) -> PeerTarget {
        self.raw.target()
    }
}

async fn serve(mut stream: Stream, piece: &[u8], lie: Lie, counts: &Counts) {
    let request: GetRequest = read_frame(&mut stream).await;
    if matches!(lie, Lie::SilentFromTheStart) {
        rest(&mut stream).await;
        return;
    }
    let reply = if matches!(lie, Lie::NotEvenHeader) { vec![0xee; 100] } else { frame(&GetReply::Found) };
    if stream.write_all(&reply).await.is_err() || reply.len() == 100 {
        return;
    }
    let (hash, tree) = outboard(piece, u64::try_from(piece.len()).unwrap()).unwrap();
    let (mut start, end) = (u64::from(request.start), u64::from(request.end));
    let window_bytes = u64::from(request.window_bytes);
    for window in 0.. {
        if start >= end {
            break;
        }
        let behind = end.min((start / window_bytes + 1) * window_bytes);
        let mut encoded = Vec::new();
        encode_slice(piece, &tree, hash, u64::from(request.piece_bytes), start..behind, &mut encoded).unwrap();
        match lie {
            // The last byte is data, whatever the window.
            Lie::FlipInWindow(wrong) if wrong == window => *encoded.last_mut().unwrap() ^= 1,
            Lie::EndInWindow(last) if last == window => encoded.truncate(encoded.len() / 2),
            Lie::TooManyInWindow(wrong) if wrong == window => encoded.extend_from_slice(&[0; 1000]),
            Lie::SilentInWindow(last) if last == window => {
                rest(&mut stream).await;
                return;
            }
            _ => {}
        }
        let is_cut = matches!(lie, Lie::EndInWindow(last) if last == window);
        if stream.write_all(&encoded).await.is_err() || is_cut {
            break;
        }
        counts.sent_bytes.fetch_add(encoded.len(), Ordering::Relaxed);
        start = behind;
    }
    drop(stream.close().await);
}
