//! Votes.

use malachite::app::types::core::{self, NilOrVal, Round, SignedExtension, VoteType};
use runtime::types::{self, BlockHash, VoteKind};

use super::Address;
use crate::context::{ChainContext, ConsensusHeight};

/// A vote. It cannot carry an extension: the policy of every height is that there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Height voted on.
    pub height: ConsensusHeight,
    /// Round voted in.
    pub round: Round,
    /// The block, or none.
    pub value: NilOrVal<BlockHash>,
    /// Who votes.
    pub address: Address,
}

impl Vote {
    /// The vote as `runtime` defines, signs and certifies it; none if the round is undefined, which nobody may sign.
    #[must_use]
    pub fn to_runtime(&self) -> Option<types::Vote> {
        let block = match self.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(hash) => Some(hash),
        };
        let kind = match self.kind {
            VoteType::Prevote => VoteKind::Prevote,
            VoteType::Precommit => VoteKind::Precommit,
        };
        let round = self.round.as_u32()?;
        Some(types::Vote { kind, height: self.height.0, round, block, validator: self.address.0 })
    }
}

impl From<types::Vote> for Vote {
    fn from(vote: types::Vote) -> Self {
        let kind = match vote.kind {
            VoteKind::Prevote => VoteType::Prevote,
            VoteKind::Precommit => VoteType::Precommit,
        };
        Self {
            kind,
            height: ConsensusHeight(vote.height),
            round: Round::new(vote.round),
            value: vote.block.map_or(NilOrVal::Nil, NilOrVal::Val),
            address: Address(vote.validator),
        }
    }
}

impl core::Vote<ChainContext> for Vote {
    fn height(&self) -> ConsensusHeight {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockHash> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockHash> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&SignedExtension<ChainContext>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<ChainContext>> {
        None
    }

    fn extend(self, _: SignedExtension<ChainContext>) -> Self {
        self
    }
}
