//! Votes and commit certificates: how the chain shows that more than two thirds agreed on a block.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use thiserror::Error;

use super::{BlockHash, Height, ValidatorSet};
use crate::crypto::{AccountId, Purpose, Signature, SignedMessage, verify_batch};

/// `tag ‖ genesis ‖ body`: what consensus keys sign, for each kind of message its own tag.
#[must_use]
pub fn consensus_message(tag: &[u8], genesis: &BlockHash, body: &[u8]) -> Vec<u8> {
    [tag, genesis.as_ref(), body].concat()
}

/// Which of the two votes of a round.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen,
)]
pub enum VoteKind {
    /// "I would agree to this."
    #[codec(index = 0)]
    Prevote,
    /// "I have seen two thirds who would."
    #[codec(index = 1)]
    Precommit,
}

/// A vote of one validator in one round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct Vote {
    /// Prevote or precommit.
    pub kind: VoteKind,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: u32,
    /// The block, or none.
    pub block: Option<BlockHash>,
    /// Who votes.
    pub validator: AccountId,
}

impl Vote {
    /// What the validator's consensus key signs.
    #[must_use]
    pub fn payload(&self, genesis: &BlockHash) -> Vec<u8> {
        consensus_message(b"piecewise/vote/v1", genesis, &self.encode())
    }
}

/// One precommit of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct CommitSignature {
    /// Who voted.
    pub validator: AccountId,
    /// By the validator's consensus key over its precommit.
    pub signature: Signature,
}

/// Precommits of more than two thirds of the voting power for one block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct CommitCertificate {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// The block.
    pub block_hash: BlockHash,
    /// The precommits.
    pub signatures: Vec<CommitSignature>,
}

/// Why a certificate does not show agreement.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// A signer is not in the set.
    #[error("{0} is not a validator of this height")]
    Stranger(AccountId),
    /// A signer appears twice.
    #[error("{0} signed twice")]
    Twice(AccountId),
    /// Not more than two thirds of the power.
    #[error("voting power {power} is not more than two thirds of {total}")]
    TooFew {
        /// Power that signed.
        power: u64,
        /// Power of the set.
        total: u64,
    },
    /// A signature does not hold.
    #[error("a precommit's signature does not hold")]
    Signature,
}

impl CommitCertificate {
    /// The vote that `validator` signed in this certificate.
    #[must_use]
    pub const fn precommit(&self, validator: AccountId) -> Vote {
        Vote {
            kind: VoteKind::Precommit,
            height: self.height,
            round: self.round,
            block: Some(self.block_hash),
            validator,
        }
    }

    /// Checks that validators of `set` with more than two thirds of its power signed.
    ///
    /// # Errors
    /// [`CertificateError`] names the first reason why not.
    pub fn verify(&self, genesis: &BlockHash, set: &ValidatorSet) -> Result<(), CertificateError> {
        let mut seen = std::collections::BTreeSet::new();
        let mut batch = Vec::new();
        let mut power = 0u64;
        for CommitSignature { validator, signature } in &self.signatures {
            let entry = set.get(validator).ok_or(CertificateError::Stranger(*validator))?;
            if !seen.insert(*validator) {
                return Err(CertificateError::Twice(*validator));
            }
            power = power.saturating_add(entry.power);
            batch.push(SignedMessage {
                key: entry.consensus_key,
                purpose: Purpose::Consensus,
                message: self.precommit(*validator).payload(genesis),
                signature: *signature,
            });
        }
        let total = set.total_power();
        if u128::from(power) * 3 <= u128::from(total) * 2 {
            return Err(CertificateError::TooFew { power, total });
        }
        verify_batch(&batch).map_err(|_| CertificateError::Signature)
    }
}
