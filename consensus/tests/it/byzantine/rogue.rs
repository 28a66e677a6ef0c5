//! Engines that misbehave: ours, with Malachite's Byzantine proxy before the network, and another signer or codec.

use std::sync::Arc;

use async_trait::async_trait;
use consensus::assembly::{ConsensusVerifier, Plan, identity, open_gate, settings};
use consensus::formats::{
    Address, BlockRef, ChainContext, ConsensusSigner, Proposal, ProposalPart, Signer, Verifier, Vote, WireCodec,
};
use consensus::{StartError, ValidatorKey};
use malachite::app::config::NodeConfig;
use malachite::app::engine::network::NetworkRef;
use malachite::app::metrics::SharedRegistry;
use malachite::app::streaming::{StreamContent, StreamMessage};
use malachite::app::types::core::{NilOrVal, SignedMessage, ValidatorProof, VoteExtensionScope, VoteType};
use malachite::spawn::spawn_network_actor;
use malachite::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkMsg, RequestContext, SyncContext, WalContext,
};
use malachite_byzantine::config::make_rng;
use malachite_byzantine::{Amnesia, ByzantineConfig, ByzantineNetworkProxy, Trigger};
use malachite_signing::{Error, VerificationResult};
use rand_core::OsRng;
use runtime::crypto::{PublicKey, Purpose, Signature};
use runtime::types::BlockHash;
use tokio::sync::{mpsc, watch};

use super::SEED;
use super::poison::Poison;
use super::tap::{Tap, tapped};

/// Parts on their way to the network.
const PARTS: usize = 128;

/// In what ways a validator misbehaves; in none by default.
#[derive(Clone)]
pub struct Rogue {
    /// What Malachite's proxy and its amnesia do.
    pub behaviour: ByzantineConfig,
    /// What becomes of each part of its blocks.
    pub parts: fn(ProposalPart) -> Vec<ProposalPart>,
    /// What becomes of the bytes of its messages.
    pub poison: Poison,
    /// Counts the votes that it cast against its lock.
    pub forgot: watch::Sender<usize>,
}

impl Rogue {
    pub fn new() -> Self {
        let behaviour = ByzantineConfig::new(Some(SEED));
        Self { behaviour, parts: |part| vec![part], poison: Poison::default(), forgot: watch::Sender::new(0) }
    }

    pub fn that(behave: impl FnOnce(ByzantineConfig) -> ByzantineConfig) -> Self {
        let rogue = Self::new();
        Self { behaviour: behave(rogue.behaviour.clone()), ..rogue }
    }
}

/// A hash of nothing, that differs from `block`.
fn another(block: Option<&BlockHash>) -> BlockHash {
    BlockHash::from_bytes(*blake3::hash(block.map_or(b"nothing".as_slice(), |hash| hash.as_ref())).as_bytes())
}

pub async fn build(
    plan: Plan,
    rogue: Rogue,
    tap: Arc<Tap>,
    found: watch::Sender<Option<NetworkRef<ChainContext>>>,
) -> Result<(Channels<ChainContext>, EngineHandle), StartError> {
    let settings = settings(&plan.config, &plan.genesis)?;
    let guarded = plan.signer.as_ref().unwrap();
    let validator = plan.config.validator.clone().unwrap();
    let address = Address(validator.account);
    let forger = Forger::new(plan.genesis, validator, &rogue);

    let registry = SharedRegistry::global().with_moniker(&plan.config.moniker);
    let identity = identity(&plan.config, plan.signer.as_ref()).await?;
    let (network, parts) =
        spawn_network_actor(identity, settings.consensus(), settings.value_sync(), &registry, rogue.poison.clone())
            .await
            .unwrap();
    found.send_replace(Some(network.clone()));
    let proxy = ByzantineNetworkProxy::spawn(
        rogue.behaviour.clone(),
        network,
        Box::new(forger.clone()),
        ChainContext::new(plan.genesis),
        address,
        tracing::Span::none(),
        Some(Box::new(|block: &BlockRef| BlockRef(another(Some(&block.0))))),
        Some(Box::new(another)),
    );
    let proxy = open_gate(proxy.await.unwrap(), plan.listeners.clone()).await?;

    let signer = signer(&rogue, guarded, &forger);
    let listener = Listener { verifier: ConsensusVerifier::new(plan.genesis), amnesia: forger.amnesia };
    let (channels, engine) = EngineBuilder::new(ChainContext::new(plan.genesis), settings)
        .with_default_wal(WalContext::new(plan.log, WireCodec))
        .with_custom_network(proxy, spoiled(parts, rogue.parts))
        .with_default_sync(SyncContext::new(WireCodec))
        .with_default_consensus(ConsensusContext::new_validator(address, Box::new(listener), signer))
        .with_default_request(RequestContext::new(16))
        .build()
        .await
        .unwrap();
    Ok((tapped(channels, tap), engine))
}

/// The guarded key unless the rogue votes otherwise than its engine asks.
fn signer(rogue: &Rogue, guarded: &ConsensusSigner, forger: &Forger) -> Box<dyn Signer<ChainContext>> {
    let forges = rogue.behaviour.ignore_locks.is_set() || rogue.behaviour.force_precommit_nil.is_set();
    if forges { Box::new(forger.clone()) } else { Box::new(guarded.clone()) }
}

/// Stands between the host and the network.
fn spoiled(
    network: mpsc::Sender<NetworkMsg<ChainContext>>,
    spoil: fn(ProposalPart) -> Vec<ProposalPart>,
) -> mpsc::Sender<NetworkMsg<ChainContext>> {
    let (host, mut from_host) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        while let Some(NetworkMsg::PublishProposalPart(message)) = from_host.recv().await {
            let StreamContent::Data(part) = message.content else { continue };
            for part in spoil(part) {
                let content = StreamContent::Data(part);
                let message = StreamMessage::new(message.stream_id.clone(), message.sequence, content);
                if network.send(NetworkMsg::PublishProposalPart(message)).await.is_err() {
                    return;
                }
            }
        }
    });
    host
}

/// Signs whatever it is asked, and forgets what it is locked on if it is told to.
#[derive(Clone)]
struct Forger {
    genesis: BlockHash,
    validator: ValidatorKey,
    amnesia: Arc<Amnesia<ChainContext>>,
    nil_precommits: Trigger,
    forgot: watch::Sender<usize>,
}

impl Forger {
    fn new(genesis: BlockHash, validator: ValidatorKey, rogue: &Rogue) -> Self {
        let amnesia = Arc::new(Amnesia::new(rogue.behaviour.ignore_locks.clone(), Some(SEED)));
        let nil_precommits = rogue.behaviour.force_precommit_nil.clone();
        Self { genesis, validator, amnesia, nil_precommits, forgot: rogue.forgot.clone() }
    }

    fn sign(&self, payload: &[u8]) -> Signature {
        self.validator.key.sign(Purpose::Consensus, payload, OsRng)
    }
}

#[async_trait]
impl Signer<ChainContext> for Forger {
    async fn sign_vote(&self, mut vote: Vote) -> Result<SignedMessage<ChainContext, Vote>, Error> {
        let is_nil = vote.value == NilOrVal::Nil;
        match vote.kind {
            VoteType::Prevote if is_nil => {
                if let Some(block) = self.amnesia.try_override_nil_prevote(vote.height, vote.round) {
                    vote.value = NilOrVal::Val(block);
                    self.forgot.send_modify(|forgot| *forgot += 1);
                }
            }
            VoteType::Precommit if self.nil_precommits.fires(vote.height, vote.round, &mut make_rng(Some(SEED))) => {
                vote.value = NilOrVal::Nil;
            }
            VoteType::Prevote | VoteType::Precommit => {}
        }
        let payload = vote.to_runtime().unwrap().payload(&self.genesis);
        Ok(SignedMessage::new(vote, self.sign(&payload)))
    }

    async fn sign_proposal(&self, proposal: Proposal) -> Result<SignedMessage<ChainContext, Proposal>, Error> {
        let payload = proposal.payload(&self.genesis).unwrap();
        Ok(SignedMessage::new(proposal, self.sign(&payload)))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<ChainContext>,
        (): (),
    ) -> Result<SignedMessage<ChainContext, ()>, Error> {
        Err(Error::from_source("vote extensions are off"))
    }

    async fn sign_validator_proof(&self, _: Vec<u8>, _: Vec<u8>) -> Result<ValidatorProof<ChainContext>, Error> {
        Err(Error::from_source("the identity is made by the guarded key"))
    }
}

/// Checks signatures as every node does, and tells the amnesia what is proposed.
struct Listener {
    verifier: ConsensusVerifier,
    amnesia: Arc<Amnesia<ChainContext>>,
}

#[async_trait]
impl Verifier<ChainContext> for Listener {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        self.verifier.verify_signed_vote(vote, signature, key).await
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        self.amnesia.record_proposed_value(proposal.height, proposal.round, proposal.value.0);
        self.verifier.verify_signed_proposal(proposal, signature, key).await
    }

    async fn verify_signed_vote_extension(
        &self,
        scope: &VoteExtensionScope<ChainContext>,
        extension: &(),
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        self.verifier.verify_signed_vote_extension(scope, extension, signature, key).await
    }

    async fn verify_validator_proof(&self, proof: &ValidatorProof<ChainContext>) -> Result<VerificationResult, Error> {
        self.verifier.verify_validator_proof(proof).await
    }
}
