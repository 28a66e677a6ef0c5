//! Proposals.

use malachite::app::types::core::{self, Round};
use parity_scale_codec::Encode;
use runtime::types::{BlockHash, consensus_message};

use super::{Address, BlockRef};
use crate::context::{ChainContext, ConsensusHeight};

/// "In this round, vote on this block."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Height proposed for.
    pub height: ConsensusHeight,
    /// Round proposed in.
    pub round: Round,
    /// The block.
    pub value: BlockRef,
    /// The earlier round in which two thirds prevoted for it, if it is proposed again.
    pub pol_round: Round,
    /// Who proposes.
    pub address: Address,
}

impl Proposal {
    /// What the proposer's consensus key signs; none if the round is undefined.
    #[must_use]
    pub fn payload(&self, genesis: &BlockHash) -> Option<Vec<u8>> {
        let body = (self.height.0, self.round.as_u32()?, self.value.0, self.pol_round.as_u32(), self.address.0);
        Some(consensus_message(b"piecewise/proposal/v1", genesis, &body.encode()))
    }
}

impl core::Proposal<ChainContext> for Proposal {
    fn height(&self) -> ConsensusHeight {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockRef {
        &self.value
    }

    fn take_value(self) -> BlockRef {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}
