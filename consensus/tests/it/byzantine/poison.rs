//! Messages that are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use consensus::formats::app::consensus::LivenessMsg;
use consensus::formats::app::streaming::StreamMessage;
use consensus::formats::app::types::PeerId;
use consensus::formats::app::types::SignedConsensusMsg;
use consensus::formats::app::types::codec::{Codec, HasEncodedLen};
use consensus::formats::app::types::core::ValidatorProof;
use consensus::formats::app::types::sync::{Request, Response, Status};
use consensus::formats::{ChainContext, CodecError, ConsensusHeight, ProposalPart, WireCodec, limits};
use consensus::peer_key;
use runtime::crypto::Signature;

use super::rogue::Rogue;
use super::{SEED, Stage};
use crate::support::soon;

/// Ways to spoil a message.
const WAYS: usize = 4;

/// Our codec, which spoils what it encodes once it is told to, in each way in turn.
#[derive(Clone, Default)]
pub struct Poison {
    spoils: bool,
    /// Those in whose names it says in turn that they are as far as can be.
    pub poses_as: Vec<PeerId>,
    /// Messages spoiled, by kind.
    votes: Arc<AtomicUsize>,
    parts: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

impl Poison {
    fn spoil(&self, bytes: Bytes, spoiled: &AtomicUsize, limit: usize) -> Bytes {
        if !self.spoils {
            return bytes;
        }
        let count = spoiled.fetch_add(1, Ordering::SeqCst);
        match count % WAYS {
            // It ends early.
            0 => bytes.slice(..bytes.len() / 2),
            // It goes on too long, for this type but not for the gossip.
            1 => [&bytes, vec![0; limit].as_slice()].concat().into(),
            // It is noise.
            2 => noise(count, bytes.len()),
            // Its lengths promise more than there is.
            _ => vec![0xff; bytes.len()].into(),
        }
    }
}

fn noise(count: usize, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    let seed = [SEED.to_le_bytes(), u64::try_from(count).unwrap().to_le_bytes()].concat();
    blake3::Hasher::new().update(&seed).finalize_xof().fill(&mut bytes);
    bytes.into()
}

macro_rules! poisoned {
    ($($message:ty, $spoiled:ident, $limit:expr;)*) => {$(
        impl Codec<$message> for Poison {
            type Error = CodecError;

            fn decode(&self, bytes: Bytes) -> Result<$message, CodecError> {
                WireCodec.decode(bytes)
            }

            fn encode(&self, message: &$message) -> Result<Bytes, CodecError> {
                Ok(self.spoil(WireCodec.encode(message)?, &self.$spoiled, $limit))
            }
        }
    )*};
}

poisoned!(
    ProposalPart, parts, limits::PART_BYTES;
    StreamMessage<ProposalPart>, parts, limits::STREAM_MESSAGE_BYTES;
    SignedConsensusMsg<ChainContext>, votes, limits::CONSENSUS_MESSAGE_BYTES;
    LivenessMsg<ChainContext>, others, limits::LIVENESS_BYTES;
    ValidatorProof<ChainContext>, others, limits::VALIDATOR_PROOF_BYTES;
    Request<ChainContext>, others, limits::REQUEST_BYTES;
    Response<ChainContext>, others, limits::STREAM_MESSAGE_BYTES;
);

impl Codec<Status<ChainContext>> for Poison {
    type Error = CodecError;

    fn decode(&self, bytes: Bytes) -> Result<Status<ChainContext>, CodecError> {
        WireCodec.decode(bytes)
    }

    fn encode(&self, status: &Status<ChainContext>) -> Result<Bytes, CodecError> {
        let mut status = status.clone();
        if !self.poses_as.is_empty() {
            let turn = self.others.fetch_add(1, Ordering::SeqCst) % self.poses_as.len();
            status.peer_id = self.poses_as[turn];
            status.tip_height = ConsensusHeight(u64::MAX);
        }
        Ok(self.spoil(WireCodec.encode(&status)?, &self.others, limits::STATUS_BYTES))
    }
}

impl HasEncodedLen<Response<ChainContext>> for Poison {
    fn encoded_len(&self, message: &Response<ChainContext>) -> Result<usize, CodecError> {
        WireCodec.encoded_len(message)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_that_do_not_decode_stop_nobody() {
    let mut stage = Stage::new();
    let index = stage.turn(3, 0);
    let poison = Poison { spoils: true, ..Poison::default() };
    stage.rogue(index, Rogue { poison: poison.clone(), ..Rogue::new() }).await;
    stage.others(&[index]).await;
    stage.all_reach(8).await;
    for spoiled in [&poison.votes, &poison.parts, &poison.others] {
        let spoiled = spoiled.load(Ordering::SeqCst);
        assert!(spoiled >= 1, "{poison:?}");
    }
    assert!(poison.votes.load(Ordering::SeqCst) >= WAYS, "{poison:?}");
    stage.end(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_says_in_anothers_name_how_far_that_one_is() {
    let mut stage = Stage::new();
    let id = |index: usize| peer_key(&stage.network.configs[index].network_secret).to_string().parse().unwrap();
    // More than the liars that a node allows for.
    let poison = Poison { poses_as: vec![id(0), id(1), id(2)], ..Poison::default() };
    stage.rogue(3, Rogue { poison: poison.clone(), ..Rogue::new() }).await;
    stage.others(&[3]).await;
    let mut said = stage.network.engines[0].as_ref().unwrap().peer_heights().watch();
    while poison.others.load(Ordering::SeqCst) < 30 {
        soon(said.changed()).await.unwrap();
        let best = stage.network.engines[0].as_ref().unwrap().peer_heights().best();
        assert!(best < Some(1_000_000), "{best:?}");
    }
    stage.end(3).await;
}

impl std::fmt::Debug for Poison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} votes, {:?} parts, {:?} others spoiled", self.votes, self.parts, self.others)
    }
}

/// Before each part come five that look like it.
fn crowded(part: ProposalPart) -> Vec<ProposalPart> {
    let with = |change: fn(&mut ProposalPart)| {
        let mut forged = part.clone();
        change(&mut forged);
        forged
    };
    vec![
        with(|part| part.signature = Signature::ZERO),
        with(|part| part.manifest.proposer = runtime::crypto::AccountId::ZERO),
        with(|part| part.bytes[0] ^= 1),
        with(|part| part.index = u16::MAX),
        with(|part| part.bytes = vec![0; limits::PART_BYTES - 4096]),
        part,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forged_parts_do_not_keep_the_real_ones_out() {
    let mut stage = Stage::new();
    let index = stage.turn(3, 0);
    stage.rogue(index, Rogue { parts: crowded, ..Rogue::new() }).await;
    stage.others(&[index]).await;
    stage.all_reach(8).await;
    let own: Vec<_> = stage.chain(index).proposed().iter().map(|(.., hash)| *hash).collect();
    // Its block is the one that is decided, in the round in which it was first proposed.
    let (block, certificate, _) = stage.chain(0).at(3);
    assert!(own.contains(&block.hash));
    assert_eq!(certificate.round, 0);
    stage.end(8).await;
}
