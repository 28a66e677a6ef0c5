//! One of each message, from a handful of numbers.

use bytes::Bytes;
use consensus::formats::app::consensus::LivenessMsg;
use consensus::formats::app::streaming::{StreamContent, StreamId, StreamMessage};
use consensus::formats::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, PolkaCertificate, PolkaSignature, Round,
    RoundCertificate, RoundCertificateType, RoundSignature, SignedMessage, ValidatorProof, Validity, VoteType,
};
use consensus::formats::app::types::sync::{RawDecidedValue, Request, Response, Status};
use consensus::formats::app::types::{PeerId, ProposedValue, SignedConsensusMsg};
use consensus::formats::{
    Address, BlockRef, ChainContext, ConsensusHeight, PartManifest, Proposal, ProposalPart, ValueRequest,
    ValueResponse, Vote,
};
use runtime::crypto::{AccountId, Signature};
use runtime::types::BlockHash;

type Chain = ChainContext;

/// What the samples are made from.
#[derive(Clone, Debug)]
pub struct Seed {
    pub height: u64,
    pub round: Option<u32>,
    pub byte: u8,
    pub count: u8,
    pub flag: bool,
}

impl Seed {
    pub fn height(&self) -> ConsensusHeight {
        ConsensusHeight(self.height)
    }

    fn round(&self) -> Round {
        Round::new(self.round.unwrap_or(0))
    }

    /// The rounds that may be undefined.
    fn earlier_round(&self) -> Round {
        self.round.into()
    }

    fn hash(&self) -> BlockHash {
        BlockHash::from_bytes([self.byte; 32])
    }

    fn account(&self, index: u8) -> AccountId {
        AccountId::from_bytes([self.byte ^ index; 32])
    }

    fn signature(&self, index: u8) -> Signature {
        Signature::from_bytes([self.byte.wrapping_add(index); 64])
    }

    fn value(&self) -> NilOrVal<BlockHash> {
        if self.flag { NilOrVal::Val(self.hash()) } else { NilOrVal::Nil }
    }

    fn kind(&self) -> VoteType {
        if self.flag { VoteType::Prevote } else { VoteType::Precommit }
    }

    pub fn vote(&self) -> SignedMessage<Chain, Vote> {
        let (round, address) = (self.round(), Address(self.account(0)));
        let vote = Vote { kind: self.kind(), height: self.height(), round, value: self.value(), address };
        SignedMessage::new(vote, self.signature(1))
    }

    pub fn proposal(&self) -> SignedMessage<Chain, Proposal> {
        let proposal = Proposal {
            height: self.height(),
            round: Round::new(u32::from(self.count)),
            value: BlockRef(self.hash()),
            pol_round: self.earlier_round(),
            address: Address(self.account(0)),
        };
        SignedMessage::new(proposal, self.signature(2))
    }

    pub fn part(&self) -> ProposalPart {
        let manifest = PartManifest {
            height: self.height,
            round: self.round.unwrap_or(3),
            proposer: self.account(1),
            block_hash: self.hash(),
            block_bytes: 1000,
            part_bytes: 300,
            digests: (0..self.count % 64).map(|index| [index; 32]).collect(),
        };
        let bytes = vec![self.byte; usize::from(self.count)];
        ProposalPart { manifest, signature: self.signature(3), index: u16::from(self.byte), bytes }
    }

    pub fn stream(&self) -> StreamMessage<ProposalPart> {
        let content = if self.flag { StreamContent::Data(self.part()) } else { StreamContent::Fin };
        let id = StreamId::new(Bytes::from(vec![self.byte; usize::from(self.count % 64)]));
        StreamMessage::new(id, u64::from(self.count), content)
    }

    pub fn consensus(&self) -> SignedConsensusMsg<Chain> {
        match self.byte % 2 {
            0 => SignedConsensusMsg::Vote(self.vote()),
            _ => SignedConsensusMsg::Proposal(self.proposal()),
        }
    }

    pub fn polka(&self) -> PolkaCertificate<Chain> {
        let signed = |index| PolkaSignature::new(Address(self.account(index)), self.signature(index));
        PolkaCertificate {
            height: self.height(),
            round: self.round(),
            value_id: self.hash(),
            polka_signatures: (0..self.count).map(signed).collect(),
        }
    }

    pub fn round_votes(&self) -> RoundCertificate<Chain> {
        let voted =
            |index| RoundSignature::new(self.kind(), self.value(), Address(self.account(index)), self.signature(index));
        let cert_type = if self.flag { RoundCertificateType::Skip } else { RoundCertificateType::Precommit };
        let round_signatures = (0..self.count).map(voted).collect();
        RoundCertificate { height: self.height(), round: self.round(), cert_type, round_signatures }
    }

    pub fn liveness(&self) -> LivenessMsg<Chain> {
        match self.byte % 3 {
            0 => LivenessMsg::Vote(self.vote()),
            1 => LivenessMsg::PolkaCertificate(self.polka()),
            _ => LivenessMsg::SkipRoundCertificate(self.round_votes()),
        }
    }

    pub fn proof(&self) -> ValidatorProof<Chain> {
        ValidatorProof::new(vec![self.byte; 32], vec![self.count; 38], self.signature(4))
    }

    pub fn proposed(&self) -> ProposedValue<Chain> {
        ProposedValue {
            height: self.height(),
            round: Round::new(u32::from(self.count)),
            valid_round: self.earlier_round(),
            proposer: Address(self.account(0)),
            value: BlockRef(self.hash()),
            validity: Validity::from_bool(self.flag),
        }
    }

    pub fn status(&self) -> Status<Chain> {
        // The identity multihash of an ed25519 key, as libp2p encodes it.
        let id = [&[0x00, 0x24, 0x08, 0x01, 0x12, 0x20], [self.byte; 32].as_slice()].concat();
        Status {
            peer_id: PeerId::from_bytes(&id).unwrap(),
            tip_height: self.height(),
            history_min_height: ConsensusHeight(u64::from(self.count)),
        }
    }

    pub fn request(&self) -> Request<Chain> {
        let to = ConsensusHeight(self.height.saturating_add(u64::from(self.count)));
        Request::ValueRequest(ValueRequest::new(self.height()..=to))
    }

    pub fn response(&self) -> Response<Chain> {
        let signed = |index| ExtendedCommitSignature::new(Address(self.account(index)), self.signature(index), None);
        let certificate = ExtendedCommitCertificate {
            height: self.height(),
            round: self.round(),
            value_id: self.hash(),
            commit_signatures: (0..self.count % 7).map(signed).collect(),
        };
        let value = RawDecidedValue::new(Bytes::from(vec![self.byte; usize::from(self.count)]), certificate);
        let values = vec![value; usize::from(self.count % 4)];
        Response::ValueResponse(ValueResponse::new(self.height(), values))
    }
}
