//! The chain as Malachite sees it: which types play which part, and whose turn it is.

use std::fmt;

use malachite::app::types::core::{self, Context, LinearTimeouts, NilOrVal, Round, VoteType};
use runtime::crypto::{KeyPair, PublicKey, Signature};
use runtime::types::{BlockHash, Height};

use crate::types::{Address, BlockRef, Proposal, ProposalPart, Validator, Validators, Vote};

/// The chain that is agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainContext {
    genesis: BlockHash,
}

impl ChainContext {
    /// The chain that began with this header.
    #[must_use]
    pub const fn new(genesis: BlockHash) -> Self {
        Self { genesis }
    }

    /// Hash of header 0.
    #[must_use]
    pub const fn genesis(&self) -> &BlockHash {
        &self.genesis
    }
}

/// A height, as the engine wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsensusHeight(pub Height);

impl fmt::Display for ConsensusHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for ConsensusHeight {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// sr25519 by `runtime::crypto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sr25519;

/// Bytes that are not key material of the right length.
#[derive(Debug, thiserror::Error)]
#[error("{found} bytes where {wanted} make a {what}")]
pub struct LengthError {
    what: &'static str,
    wanted: usize,
    found: usize,
}

impl core::SigningScheme for Sr25519 {
    type DecodingError = LengthError;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = KeyPair;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, LengthError> {
        let error = LengthError { what: "signature", wanted: Signature::LENGTH, found: bytes.len() };
        bytes.try_into().map(Signature::from_bytes).map_err(|_| error)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, LengthError> {
        let error = LengthError { what: "public key", wanted: PublicKey::LENGTH, found: bytes.len() };
        bytes.try_into().map(PublicKey::from_bytes).map_err(|_| error)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

impl Context for ChainContext {
    type Address = Address;
    type Height = ConsensusHeight;
    type ProposalPart = ProposalPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = LinearTimeouts;
    type Value = BlockRef;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Sr25519;

    fn select_proposer<'a>(&self, set: &'a Validators, height: ConsensusHeight, round: Round) -> &'a Validator {
        set.proposer(&self.genesis, height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: ConsensusHeight,
        round: Round,
        value: BlockRef,
        pol_round: Round,
        address: Address,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, address }
    }

    fn new_prevote(&self, height: ConsensusHeight, round: Round, value: NilOrVal<BlockHash>, address: Address) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(
        &self,
        height: ConsensusHeight,
        round: Round,
        value: NilOrVal<BlockHash>,
        address: Address,
    ) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, address }
    }
}
