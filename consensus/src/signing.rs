//! Signs and checks votes, proposals, part manifests and proofs of validator.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use fail::fail_point;
use malachite::app::types::core::{SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};
use malachite_signing::{Error, Signer, VerificationResult, Verifier};
use rand_core::OsRng;
use runtime::crypto::{AccountId, KeyPair, PublicKey, Purpose, Signature};
use runtime::types::{BlockHash, Height};

use crate::config::ValidatorKey;
use crate::context::{ChainContext, Sr25519};
use crate::error::{GuardError, chain};
use crate::guard::{Guard, Sealed, SignedKind, UNKNOWN};
use crate::types::{PartManifest, Proposal, Vote};

/// Signs with one validator's key. Votes and proposals pass the guard file first, and it is synced before a signature
/// leaves.
#[derive(Clone, Debug)]
pub struct ConsensusSigner {
    genesis: BlockHash,
    validator: ValidatorKey,
    guard: Arc<Mutex<Guard>>,
    refusal: Arc<OnceLock<String>>,
}

impl ConsensusSigner {
    /// Opens the guard file at `path` for this key, or makes it for a key that has signed nothing.
    ///
    /// # Errors
    /// [`GuardError`] if it cannot be used.
    pub fn open(genesis: BlockHash, validator: ValidatorKey, path: &Path) -> Result<Self, GuardError> {
        Self::open_by(genesis, validator, path, Guard::open)
    }

    /// As [`ConsensusSigner::open`], but if there is no file, it signs nothing until [`ConsensusSigner::set_floor`] says
    /// from where on.
    ///
    /// # Errors
    /// As [`ConsensusSigner::open`].
    pub fn open_unknowing(genesis: BlockHash, validator: ValidatorKey, path: &Path) -> Result<Self, GuardError> {
        Self::open_by(genesis, validator, path, Guard::open_unknowing)
    }

    fn open_by(
        genesis: BlockHash,
        validator: ValidatorKey,
        path: &Path,
        open: impl FnOnce(&Path, [u8; 32]) -> Result<Guard, GuardError>,
    ) -> Result<Self, GuardError> {
        let mut identity = blake3::Hasher::new_derive_key("piecewise guard file v1");
        identity.update(genesis.as_ref());
        identity.update(validator.account.as_ref());
        identity.update(validator.key.public_key().as_ref());
        let guard = open(path, *identity.finalize().as_bytes())?;
        Ok(Self { genesis, validator, guard: Arc::new(Mutex::new(guard)), refusal: Arc::default() })
    }

    /// The highest height that anything was signed for; none also if a thread that signed panicked.
    #[must_use]
    pub fn highest(&self) -> Option<Height> {
        self.guard.lock().ok()?.highest()
    }

    /// The height up to which nothing is signed; all of them if a thread that signed panicked.
    #[must_use]
    pub fn floor(&self) -> Height {
        self.guard.lock().map_or(UNKNOWN, |guard| guard.floor())
    }

    /// Signs nothing up to this height, and what is above it from now on. Syncs a file.
    ///
    /// # Errors
    /// [`GuardError`] if that cannot be written down.
    pub fn set_floor(&self, floor: Height) -> Result<(), GuardError> {
        // A thread that panicked while it signed has ended the engine.
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).set_floor(floor)
    }

    /// The account that votes.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.validator.account
    }

    /// Signs the manifest of a block's parts. Not guarded: a part is no vote.
    #[must_use]
    pub fn sign_manifest(&self, manifest: &PartManifest) -> Signature {
        self.sign(Purpose::Consensus, &manifest.payload(&self.genesis))
    }

    /// Why a signature was refused, if one was; the engine ends after that without saying why.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.refusal.get().cloned()
    }

    fn sign(&self, purpose: Purpose, payload: &[u8]) -> Signature {
        self.validator.key.sign(purpose, payload, OsRng)
    }

    /// Seals on a blocking thread, since it syncs a file. Returns what may be signed.
    async fn seal(&self, at: SealAt) -> Result<Sealed, Error> {
        let guard = Arc::clone(&self.guard);
        let sealed = tokio::task::spawn_blocking(move || {
            let mut guard = guard.lock().map_err(|_| "the guard file's user panicked".to_owned())?;
            guard.seal(at.height, at.round, at.kind, at.value).map_err(|error| chain(&error))
        });
        let sealed = sealed.await.unwrap_or_else(|error| Err(error.to_string()));
        sealed.map_err(|why| {
            tracing::error!(%why, "signature refused");
            Error::from_source(self.refusal.get_or_init(|| why).clone())
        })
    }
}

struct SealAt {
    height: u64,
    round: u32,
    kind: SignedKind,
    value: Sealed,
}

const NO_ROUND: &str = "a message without a round is never signed";

#[async_trait]
impl Signer<ChainContext> for ConsensusSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<ChainContext, Vote>, Error> {
        let message = vote.to_runtime().ok_or_else(|| Error::from_source(NO_ROUND))?;
        let kind = match vote.kind {
            VoteType::Prevote => SignedKind::Prevote,
            VoteType::Precommit => SignedKind::Precommit,
        };
        let value = Sealed { block: message.block, pol_round: None };
        fail_point!("consensus::vote::before_seal");
        let sealed = self.seal(SealAt { height: message.height, round: message.round, kind, value }).await?;
        if sealed != value {
            let (height, round) = (message.height, message.round);
            tracing::warn!(height, round, ?kind, %sealed, asked = %value, "repeating the vote from before the restart");
        }
        let message = runtime::types::Vote { block: sealed.block, ..message };
        let signature = self.sign(Purpose::Consensus, &message.payload(&self.genesis));
        fail_point!("consensus::vote::after_sign");
        Ok(SignedMessage::new(message.into(), signature))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedMessage<ChainContext, Proposal>, Error> {
        let refuse = || Error::from_source(NO_ROUND);
        let payload = proposal.payload(&self.genesis).ok_or_else(refuse)?;
        let round = proposal.round.as_u32().ok_or_else(refuse)?;
        let value = Sealed { block: Some(proposal.value.0), pol_round: proposal.pol_round.as_u32() };
        fail_point!("consensus::proposal::before_seal");
        self.seal(SealAt { height: proposal.height.0, round, kind: SignedKind::Proposal, value }).await?;
        let signature = self.sign(Purpose::Consensus, &payload);
        fail_point!("consensus::proposal::after_sign");
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<ChainContext>,
        (): (),
    ) -> Result<SignedMessage<ChainContext, ()>, Error> {
        Err(Error::from_source("vote extensions are off"))
    }

    async fn sign_validator_proof(
        &self,
        public_key: Vec<u8>,
        peer_id: Vec<u8>,
    ) -> Result<ValidatorProof<ChainContext>, Error> {
        // The engine fixes this preimage; the purpose keeps it apart from every other signature.
        let payload = ValidatorProof::<ChainContext>::signing_bytes(&public_key, &peer_id);
        let signature = self.sign(Purpose::ProofOfValidator, &payload);
        Ok(ValidatorProof::new(public_key, peer_id, signature))
    }
}

/// Checks signatures; has no key and no state.
#[derive(Clone, Copy, Debug)]
pub struct ConsensusVerifier {
    genesis: BlockHash,
}

impl ConsensusVerifier {
    /// For the chain with this genesis.
    #[must_use]
    pub const fn new(genesis: BlockHash) -> Self {
        Self { genesis }
    }

    /// Whether the proposer signed this manifest.
    #[must_use]
    pub fn holds_manifest(&self, manifest: &PartManifest, signature: &Signature, key: &PublicKey) -> bool {
        key.verify(Purpose::Consensus, &manifest.payload(&self.genesis), signature).is_ok()
    }
}

fn holds(key: &PublicKey, payload: Option<Vec<u8>>, signature: &Signature) -> Result<VerificationResult, Error> {
    let valid = payload.is_some_and(|payload| key.verify(Purpose::Consensus, &payload, signature).is_ok());
    Ok(VerificationResult::from_bool(valid))
}

#[async_trait]
impl Verifier<ChainContext> for ConsensusVerifier {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        holds(key, vote.to_runtime().map(|vote| vote.payload(&self.genesis)), signature)
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        holds(key, proposal.payload(&self.genesis), signature)
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<ChainContext>,
        (): &(),
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<ChainContext>) -> Result<VerificationResult, Error> {
        use malachite::app::types::core::SigningScheme;

        let valid = Sr25519::decode_public_key(&proof.public_key)
            .is_ok_and(|key| key.verify(Purpose::ProofOfValidator, &proof.preimage(), &proof.signature).is_ok());
        Ok(VerificationResult::from_bool(valid))
    }
}

/// The validator proof that lets peers know which consensus key a peer id speaks for.
pub async fn proof_of_validator(
    signer: &ConsensusSigner,
    key: &KeyPair,
    peer_id: Vec<u8>,
) -> Result<ValidatorProof<ChainContext>, Error> {
    signer.sign_validator_proof(key.public_key().as_bytes().to_vec(), peer_id).await
}
