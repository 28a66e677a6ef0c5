//! Peers of the storage network that do not keep to its protocols, or lie to it.

use dsn_messages::frame;
use dsn_messages::get::{GetRequest, WINDOW_BYTES};
use e2e::bytes;
use e2e::cluster::Part;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use parity_scale_codec::Encode as _;
use pieces::PieceHash;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{ATTACKED, Besieged, MIB, runs};
use crate::intruders::{liar, nowhere, stranger};
use crate::world::FOUR;

/// Streams that one peer reads nothing from; it may have 128.
const STALLED: usize = 100;
/// Bytes of each piece they ask for.
const PIECE_BYTES: usize = 4 << 20;
/// Records and keys that a liar wants to have kept.
const FORGED: u32 = 2_000;
/// Peers that a liar makes up.
const MADE_UP: u32 = 1_000;

/// A peer of the storage network that speaks raw bytes.
struct Raw {
    peer: PeerId,
    genesis: String,
    control: libp2p_stream::Control,
    _runs: AbortOnDropHandle<()>,
}

impl Raw {
    /// One that is connected with the peer at this address.
    async fn at(address: Multiaddr, genesis: String) -> Self {
        let (mut swarm, _) = stranger(|_| libp2p_stream::Behaviour::new()).await;
        let control = swarm.behaviour().new_control();
        swarm.dial(address).unwrap();
        let peer = loop {
            if let SwarmEvent::ConnectionEstablished { peer_id, .. } = swarm.select_next_some().await {
                break peer_id;
            }
        };
        Self { peer, genesis, control, _runs: runs(swarm) }
    }

    /// A stream on which these bytes were sent.
    async fn sends(&mut self, verb: &str, bytes: &[u8]) -> Stream {
        let protocol = StreamProtocol::try_from_owned(format!("/piecewise/{}/{verb}/1", self.genesis)).unwrap();
        let mut stream = self.control.open_stream(self.peer, protocol).await.unwrap();
        // The node may have closed the stream before all of it is written.
        drop(stream.write_all(bytes).await);
        drop(stream.flush().await);
        stream
    }
}

async fn rest(mut stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as good as an end.
    drop(stream.read_to_end(&mut bytes).await);
    bytes
}

/// Beginnings of a stream that are none: too long, no message, a byte too many, more entries than bytes.
fn no_messages() -> Vec<Vec<u8>> {
    let request =
        GetRequest { piece_hash: PieceHash::ZERO, piece_bytes: 10, start: 0, end: 10, window_bytes: WINDOW_BYTES };
    // With no addresses behind it, what asks for a piece would ask to share it.
    let trailing = [request.encode(), vec![0, 0]].concat();
    let length = u32::try_from(trailing.len()).unwrap().to_be_bytes();
    vec![
        [&u32::MAX.to_be_bytes()[..], bytes(1, 1 << 20).as_slice()].concat(),
        [&64_u32.to_be_bytes()[..], &[0xff; 64]].concat(),
        [&length[..], &trailing].concat(),
        [&4_u32.to_be_bytes()[..], &[0xfe, 0xff, 0xff, 0xff]].concat(),
    ]
}

/// The piece of the file that the attacked node keeps.
async fn piece_of(besieged: &mut Besieged, file: &Value) -> Value {
    let located = besieged.world.node(ATTACKED).ok("storage_locate", json!([file])).await.unwrap();
    let own = besieged.world.peer_id(ATTACKED).await;
    let mut pieces = located["segments"][0]["pieces"].as_array().unwrap().iter();
    pieces.find(|piece| piece["peerId"] == json!(own)).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_ends_its_stream_and_who_never_reads_is_given_up() {
    let mut besieged = Besieged::start().await;
    let receipt = besieged.world.submit_over_http(ATTACKED, &bytes(99, 2 * PIECE_BYTES)).await;
    let piece = piece_of(&mut besieged, &receipt["fileId"]).await;
    besieged.before_bytes = besieged.peak_bytes();
    let (address, genesis) = (besieged.storage_address(ATTACKED).await, besieged.world.genesis(ATTACKED).await);
    let mut raw = Raw::at(address, genesis).await;
    for verb in ["put", "get", "have", "share"] {
        for bytes in no_messages() {
            let stream = raw.sends(verb, &bytes).await;
            assert_eq!(rest(stream).await, b"", "{verb}");
        }
    }
    let size = u32::try_from(piece["size"].as_u64().unwrap()).unwrap();
    assert!(u64::from(size) >= 4 * MIB, "{piece}");
    let piece_hash: PieceHash = piece["hash"].as_str().unwrap().parse().unwrap();
    let get = frame(&GetRequest { piece_hash, piece_bytes: size, start: 0, end: size, window_bytes: WINDOW_BYTES });
    let provider = piece["provider"].as_str().unwrap();
    let failed = format!("piecewise_pieces_got_total{{provider=\"{provider}\",outcome=\"failed\"}}");
    let before = besieged.world.metric(ATTACKED, &failed).await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        stalled.push(raw.sends("get", &get).await);
    }
    besieged.goes_on().await;
    besieged.counts(ATTACKED, &failed, before + u64::try_from(STALLED).unwrap()).await;
    for stream in stalled {
        assert!(rest(stream).await.len() < PIECE_BYTES, "it was given all of the piece");
    }
    besieged.goes_on().await;
    // All they asked for is 400 MiB.
    besieged.cost_at_most(128 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_records_are_not_kept_and_made_up_peers_keep_nobody_from_the_real_ones() {
    let mut besieged = Besieged::start().await;
    let (address, genesis) = (besieged.storage_address(ATTACKED).await, besieged.world.genesis(ATTACKED).await);
    let peer: PeerId = besieged.world.peer_id(ATTACKED).await.parse().unwrap();
    let (mut forger, _) = stranger(liar(&genesis)).await;
    forger.behaviour_mut().forges(peer, address, FORGED);
    let _forges = runs(forger);
    let (mut liar, lies) = stranger(liar(&genesis)).await;
    for number in 0..MADE_UP {
        liar.behaviour_mut().table.add_address(&PeerId::random(), nowhere(number));
    }
    for index in 1..FOUR.len() {
        let honest: PeerId = besieged.world.peer_id(index).await.parse().unwrap();
        liar.behaviour_mut().table.add_address(&honest, nowhere(MADE_UP));
    }
    let _lies = runs(liar);
    besieged.counts(ATTACKED, "piecewise_dsn_records_refused_total", 500).await;
    besieged.goes_on().await;
    // A new node that was told of the liar first, and of the node that was lied to.
    besieged.world.cluster.do_not_introduce();
    let late = besieged.world.add(Part::Full);
    let address = besieged.world.storage_address(ATTACKED).await;
    besieged.world.start_with(late, &["--bootnodes", &lies.to_string(), "--bootnodes", &address]);
    for index in 1..FOUR.len() {
        let honest = besieged.world.peer_id(index).await;
        besieged.world.node(late).has_said(&format!("met a peer peer={honest}")).unwrap();
    }
    let head = besieged.world.head(ATTACKED).await;
    besieged.world.reaches(late, head).await;
    let (file, data) = besieged.file.clone();
    assert!(besieged.world.retrieve(late, &file).await == data);
    besieged.goes_on().await;
    besieged.cost_at_most(64 * MIB);
}
