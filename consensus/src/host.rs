//! Answers the engine: one arm per message, one handler per file.
//!
//! The engine's connector waits for each answer before it hands on the next message, except after `Decided` and
//! `Finalized`. So the host answers everything at once but `Finalized`: holding that reply is how the chain idles.
//! Application calls run on a blocking thread, and nothing here waits for another message from the engine.

mod decide;
mod parts;
mod propose;
mod stand;
mod sync;

use std::sync::Arc;
use std::time::Duration;

use malachite::app::engine::host::{HeightParams, Next};
use malachite::app::types::ProposedValue;
use malachite::app::types::core::{Round, ValidatorSet as _, Validity};
use malachite::{AppMsg, NetworkMsg, Reply};
use runtime::types::{BlockHash, Height};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::application::{Application, ApplicationError, Candidate, HeadInfo, WorkSignal};
use crate::config::Timeouts;
use crate::context::{ChainContext, ConsensusHeight};
use crate::error::{EndReason, chain};
use crate::heights::PeerHeights;
use crate::newcomer::{Stance, Words};
use crate::signing::ConsensusSigner;
use crate::stream::{PartStreams, StreamLimits};
use crate::types::{Address, BlockRef, Validators};

/// An application call that takes longer than this holds up the engine noticeably.
const SLOW_CALL: Duration = Duration::from_millis(500);
/// The engine's channels close before it says why; so long is waited for the reason.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the host works with.
pub struct Setting {
    pub application: Arc<dyn Application>,
    pub work: Arc<dyn WorkSignal>,
    pub genesis: BlockHash,
    /// What the engine signs with.
    pub signer: Option<ConsensusSigner>,
    /// That of a validator that does not know yet what its key has signed, or abstains.
    pub unknowing: Option<ConsensusSigner>,
    pub network: mpsc::Sender<NetworkMsg<ChainContext>>,
    pub heights: PeerHeights,
    pub words: Words,
    pub stance: Stance,
    /// How long an unsure validator waits for proofs before it connects anew.
    pub patience: Duration,
    pub idle: Duration,
    pub timeouts: Timeouts,
    pub part_bytes: u32,
    pub block_bytes_max: u32,
}

/// What the host has to do next.
enum Occasion {
    /// Answer the engine, whose channel may have closed.
    Asked(Option<Box<AppMsg<ChainContext>>>),
    /// Vote above this height; if none, connect anew.
    Sure(Option<Height>),
    /// Begin the next height.
    Idled,
}

/// The engine's question where to begin, which is not answered yet.
struct Unbegun {
    reply: Reply<(ConsensusHeight, HeightParams<ChainContext>)>,
    since: Instant,
}

/// What reaches the host.
pub struct Inputs {
    pub engine: mpsc::Receiver<AppMsg<ChainContext>>,
    pub alarms: mpsc::Receiver<EndReason>,
    pub stop: watch::Receiver<bool>,
}

/// Why a host is done.
pub enum Outcome {
    /// The engine has ended, or must.
    Ended(EndReason),
    /// An engine of another kind must go on: what the node does about voting has changed.
    Changed,
}

impl From<EndReason> for Outcome {
    fn from(reason: EndReason) -> Self {
        Self::Ended(reason)
    }
}

/// The last committed height and who votes on the next.
pub struct Head {
    height: Height,
    validators: Validators,
    target: Option<Duration>,
}

impl Head {
    /// Takes what the application says, if the engine can work with it.
    pub fn new(info: HeadInfo) -> Result<Self, crate::types::ValidatorsError> {
        Ok(Self { height: info.height, validators: Validators::new(info.validators)?, target: info.target })
    }

    /// The last committed height.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// The height to be decided next.
    pub const fn next(&self) -> Height {
        self.height.saturating_add(1)
    }

    /// Who votes on it.
    pub const fn validators(&self) -> &Validators {
        &self.validators
    }

    /// Whether nobody but one validator votes on the next height.
    pub fn has_one_validator(&self) -> bool {
        self.validators.count() == 1
    }
}

/// The application's side of the engine.
pub struct Host {
    setting: Setting,
    head: Head,
    streams: PartStreams,
    /// Judged blocks of the next height that no reply has carried yet.
    undelivered: Vec<ProposedValue<ChainContext>>,
    /// The reply to `Finalized` that is held back while the chain idles.
    held: Option<Reply<Next<ChainContext>>>,
    committed_at: Instant,
    /// The last height whose block came by sync: there may be more behind it, so it is not idled after.
    synced: Option<Height>,
    /// Makes the names of streams differ, since the gossip drops what it has seen.
    published: u32,
    ready: Option<oneshot::Sender<()>>,
    /// The reply to `ConsensusReady` that is held back while this validator is unsure.
    unbegun: Option<Unbegun>,
}

impl Host {
    /// A host at `head`; `ready` is told when the engine asks for its first height.
    pub fn new(setting: Setting, head: Head, ready: Option<oneshot::Sender<()>>) -> Self {
        let streams = PartStreams::new(StreamLimits::new(setting.block_bytes_max));
        Self {
            setting,
            head,
            streams,
            undelivered: Vec::new(),
            held: None,
            committed_at: Instant::now(),
            synced: None,
            published: 0,
            ready,
            unbegun: None,
        }
    }

    /// Answers until there is a reason to end.
    pub async fn run(mut self, mut inputs: Inputs) -> Outcome {
        loop {
            let next = tokio::select! {
                biased;
                // A handle that was dropped stops its engine.
                _ = inputs.stop.wait_for(|stop| *stop) => return EndReason::Stopped.into(),
                Some(reason) = inputs.alarms.recv() => return self.name(reason).into(),
                message = inputs.engine.recv() => Occasion::Asked(message.map(Box::new)),
                floor = self.is_sure() => Occasion::Sure(floor),
                () = self.idle_over() => Occasion::Idled,
            };
            let answered = match next {
                Occasion::Asked(None) => Err(self.last_words(&mut inputs.alarms).await.into()),
                Occasion::Asked(Some(message)) => self.answer(*message).await.map_err(Outcome::from),
                Occasion::Sure(floor) => self.settle(floor).await,
                Occasion::Idled => {
                    self.start_next();
                    Ok(())
                }
            };
            if let Err(outcome) = answered {
                return outcome;
            }
            if self.has_abstained() {
                return Outcome::Changed;
            }
        }
    }

    async fn answer(&mut self, message: AppMsg<ChainContext>) -> Result<(), EndReason> {
        match message {
            AppMsg::ConsensusReady { reply } => self.on_ready(reply),
            AppMsg::StartedRound { height, round, role, reply_value, .. } => {
                tracing::debug!(%height, %round, ?role, "round started");
                self.on_started_round(height.0, round, reply_value).await
            }
            AppMsg::GetValue { height, round, reply, .. } => self.on_get_value(height.0, round, reply).await,
            AppMsg::RestreamProposal { height, round, value_id, .. } => {
                self.on_restream(height.0, round, value_id).await
            }
            AppMsg::ReceivedProposalPart { part, reply, .. } => self.on_part(part, reply).await,
            AppMsg::Decided { certificate, reply, .. } => self.on_decided(&certificate, reply).await,
            AppMsg::Finalized { certificate, evidence, reply, .. } => {
                self.on_finalized(certificate.height.0, &evidence, reply)
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                self.on_synced_value(height.0, round, proposer, value_bytes, reply).await
            }
            AppMsg::GetDecidedValues { reply, .. } => {
                // No request comes as far as this.
                answered(reply.send(Vec::new()));
                Ok(())
            }
            AppMsg::GetHistoryMinHeight { reply } => self.on_min_height(reply).await,
            AppMsg::ExtendVote { reply, .. } => {
                answered(reply.send(None));
                Ok(())
            }
            AppMsg::VerifyVoteExtensions { extensions, reply, .. } => {
                on_verify_extensions(extensions, reply);
                Ok(())
            }
        }
    }

    /// Calls the application on a blocking thread.
    async fn ask<T: Send + 'static>(
        &self,
        during: &'static str,
        call: impl FnOnce(&dyn Application) -> Result<T, ApplicationError> + Send + 'static,
    ) -> Result<T, EndReason> {
        let application = Arc::clone(&self.setting.application);
        let begun = Instant::now();
        let result = tokio::task::spawn_blocking(move || call(application.as_ref())).await;
        let took = begun.elapsed();
        if took > SLOW_CALL {
            tracing::warn!(during, took_ms = took.as_millis(), "the application held up consensus");
        }
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(EndReason::Application { during, why: chain(&error) }),
            Err(error) => Err(EndReason::Application { during, why: error.to_string() }),
        }
    }

    async fn read_head(&self) -> Result<Head, EndReason> {
        let info = self.ask("head", |application| application.head()).await?;
        Head::new(info).map_err(|error| EndReason::Application { during: "head", why: error.to_string() })
    }

    fn height_params(&self) -> HeightParams<ChainContext> {
        let validators = self.head.validators.clone();
        HeightParams::new(validators, self.setting.timeouts.linear(), self.head.target)
    }

    /// The engine's channel closed; its reason may be on the way.
    async fn last_words(&self, alarms: &mut mpsc::Receiver<EndReason>) -> EndReason {
        let silent = || EndReason::Engine { why: "its actors stopped; the log above says more".into() };
        match tokio::time::timeout(LAST_WORDS, alarms.recv()).await {
            Ok(Some(reason)) => self.name(reason),
            Ok(None) | Err(_) => self.name(silent()),
        }
    }

    /// A refused signature ends the engine without a word, but the signer knows why.
    fn name(&self, reason: EndReason) -> EndReason {
        let refusal = self.setting.signer.as_ref().and_then(ConsensusSigner::refusal);
        match (reason, refusal) {
            (EndReason::Engine { .. }, Some(why)) => EndReason::Engine { why },
            (reason, _) => reason,
        }
    }
}

/// The engine drops a question only when it ends, and then its channel says so.
fn answered<T>(sent: Result<(), T>) {
    if sent.is_err() {
        tracing::debug!("the engine no longer waits for this answer");
    }
}

type Verdicts = malachite::app::consensus::VoteExtensionVerdicts<ChainContext>;

fn on_verify_extensions(extensions: Vec<(Address, ())>, reply: oneshot::Sender<Verdicts>) {
    use malachite::app::consensus::VoteExtensionError::InvalidVoteExtension;

    answered(reply.send(extensions.into_iter().map(|(address, ())| (address, Err(InvalidVoteExtension))).collect()));
}

/// A candidate as the engine wants to hear of it.
fn proposed(candidate: &Candidate) -> ProposedValue<ChainContext> {
    ProposedValue {
        height: ConsensusHeight(candidate.header.height),
        round: Round::new(candidate.header.round),
        valid_round: Round::Nil,
        proposer: Address(candidate.header.proposer),
        value: BlockRef(candidate.hash),
        validity: Validity::Valid,
    }
}
