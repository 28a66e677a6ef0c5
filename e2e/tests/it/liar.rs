//! A provider that lies: a peer of the test's own, which takes pieces, promises them and gives them by the real protocol
//! up to its lie. It has the keys of a dev provider and takes its place by transaction, as anybody's provider could.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dsn_messages::get::{GetReply, GetRequest, windows};
use dsn_messages::put::{Authority, PutAnswer, PutEnd, PutOpen, PutReply};
use dsn_messages::{FrameReader, Message, frame};
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Stream, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use pieces::{PieceHash, encode_slice, outboard};
use rand_core::OsRng;
use runtime::crypto::{KeyPair, PeerSignature, peer_binding_message};
use runtime::terms::commitment_for;
use runtime::types::{BlockHash, StorageCommitment};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

/// Longer than any unit may be: what is not one is no unit.
const UNIT_BYTES_MAX: u32 = 1024 * 1024;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// What it is asked for has one wrong bit, in the last byte of this window.
    FlippedBit { window: usize },
    /// Behind this window come bytes that belong to nothing.
    TooMany { window: usize },
    /// It closes the stream in the middle of this window.
    TooFew { window: usize },
    /// It gives another piece that it has, every byte of it proven.
    AnotherPiece,
    /// It says that it never had the piece.
    Denied,
    /// It promises to keep another piece than it was given.
    OtherHash,
    /// It promises to keep a byte less.
    OtherLength,
    /// It promises to keep the piece for a shorter time.
    EarlierEnd,
    /// Its promise is signed by a key that is not its service key.
    OtherSigner,
    /// It says that the piece is back where it was, which nobody asked.
    Restored,
    /// Its answer is no message.
    Noise,
    /// Its answer has a byte too many.
    LongAnswer,
    /// It closes the stream in the middle of its answer.
    ShortAnswer,
    /// It drops the stream in the middle of the piece.
    EndsInPiece,
}

/// Pieces that a liar has taken, by hash; the next one in its place has them too.
pub type Kept = Arc<parking_lot::Mutex<HashMap<PieceHash, Vec<u8>>>>;

/// What a liar is to the chain.
pub struct Identity {
    pub account: KeyPair,
    pub service: KeyPair,
    pub genesis: BlockHash,
    pub placement_epochs: u32,
}

/// The peer.
pub struct Liar {
    peer_id: String,
    address: Multiaddr,
    binding: Value,
    asked: Arc<AtomicUsize>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Liar {
    /// Of another `seed`, another key.
    pub async fn start(identity: &Arc<Identity>, kept: &Kept, lie: Lie, seed: u64) -> Self {
        let seed: [u8; 32] = e2e::bytes(seed, 32).try_into().unwrap();
        let message = peer_binding_message(&identity.genesis, &identity.account.account());
        let (key, signature) = PeerSignature::sign(&seed, &message);
        let (mut swarm, address) = listen(seed).await;
        let (asked, mut tasks) = (Arc::new(AtomicUsize::new(0)), Vec::new());
        for verb in ["put", "get"] {
            let protocol = StreamProtocol::try_from_owned(format!("/piecewise/{}/{verb}/1", identity.genesis));
            let mut incoming = swarm.behaviour().new_control().accept(protocol.unwrap()).unwrap();
            let (identity, kept, asked) = (Arc::clone(identity), Arc::clone(kept), Arc::clone(&asked));
            tasks.push(AbortOnDropHandle::new(tokio::spawn(async move {
                while let Some((_, stream)) = incoming.next().await {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let (identity, kept) = (Arc::clone(&identity), Arc::clone(&kept));
                    tokio::spawn(async move {
                        // Whoever is lied to may hang up.
                        let served = match verb {
                            "put" => take(stream, &identity, &kept, lie).await,
                            _ => give(stream, &kept, lie).await,
                        };
                        drop(served);
                    });
                }
            })));
        }
        let run = async move {
            loop {
                swarm.select_next_some().await;
            }
        };
        tasks.push(AbortOnDropHandle::new(tokio::spawn(run)));
        let binding = json!({ "peerId": key, "peerSignature": signature });
        Self { peer_id: key.to_string(), address, binding, asked, _tasks: tasks }
    }

    /// As the log names it.
    pub fn peer_id(&self) -> &str {
        &self.peer_id
    }

    /// What `providers.update` has to be told for it to take its provider's place.
    pub fn update(&self) -> Value {
        json!({ "peer": self.binding, "addresses": [self.address.to_string()] })
    }

    /// Streams that were opened to it.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn listen(seed: [u8; 32]) -> (Swarm<libp2p_stream::Behaviour>, Multiaddr) {
    let pair = Keypair::ed25519_from_bytes(seed).unwrap();
    let mut swarm = SwarmBuilder::with_existing_identity(pair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(60)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return (swarm, address);
        }
    }
}

async fn receive<M: Message>(stream: &mut Stream) -> io::Result<M> {
    let mut reader = FrameReader::default();
    loop {
        let read = stream.read(reader.wanted()).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(message) = reader.advance(read).map_err(io::Error::other)? {
            return Ok(message);
        }
    }
}

async fn take(mut stream: Stream, identity: &Identity, kept: &Kept, lie: Lie) -> io::Result<()> {
    let open: PutOpen = receive(&mut stream).await?;
    stream.write_all(&frame(&PutReply::Accepted)).await?;
    stream.flush().await?;
    let mut piece = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let unit_bytes = u32::from_be_bytes(length);
        if unit_bytes == 0 {
            break;
        }
        assert!(unit_bytes <= UNIT_BYTES_MAX);
        let start = piece.len();
        piece.resize(start + usize::try_from(unit_bytes).unwrap(), 0);
        stream.read_exact(&mut piece[start..]).await?;
        if lie == Lie::EndsInPiece {
            return Ok(());
        }
    }
    let end: PutEnd = receive(&mut stream).await?;
    assert_eq!(PieceHash::of(&piece), end.piece_hash);
    kept.lock().insert(end.piece_hash, piece);
    stream.write_all(&answer(&open, end, identity, lie)).await?;
    stream.close().await
}

fn answer(open: &PutOpen, end: PutEnd, identity: &Identity, lie: Lie) -> Vec<u8> {
    let Authority::Intent(signed) = &open.authority else { return frame(&PutAnswer::Restored) };
    let (PutEnd { piece_hash, piece_bytes }, account) = (end, identity.account.account());
    let PutOpen { segment, index, .. } = *open;
    let epochs = identity.placement_epochs;
    let honest = commitment_for(&signed.intent, epochs, segment, index, piece_hash, piece_bytes, account);
    let commitment = match lie {
        Lie::OtherHash => StorageCommitment { piece_hash: PieceHash::of(b"another"), ..honest },
        Lie::OtherLength => StorageCommitment { piece_bytes: piece_bytes - 1, ..honest },
        Lie::EarlierEnd => StorageCommitment { until_epoch: honest.until_epoch - 1, ..honest },
        _ => honest,
    };
    let signer = if lie == Lie::OtherSigner { &identity.account } else { &identity.service };
    let signature = commitment.sign(signer, OsRng);
    let mut answer = frame(&PutAnswer::Committed { commitment, signature });
    match lie {
        Lie::Restored => answer = frame(&PutAnswer::Restored),
        Lie::Noise => answer[4..].fill(0xee),
        Lie::LongAnswer => {
            answer.push(0);
            let length = u32::try_from(answer.len() - 4).unwrap();
            answer[..4].copy_from_slice(&length.to_be_bytes());
        }
        Lie::ShortAnswer => answer.truncate(answer.len() / 2),
        _ => {}
    }
    answer
}

async fn give(mut stream: Stream, kept: &Kept, lie: Lie) -> io::Result<()> {
    let request: GetRequest = receive(&mut stream).await?;
    let Some(piece) = find(&request, kept, lie) else {
        stream.write_all(&frame(&GetReply::NotFound)).await?;
        return stream.close().await;
    };
    stream.write_all(&frame(&GetReply::Found)).await?;
    let (hash, tree) = outboard(piece.as_slice(), u64::from(request.piece_bytes)).unwrap();
    let range = u64::from(request.start)..u64::from(request.end);
    for (window, range) in windows(range, request.window_bytes).enumerate() {
        let mut encoded = Vec::new();
        encode_slice(piece.as_slice(), &tree, hash, u64::from(request.piece_bytes), range, &mut encoded).unwrap();
        match lie {
            // The last byte is data, whatever the window.
            Lie::FlippedBit { window: wrong } if wrong == window => *encoded.last_mut().unwrap() ^= 1,
            Lie::TooMany { window: wrong } if wrong == window => encoded.extend_from_slice(&[0; 1000]),
            Lie::TooFew { window: wrong } if wrong == window => {
                stream.write_all(&encoded[..encoded.len() / 2]).await?;
                break;
            }
            _ => {}
        }
        stream.write_all(&encoded).await?;
    }
    stream.close().await
}

fn find(request: &GetRequest, kept: &Kept, lie: Lie) -> Option<Vec<u8>> {
    let kept = kept.lock();
    let piece_bytes = usize::try_from(request.piece_bytes).unwrap();
    let is_another = |hash: &PieceHash, piece: &[u8]| *hash != request.piece_hash && piece.len() == piece_bytes;
    match lie {
        Lie::Denied => None,
        Lie::AnotherPiece => kept.iter().find(|(hash, piece)| is_another(hash, piece)).map(|(_, piece)| piece.clone()),
        _ => kept.get(&request.piece_hash).cloned(),
    }
}
