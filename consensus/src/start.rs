//! Starts to agree: what must hold before there is an engine.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use malachite::{Channels, EngineHandle};
use runtime::crypto::PeerKey;
use runtime::types::{BlockHash, Height};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::application::{Application, WorkSignal};
use crate::config::{ConsensusConfig, ValidatorKey, peer_key};
use crate::context::ChainContext;
use crate::engine::{self, Plan};
use crate::error::{EndReason, GuardError, StartError, chain};
use crate::heights::PeerHeights;
use crate::host::Head;
use crate::launch::Launcher;
use crate::log;
use crate::peers::ConsensusPeers;
use crate::port::Port;
use crate::signing::ConsensusSigner;

/// The engine's write-ahead log, in the data folder.
const LOG_FILE: &str = "consensus.wal";
/// The signer's guard file, in the data folder.
const GUARD_FILE: &str = "signed.guard";

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

/// [`start`], with the engine's actors put together by the caller: tests build some that misbehave. They are put together
/// again if what the node does about voting changes.
///
/// # Errors
/// As [`start`].
pub async fn start_with<Built>(
    application: Arc<dyn Application>,
    work: Arc<dyn WorkSignal>,
    config: ConsensusConfig,
    build: impl Fn(Plan) -> Built + Send + Sync + 'static,
) -> Result<ConsensusHandle, StartError>
where
    Built: Future<Output = Result<(Channels<ChainContext>, EngineHandle), StartError>> + Send + 'static,
{
    config.validate()?;
    let folder = &config.data_dir;
    std::fs::create_dir_all(folder).map_err(|source| StartError::Folder { path: folder.clone(), source })?;
    let port = Port::open(&config).await?;
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
    let (stop, stopped) = watch::channel(false);
    let (ready, listens) = oneshot::channel();
    let (open, mut is_ready) = oneshot::channel();
    let (end, ended) = watch::channel(None);
    let log = folder.join(LOG_FILE);
    // The engine listens behind the port.
    let config = ConsensusConfig { listen: port.engine(), ..config };
    let mut launcher =
        Launcher { application, work, config, genesis, signer, log, heights, stop: stopped, build, launched: 0 };
    let (running, requests) = launcher.launch(head, None, Some(ready)).await?;
    let Launcher { config, heights, .. } = &launcher;
    let peers = ConsensusPeers::new(requests, heights.clone(), port.named(), &config.peers);
    let (peer_key, ready_within) = (peer_key(&config.network_secret), config.ready_within);
    let handle = ConsensusHandle { stop, ended, peer_key, heights: heights.clone(), peers: peers.clone() };
    let mut served = JoinSet::new();
    served.spawn(serve(port, listens, open));
    tokio::spawn(async move {
        let reason = launcher.run(running, peers).await;
        served.shutdown().await;
        end.send_replace(Some(reason));
    });
    tokio::select! {
        biased;
        Ok(()) = &mut is_ready => Ok(handle),
        reason = handle.ended() => Err(StartError::Ended(reason)),
        () = tokio::time::sleep(ready_within) => {
            handle.stop().await;
            Err(StartError::NotReady(ready_within))
        }
    }
}

/// Serves the port once the engine listens.
async fn serve(port: Port, listens: oneshot::Receiver<()>, open: oneshot::Sender<()>) -> Infallible {
    if listens.await.is_err() {
        return std::future::pending().await;
    }
    open.send(()).ok();
    port.serve().await
}

/// Opens the guard file; makes it only where nothing can have been signed, or the operator takes the blame.
fn open_signer(
    validator: &ValidatorKey,
    genesis: BlockHash,
    head: &Head,
    config: &ConsensusConfig,
) -> Result<ConsensusSigner, GuardError> {
    let path = config.data_dir.join(GUARD_FILE);
    if !config.new_guard {
        check_guard(&path, &config.data_dir.join(LOG_FILE), head.height())?;
        return ConsensusSigner::open_unknowing(genesis, validator.clone(), &path);
    }
    let open = || {
        let signer = ConsensusSigner::open(genesis, validator.clone(), &path)?;
        if signer.floor() > 0 {
            signer.set_floor(0)?;
            tracing::warn!("this validator votes at once, as --new-guard says");
        }
        Ok(signer)
    };
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

/// What the application says of the chain.
pub async fn read(application: &Arc<dyn Application>) -> Result<(BlockHash, Head), StartError> {
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
