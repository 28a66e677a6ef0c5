//! Certificates, and the messages that carry them.

use malachite::app::consensus::LivenessMsg;
use malachite::app::types::core::{
    ExtendedCommitCertificate, ExtendedCommitSignature, PolkaCertificate, PolkaSignature, RoundCertificate,
    RoundCertificateType, RoundSignature, VoteType,
};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::crypto::{AccountId, Signature};
use runtime::types::{BlockHash, Height, VoteKind};

use super::super::{Mirrored, limits};
use super::messages::SignedVote;
use super::{defined, round, unvalue, value};
use crate::context::{ChainContext, ConsensusHeight};
use crate::types::{Address, Validators};

/// More signatures than validators are never honest, and cost a check each.
fn check_count(count: usize) -> Result<(), &'static str> {
    if count > Validators::COUNT_MAX { Err("more signatures than validators") } else { Ok(()) }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Polka {
    height: Height,
    round: Option<u32>,
    block: BlockHash,
    signatures: Vec<(AccountId, Signature)>,
}

impl Mirrored for PolkaCertificate<ChainContext> {
    const NAME: &'static str = "polka certificate";
    const BYTES_MAX: usize = limits::CERTIFICATE_BYTES;
    type Mirror = Polka;

    fn mirror(&self) -> Result<Polka, &'static str> {
        Ok(Polka {
            height: self.height.0,
            round: round(self.round),
            block: self.value_id,
            signatures: self.polka_signatures.iter().map(|signed| (signed.address.0, signed.signature)).collect(),
        })
    }

    fn restore(mirror: Polka) -> Result<Self, &'static str> {
        check_count(mirror.signatures.len())?;
        let signatures = mirror.signatures.into_iter();
        Ok(Self {
            height: ConsensusHeight(mirror.height),
            round: defined(mirror.round)?,
            value_id: mirror.block,
            polka_signatures: signatures.map(|(who, by)| PolkaSignature::new(Address(who), by)).collect(),
        })
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct RoundVote {
    kind: VoteKind,
    block: Option<BlockHash>,
    validator: AccountId,
    signature: Signature,
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum RoundKind {
    #[codec(index = 0)]
    Skip,
    #[codec(index = 1)]
    Precommit,
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct RoundVotes {
    height: Height,
    round: Option<u32>,
    kind: RoundKind,
    votes: Vec<RoundVote>,
}

impl RoundVotes {
    fn mirror(certificate: &RoundCertificate<ChainContext>) -> Self {
        let kind = match certificate.cert_type {
            RoundCertificateType::Skip => RoundKind::Skip,
            RoundCertificateType::Precommit => RoundKind::Precommit,
        };
        let votes = certificate.round_signatures.iter().map(|vote| RoundVote {
            kind: match vote.vote_type {
                VoteType::Prevote => VoteKind::Prevote,
                VoteType::Precommit => VoteKind::Precommit,
            },
            block: value(vote.value_id),
            validator: vote.address.0,
            signature: vote.signature,
        });
        Self { height: certificate.height.0, round: round(certificate.round), kind, votes: votes.collect() }
    }

    fn restore(self) -> Result<RoundCertificate<ChainContext>, &'static str> {
        check_count(self.votes.len())?;
        let cert_type = match self.kind {
            RoundKind::Skip => RoundCertificateType::Skip,
            RoundKind::Precommit => RoundCertificateType::Precommit,
        };
        let votes = self.votes.into_iter().map(|vote| {
            let kind = match vote.kind {
                VoteKind::Prevote => VoteType::Prevote,
                VoteKind::Precommit => VoteType::Precommit,
            };
            RoundSignature::new(kind, unvalue(vote.block), Address(vote.validator), vote.signature)
        });
        Ok(RoundCertificate {
            height: ConsensusHeight(self.height),
            round: defined(self.round)?,
            cert_type,
            round_signatures: votes.collect(),
        })
    }
}

#[derive(Encode, Decode, DecodeWithMemTracking)]
pub enum Liveness {
    #[codec(index = 0)]
    Vote(SignedVote),
    #[codec(index = 1)]
    Polka(Polka),
    #[codec(index = 2)]
    SkipRound(RoundVotes),
}

impl Mirrored for LivenessMsg<ChainContext> {
    const NAME: &'static str = "liveness message";
    const BYTES_MAX: usize = limits::LIVENESS_BYTES;
    type Mirror = Liveness;

    fn mirror(&self) -> Result<Liveness, &'static str> {
        match self {
            Self::Vote(vote) => SignedVote::mirror(vote).map(Liveness::Vote),
            Self::PolkaCertificate(certificate) => certificate.mirror().map(Liveness::Polka),
            Self::SkipRoundCertificate(certificate) => Ok(Liveness::SkipRound(RoundVotes::mirror(certificate))),
        }
    }

    fn restore(mirror: Liveness) -> Result<Self, &'static str> {
        match mirror {
            Liveness::Vote(vote) => Ok(Self::Vote(vote.restore())),
            Liveness::Polka(polka) => PolkaCertificate::restore(polka).map(Self::PolkaCertificate),
            Liveness::SkipRound(votes) => votes.restore().map(Self::SkipRoundCertificate),
        }
    }
}

/// A commit certificate as sync carries it.
#[derive(Encode, Decode, DecodeWithMemTracking)]
pub struct Commit {
    height: Height,
    round: Option<u32>,
    block: BlockHash,
    signatures: Vec<(AccountId, Signature)>,
}

impl Commit {
    pub fn mirror(certificate: &ExtendedCommitCertificate<ChainContext>) -> Result<Self, &'static str> {
        let mut signatures = Vec::with_capacity(certificate.commit_signatures.len());
        for signed in &certificate.commit_signatures {
            if signed.extension.is_some() {
                return Err("vote extensions are off");
            }
            signatures.push((signed.address.0, signed.signature));
        }
        let height = certificate.height.0;
        Ok(Self { height, round: round(certificate.round), block: certificate.value_id, signatures })
    }

    pub fn restore(self) -> Result<ExtendedCommitCertificate<ChainContext>, &'static str> {
        check_count(self.signatures.len())?;
        let signatures = self.signatures.into_iter();
        Ok(ExtendedCommitCertificate {
            height: ConsensusHeight(self.height),
            round: defined(self.round)?,
            value_id: self.block,
            commit_signatures: signatures
                .map(|(who, by)| ExtendedCommitSignature::new(Address(who), by, None))
                .collect(),
        })
    }
}
