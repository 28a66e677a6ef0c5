//! Parts, votes, proposals, validator proofs, and the values in the log.

use malachite::app::streaming::{StreamContent, StreamId, StreamMessage};
use malachite::app::types::core::{SignedMessage, SigningScheme, ValidatorProof, Validity};
use malachite::app::types::{ProposedValue, SignedConsensusMsg};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::crypto::{AccountId, Signature};
use runtime::types::{self, BlockHash, Height};

use super::super::{Mirrored, limits};
use super::{defined, round};
use crate::context::{ChainContext, ConsensusHeight, Sr25519};
use crate::types::{Address, BlockRef, Proposal, ProposalPart, Vote};

impl Mirrored for ProposalPart {
    const NAME: &'static str = "proposal part";
    const BYTES_MAX: usize = limits::PART_BYTES;
    type Mirror = Self;

    fn mirror(&self) -> Result<Self, &'static str> {
        Ok(self.clone())
    }

    fn restore(mirror: Self) -> Result<Self, &'static str> {
        Ok(mirror)
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum Content {
    #[codec(index = 0)]
    Data(Box<ProposalPart>),
    #[codec(index = 1)]
    Fin,
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Stream {
    stream_id: Vec<u8>,
    sequence: u64,
    content: Content,
}

impl Mirrored for StreamMessage<ProposalPart> {
    const NAME: &'static str = "stream message";
    const BYTES_MAX: usize = limits::STREAM_MESSAGE_BYTES;
    type Mirror = Stream;

    fn mirror(&self) -> Result<Stream, &'static str> {
        let content = match &self.content {
            StreamContent::Data(part) => Content::Data(Box::new(part.clone())),
            StreamContent::Fin => Content::Fin,
        };
        Ok(Stream { stream_id: self.stream_id.to_bytes().to_vec(), sequence: self.sequence, content })
    }

    fn restore(mirror: Stream) -> Result<Self, &'static str> {
        if mirror.stream_id.len() > limits::STREAM_ID_BYTES {
            return Err("the stream's name is too long");
        }
        let content = match mirror.content {
            Content::Data(part) => StreamContent::Data(*part),
            Content::Fin => StreamContent::Fin,
        };
        Ok(Self::new(StreamId::new(mirror.stream_id.into()), mirror.sequence, content))
    }
}

/// A vote is encoded as `runtime` defines it: what is sent is what is signed.
#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct SignedVote {
    vote: types::Vote,
    signature: Signature,
}

impl SignedVote {
    pub fn mirror(signed: &SignedMessage<ChainContext, Vote>) -> Result<Self, &'static str> {
        let vote = signed.message.to_runtime().ok_or("a vote without a round")?;
        Ok(Self { vote, signature: signed.signature })
    }

    pub fn restore(self) -> SignedMessage<ChainContext, Vote> {
        SignedMessage::new(self.vote.into(), self.signature)
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct SignedProposal {
    height: Height,
    round: Option<u32>,
    block: BlockHash,
    pol_round: Option<u32>,
    proposer: AccountId,
    signature: Signature,
}

impl SignedProposal {
    fn mirror(signed: &SignedMessage<ChainContext, Proposal>) -> Self {
        let Proposal { height, round: in_round, value, pol_round, address } = signed.message;
        Self {
            height: height.0,
            round: round(in_round),
            block: value.0,
            pol_round: round(pol_round),
            proposer: address.0,
            signature: signed.signature,
        }
    }

    fn restore(self) -> Result<SignedMessage<ChainContext, Proposal>, &'static str> {
        let proposal = Proposal {
            height: ConsensusHeight(self.height),
            round: defined(self.round)?,
            value: BlockRef(self.block),
            pol_round: self.pol_round.into(),
            address: Address(self.proposer),
        };
        Ok(SignedMessage::new(proposal, self.signature))
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum Signed {
    #[codec(index = 0)]
    Vote(SignedVote),
    #[codec(index = 1)]
    Proposal(SignedProposal),
}

impl Mirrored for SignedConsensusMsg<ChainContext> {
    const NAME: &'static str = "signed consensus message";
    const BYTES_MAX: usize = limits::CONSENSUS_MESSAGE_BYTES;
    type Mirror = Signed;

    fn mirror(&self) -> Result<Signed, &'static str> {
        match self {
            Self::Vote(vote) => SignedVote::mirror(vote).map(Signed::Vote),
            Self::Proposal(proposal) => Ok(Signed::Proposal(SignedProposal::mirror(proposal))),
        }
    }

    fn restore(mirror: Signed) -> Result<Self, &'static str> {
        match mirror {
            Signed::Vote(vote) => Ok(Self::Vote(vote.restore())),
            Signed::Proposal(proposal) => proposal.restore().map(Self::Proposal),
        }
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Proof {
    public_key: Vec<u8>,
    peer_id: Vec<u8>,
    signature: Signature,
}

impl Mirrored for ValidatorProof<ChainContext> {
    const NAME: &'static str = "validator proof";
    const BYTES_MAX: usize = limits::VALIDATOR_PROOF_BYTES;
    type Mirror = Proof;

    fn mirror(&self) -> Result<Proof, &'static str> {
        Ok(Proof { public_key: self.public_key.clone(), peer_id: self.peer_id.clone(), signature: self.signature })
    }

    fn restore(mirror: Proof) -> Result<Self, &'static str> {
        Sr25519::decode_public_key(&mirror.public_key).map_err(|_| "the key has another length")?;
        Ok(Self::new(mirror.public_key, mirror.peer_id, mirror.signature))
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Proposed {
    height: Height,
    round: Option<u32>,
    valid_round: Option<u32>,
    proposer: AccountId,
    block: BlockHash,
    valid: bool,
}

impl Mirrored for ProposedValue<ChainContext> {
    const NAME: &'static str = "proposed value";
    const BYTES_MAX: usize = limits::PROPOSED_VALUE_BYTES;
    type Mirror = Proposed;

    fn mirror(&self) -> Result<Proposed, &'static str> {
        Ok(Proposed {
            height: self.height.0,
            round: round(self.round),
            valid_round: round(self.valid_round),
            proposer: self.proposer.0,
            block: self.value.0,
            valid: self.validity.is_valid(),
        })
    }

    fn restore(mirror: Proposed) -> Result<Self, &'static str> {
        Ok(Self {
            height: ConsensusHeight(mirror.height),
            round: defined(mirror.round)?,
            valid_round: mirror.valid_round.into(),
            proposer: Address(mirror.proposer),
            value: BlockRef(mirror.block),
            validity: Validity::from_bool(mirror.valid),
        })
    }
}
