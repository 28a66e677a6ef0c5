//! Starts the engine and the host, and sees to it that their end is noticed.

use std::convert::Infallible;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use malachite::{Channels, EngineHandle};
use runtime::crypto::PeerKey;
use runtime::types::{BlockHash, Height};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::application::{Application, WorkSignal};
use crate::config::{ConsensusConfig, ValidatorKey, peer_key};
use crate::context::ChainContext;
use crate::engine::{self, Plan};
use crate::error::{EndReason, GuardError, StartError, chain};
use crate::gate::Gate;
use crate::heights::PeerHeights;
use crate::host::{Head, Host, Inputs, Setting};
use crate::log;
use crate::peers::ConsensusPeers;
use crate::signing::ConsensusSigner;

/// The engine's write-ahead log, in the data folder.
const LOG_FILE: &str = "consensus.wal";
/// The signer's guard file, in the data folder.
const GUARD_FILE: &str = "signed.guard";
/// Each source of alarms sends one or two.
const ALARMS: usize = 8;
/// An engine that is stopped ends within milliseconds, one that hangs on purpose never does.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often a stopped engine's log is looked at until its thread has let go of it, and for how long between.
const RELEASE_TRIES: u32 = 500;
const RELEASE_PAUSE: Duration = Duration::from_millis(2);

/// A running engine. Dropping it stops the engine.
#[derive(Debug)]
pub struct ConsensusHandle {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<EndReason>>,
    peer_key: PeerKey,
    heights: PeerHeights,
    peers: ConsensusPeers,
}

impl ConsensusHandle {
    /// Stops the engine and waits until it has ended.
    pub async fn stop(&self) -> EndReason {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// Resolves once the engine has ended, for whatever reason; at once if it has already.
    pub fn ended(&self) -> impl Future<Output = EndReason> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            let reason = ended.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            // The channel closes without a reason only if the task that sends it panicked.
            reason.unwrap_or_else(|| EndReason::Engine { why: "the task that ran it is gone".into() })
        }
    }

    /// How far peers say that they are.
    #[must_use]
    pub const fn peer_heights(&self) -> &PeerHeights {
        &self.heights
    }

    /// The peers that the engine stays connected to.
    #[must_use]
    pub const fn peers(&self) -> &ConsensusPeers {
        &self.peers
    }

    /// By its display, the peer id under which others reach this node.
    #[must_use]
    pub const fn peer_key(&self) -> PeerKey {
        self.peer_key
    }
}

/// Starts to agree on blocks, from the application's head on; returns once the engine listens and has begun a height.
///
/// # Errors
/// [`StartError`] if the configuration, the data folder, the listening address or the engine do not allow it.
pub async fn start(
    application: Arc<dyn Application>,
    work: Arc<dyn WorkSignal>,
    config: ConsensusConfig,
) -> Result<ConsensusHandle, StartError> {
    start_with(application, work, config, engine::build).await
}

/// [`start`], with the engine's actors put together by the caller: tests build some that misbehave.
///
/// # Errors
/// As [`start`].
pub async fn start_with<Built>(
    application: Arc<dyn Application>,
    work: Arc<dyn WorkSignal>,
    config: ConsensusConfig,
    build: impl FnOnce(Plan) -> Built,
) -> Result<ConsensusHandle, StartError>
where
    Built: Future<Output = Result<(Channels<ChainContext>, EngineHandle), StartError>>,
{
    config.validate()?;
    let folder = &config.data_dir;
    std::fs::create_dir_all(folder).map_err(|source| StartError::Folder { path: folder.clone(), source })?;
    let gate = Gate::open(&config).await?;
    let (genesis, head) = read(&application).await?;
    let signer = match &config.validator {
        Some(validator) => Some(open_signer(validator, genesis, &head, &config)?),
        None => None,
    };
    if let Some(signed) = signer.as_ref().and_then(ConsensusSigner::highest) {
        check_blocks(&head, signed)?;
    }
    mend_log(&folder.join(LOG_FILE), head.has_one_validator()).await;
    let heights = PeerHeights::new(engine::named_peers(&config)?);
    let log = folder.join(LOG_FILE);
    let inside = ConsensusConfig { listen: gate.engine(), ..config.clone() };
    let plan = Plan { config: inside, genesis, signer: signer.clone(), log: log.clone(), heights: heights.clone() };
    let (channels, engine) = build(plan).await?;

    let (alarm, alarms) = mpsc::channel(ALARMS);
    let watcher = tokio::spawn(engine::watch(channels.events, alarm.clone(), engine::quiet(&config)));
    let (stop, stopped) = watch::channel(false);
    let (ready, listens) = oneshot::channel();
    let (open, mut is_ready) = oneshot::channel();
    let (end, ended) = watch::channel(None);
    let setting = Setting {
        application,
        work,
        genesis,
        signer,
        network: channels.network,
        heights: heights.clone(),
        idle: config.idle,
        timeouts: config.timeouts,
        part_bytes: config.part_bytes,
        block_bytes_max: config.block_bytes_max,
    };
    let inputs = Inputs { engine: channels.consensus, alarms, stop: stopped };
    let host = Host::new(setting, head, ready);
    let peers = ConsensusPeers::new(channels.net_requests, heights.clone(), gate.named(), &config.peers);
    let mut port = JoinSet::new();
    port.spawn(serve(gate, listens, open));
    tokio::spawn(async move {
        let reason = supervise(host, inputs, engine, alarm).await;
        port.shutdown().await;
        watcher.abort();
        released(&log).await;
        end.send_replace(Some(reason));
    });

    let handle = ConsensusHandle { stop, ended, peer_key: peer_key(&config.network_secret), heights, peers };
    tokio::select! {
        biased;
        Ok(()) = &mut is_ready => Ok(handle),
        reason = handle.ended() => Err(StartError::Ended(reason)),
        () = tokio::time::sleep(config.ready_within) => {
            handle.stop().await;
            Err(StartError::NotReady(config.ready_within))
        }
    }
}

/// Serves the port once the engine listens and has begun a height.
async fn serve(gate: Gate, listens: oneshot::Receiver<()>, open: oneshot::Sender<()>) -> Infallible {
    if listens.await.is_err() {
        return std::future::pending().await;
    }
    open.send(()).ok();
    gate.serve().await
}

/// Opens the guard file; makes it only where nothing can have been signed, or the operator takes the blame.
fn open_signer(
    validator: &ValidatorKey,
    genesis: BlockHash,
    head: &Head,
    config: &ConsensusConfig,
) -> Result<ConsensusSigner, GuardError> {
    let path = config.data_dir.join(GUARD_FILE);
    let open = || ConsensusSigner::open(genesis, validator.clone(), &path);
    if !config.new_guard {
        check_guard(&path, &config.data_dir.join(LOG_FILE), head.height())?;
        return open();
    }
    match open() {
        Err(error @ GuardError::Damaged { .. }) => {
            let kept = path.with_extension("guard.damaged");
            tracing::warn!(%error, kept = %kept.display(), "the guard file is set aside and made anew, as --new-guard says");
            let moved = std::fs::rename(&path, &kept);
            moved.map_err(|source| GuardError::Io { path: path.clone(), what: "rename", source })?;
            open()
        }
        opened => opened,
    }
}

/// The file is made before the first vote, so before any block and before the engine's log.
fn check_guard(path: &Path, log: &Path, height: Height) -> Result<(), GuardError> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Ok(());
    }
    let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let beside = match (height, has_log) {
        (0, false) => return Ok(()),
        (0, true) => format!("there is the engine's log {}", log.display()),
        (height, _) => format!("the ledger ends at height {height}"),
    };
    Err(GuardError::Missing { path: path.to_owned(), beside })
}

/// A log that cannot be mended, the engine complains about.
async fn mend_log(path: &Path, has_one_validator: bool) {
    let log = path.to_owned();
    match tokio::task::spawn_blocking(move || log::mend(&log, has_one_validator)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(cut)) => tracing::warn!(log = %path.display(), cut, "cut off the end of the log that was never synced"),
        Ok(Err(error)) => tracing::warn!(log = %path.display(), %error, "cannot look at the log"),
        Err(error) => tracing::warn!(log = %path.display(), %error, "cannot look at the log"),
    }
}

/// A validator votes on a height once all below it are committed. If they are not here, others may still have them.
fn check_blocks(head: &Head, signed: Height) -> Result<(), StartError> {
    let Some(missing) = signed.checked_sub(head.next()).filter(|missing| *missing > 0) else { return Ok(()) };
    if head.has_one_validator() {
        return Err(StartError::BlocksMissing { head: head.height(), signed });
    }
    let head = head.height();
    tracing::warn!(head, signed, missing, "blocks are missing that this validator voted on; others may have them");
    Ok(())
}

async fn read(application: &Arc<dyn Application>) -> Result<(BlockHash, Head), StartError> {
    let application = Arc::clone(application);
    let read = tokio::task::spawn_blocking(move || Ok((application.genesis(), application.head()?)));
    let (genesis, info) = match read.await {
        Ok(read) => read.map_err(StartError::Application)?,
        Err(error) => return Err(StartError::Engine(chain(&error))),
    };
    let height: Height = info.height.saturating_add(1);
    let head = Head::new(info).map_err(|source| StartError::Validators { height, source })?;
    Ok((genesis, head))
}

/// Waits until the log's thread, which outlives its actor by a moment, has unlocked the log: only then can the
/// engine be started again on the same folder.
async fn released(log: &Path) {
    for _ in 0..RELEASE_TRIES {
        // No file, no lock; a file that cannot be opened will be complained about by who starts next.
        if !File::open(log).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock))) {
            return;
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    tracing::warn!(log = %log.display(), "the consensus log is still locked");
}

/// Runs the host to its end, and then the engine to its own.
async fn supervise(host: Host, inputs: Inputs, engine: EngineHandle, alarm: mpsc::Sender<EndReason>) -> EndReason {
    let EngineHandle { actor, handle } = engine;
    let mut running = tokio::spawn(async move {
        let why = match handle.await {
            Ok(()) => "its supervisor stopped; the log above says more".to_owned(),
            Err(error) => error.to_string(),
        };
        // The host may have ended first; then nobody asks.
        let _ = alarm.send(EndReason::Engine { why }).await;
    });
    let reason = host.run(inputs).await;
    match &reason {
        EndReason::Stopped => tracing::info!("consensus stopped"),
        reason => tracing::error!(%reason, "consensus ended"),
    }
    actor.stop(Some(reason.to_string()));
    if tokio::time::timeout(STOP_WITHIN, &mut running).await.is_err() {
        tracing::warn!("the consensus engine hangs; it is abandoned");
        actor.kill();
        running.abort();
    }
    reason
}
