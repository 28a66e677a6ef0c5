//! Runs engines one after another, each with its host, and sees to it that their end is noticed.
//!
//! There is one, unless a validator has to find out what its key may have signed ([`crate::newcomer`]): then one that
//! begins nothing hears how far others are, one that has no key follows, and one that votes goes on.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use malachite::{Channels, EngineHandle, NetworkRequest};
use runtime::types::BlockHash;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::application::{Application, WorkSignal};
use crate::config::ConsensusConfig;
use crate::context::ChainContext;
use crate::engine::{self, Plan};
use crate::error::{EndReason, StartError, chain};
use crate::gate::Listeners;
use crate::heights::PeerHeights;
use crate::history::History;
use crate::host::{Head, Host, Inputs, Outcome, Setting};
use crate::newcomer::{Electorate, Stance, Words};
use crate::peers::ConsensusPeers;
use crate::signing::ConsensusSigner;
use crate::start::read;

/// The engine sends a proof of being a validator once, by the first connection to a peer, and not again if that ends while
/// another stays: so long the first engine waits for proofs, each later one twice as long as the one before, and none longer
/// than the second.
const PATIENCE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(300)];
/// Each source of alarms sends one or two.
const ALARMS: usize = 8;
/// An engine that is stopped ends within milliseconds, one that hangs on purpose never does.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often a stopped engine's log and address are looked at until it has let go of them, and for how long between.
const RELEASE_TRIES: u32 = 5_000;
const RELEASE_PAUSE: Duration = Duration::from_millis(2);

/// What each engine is made from.
pub struct Launcher<Build> {
    pub application: Arc<dyn Application>,
    pub work: Arc<dyn WorkSignal>,
    pub config: ConsensusConfig,
    pub genesis: BlockHash,
    pub signer: Option<ConsensusSigner>,
    pub log: PathBuf,
    pub heights: PeerHeights,
    pub stop: watch::Receiver<bool>,
    pub build: Build,
    /// How many were.
    pub launched: u32,
}

/// An engine with its host.
pub struct Running {
    host: Host,
    inputs: Inputs,
    engine: EngineHandle,
    alarm: mpsc::Sender<EndReason>,
    watcher: JoinHandle<()>,
}

impl<Build, Built> Launcher<Build>
where
    Build: Fn(Plan) -> Built + Send + Sync + 'static,
    Built: Future<Output = Result<(Channels<ChainContext>, EngineHandle), StartError>> + Send + 'static,
{
    /// Starts the next engine, from `head` on, connected to `peers` or else those of the configuration. Also returns the
    /// way to its network.
    pub async fn launch(
        &mut self,
        head: Head,
        peers: Option<Vec<String>>,
        ready: Option<oneshot::Sender<()>>,
    ) -> Result<(Running, mpsc::Sender<NetworkRequest>), StartError> {
        let stance = self.signer.as_ref().map_or(Stance::Usual, |signer| Stance::new(signer.floor(), head.height()));
        if let Stance::Abstains(floor) = stance {
            let (from, head) = (floor.saturating_add(1), head.height());
            tracing::warn!(
                head,
                "this validator does not vote before height {from}: its folder is new, and on the one before its key may \
                 have signed for the heights up to there. If the chain stands still since too many validators have lost \
                 their folders, docs/disks.md says what to do"
            );
        }
        let signer = self.signer.clone().filter(|_| !matches!(stance, Stance::Abstains(_)));
        let mut config = self.config.clone();
        config.peers = peers.unwrap_or(config.peers);
        self.launched += 1;
        if self.launched > 1 {
            // Metrics of one name are those of one engine.
            config.moniker = format!("{}-{}", config.moniker, self.launched);
        }
        let words = Words::new(self.electorate(&head)?, head.height());
        let (alarm, alarms) = mpsc::channel(ALARMS);
        let listeners = Listeners {
            genesis: self.genesis,
            heights: self.heights.clone(),
            words: words.clone(),
            history: History::new(Arc::clone(&self.application), alarm.clone()),
        };
        let quiet = engine::quiet(&config).filter(|_| signer.is_some());
        let (genesis, log) = (self.genesis, self.log.clone());
        let plan = Plan { config: config.clone(), genesis, signer: signer.clone(), log, listeners };
        let (channels, engine) = (self.build)(plan).await?;
        let watcher = tokio::spawn(engine::watch(channels.events, alarm.clone(), quiet));
        let setting = Setting {
            application: Arc::clone(&self.application),
            work: Arc::clone(&self.work),
            genesis,
            signer,
            unknowing: self.signer.clone().filter(|_| stance != Stance::Usual),
            network: channels.network,
            heights: self.heights.clone(),
            words,
            stance,
            patience: patience(self.launched),
            idle: config.idle,
            timeouts: config.timeouts,
            part_bytes: config.part_bytes,
            block_bytes_max: config.block_bytes_max,
        };
        let inputs = Inputs { engine: channels.consensus, alarms, stop: self.stop.clone() };
        let host = Host::new(setting, head, ready);
        Ok((Running { host, inputs, engine, alarm, watcher }, channels.net_requests))
    }

    /// Runs this engine and those after it to their end.
    pub async fn run(mut self, mut running: Running, peers: ConsensusPeers) -> EndReason {
        loop {
            let outcome = running.run().await;
            released(&self.log, self.config.listen).await;
            if let Outcome::Ended(reason) = outcome {
                return reason;
            }
            match self.go_on(&peers).await {
                Ok(next) => running = next,
                Err(error) => {
                    let why = chain(&error);
                    tracing::error!(%why, "consensus ended");
                    return EndReason::Engine { why };
                }
            }
        }
    }

    /// Starts the next engine where the one before ended.
    async fn go_on(&mut self, peers: &ConsensusPeers) -> Result<Running, StartError> {
        probe(self.config.listen)?;
        let (_, head) = read(&self.application).await?;
        let told = peers.all();
        let (next, requests) = self.launch(head, Some(told.clone()), None).await?;
        peers.turn_to(requests, told);
        Ok(next)
    }

    /// Whose word counts for a validator that is unsure.
    fn electorate(&self, head: &Head) -> Result<Electorate, StartError> {
        if self.config.peers_only {
            return Ok(Electorate::named(engine::named_peers(&self.config)?));
        }
        let own = self.config.validator.as_ref().map(|validator| validator.key.public_key());
        Ok(Electorate::validators(head.validators(), own.as_ref()))
    }
}

impl Running {
    /// Runs the host to its end, and then the engine to its own.
    async fn run(self) -> Outcome {
        let Self { host, inputs, engine, alarm, watcher } = self;
        let EngineHandle { actor, handle } = engine;
        let mut running = tokio::spawn(async move {
            let why = match handle.await {
                Ok(()) => "its supervisor stopped; the log above says more".to_owned(),
                Err(error) => error.to_string(),
            };
            // The host may have ended first; then nobody asks.
            let _ = alarm.send(EndReason::Engine { why }).await;
        });
        let outcome = host.run(inputs).await;
        let why = match &outcome {
            Outcome::Ended(EndReason::Stopped) => {
                tracing::info!("consensus stopped");
                EndReason::Stopped.to_string()
            }
            Outcome::Ended(reason) => {
                tracing::error!(%reason, "consensus ended");
                reason.to_string()
            }
            Outcome::Changed => "another takes its place".to_owned(),
        };
        actor.stop(Some(why));
        if tokio::time::timeout(STOP_WITHIN, &mut running).await.is_err() {
            tracing::warn!("the consensus engine hangs; it is abandoned");
            actor.kill();
            running.abort();
        }
        watcher.abort();
        outcome
    }
}

/// Waits until the log's thread, which outlives its actor by a moment, has unlocked the log, and the network has let go of
/// its address: only then can the engine be started again on the same folder.
async fn released(log: &Path, listen: SocketAddr) {
    // No file, no lock; a file that cannot be opened will be complained about by who starts next.
    let is_locked = || File::open(log).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
    for _ in 0..RELEASE_TRIES {
        if !is_locked() && probe(listen).is_ok() {
            return;
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    tracing::warn!(log = %log.display(), %listen, "the consensus log is still locked, or the address taken");
}

/// How long the engine with this number waits for proofs.
fn patience(launched: u32) -> Duration {
    let [first, longest] = PATIENCE;
    first.saturating_mul(2_u32.saturating_pow(launched.saturating_sub(1))).min(longest)
}

/// The engine only logs that an address is taken, and then waits for ever.
fn probe(address: SocketAddr) -> Result<(), StartError> {
    TcpListener::bind(address).map(drop).map_err(|source| StartError::Listen { address, source })
}
