//! The node's view of the chain: blocks are proposed, checked and committed here, by the rules, on the ledger.
//!
//! ```text
//! transaction -> mempool -> propose (execute, preview, remember) -+
//!                 block from a proposer -> check (the same) ------+-> candidate -> decided -> commit -> head
//! ```
//!
//! Consensus drives it through [`Application`]; services submit transactions and watch the head.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use consensus::{Application, ApplicationError, Candidate, HeadInfo, Verdict, WorkSignal};
use fail::fail_point;
use futures::future::BoxFuture;
use ledger::{AdmitError, Head, Ledger, LedgerError, Mempool, Preview};
use parity_scale_codec::Encode;
use parking_lot::Mutex;
use rand_core::OsRng;
use runtime::beacon::vrf_input;
use runtime::codec::decode_bounded;
use runtime::crypto::{AccountId, KeyPair};
use runtime::execute::{BLOCK_OVERHEAD_BYTES, ExecuteError, Executed, Proposal, execute_block, try_transaction};
use runtime::state::{ReadTables, StateError};
use runtime::tables::{Accounts, ChainState, ParameterTable, ValidatorSets};
use runtime::types::{
    Block, BlockHash, CommitCertificate, Height, Parameters, SignedTransaction, TxHash, ValidatorSet,
};
use runtime::validate::{check_decided, check_live_time};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::BlockMetrics;

/// Submitted transactions that wait until other nodes are told of them. Those beyond it are told later, with all that
/// wait for a block.
const SUBMITTED_WAITING_MAX: usize = 1_024;

/// The key that votes and the account it votes for.
#[derive(Clone, Debug)]
pub struct ValidatorKeys {
    /// The account in the validator set.
    pub account: AccountId,
    /// Its consensus key.
    pub consensus: KeyPair,
}

/// Blocks, state and waiting transactions of one node.
pub struct Chain {
    ledger: Ledger,
    mempool: Mempool,
    /// None follows the chain.
    validator: Option<ValidatorKeys>,
    /// Executed blocks of the next height, until one of them is decided.
    candidates: Mutex<HashMap<BlockHash, Executable>>,
    head: watch::Sender<Arc<Head>>,
    work: Notify,
    /// Transactions that came in here, for whoever tells other nodes.
    submitted: broadcast::Sender<SignedTransaction>,
    stopping: CancellationToken,
    metrics: BlockMetrics,
}

/// A block with what it changes.
struct Executable {
    block: Block,
    executed: Executed,
    preview: Preview,
}

impl Chain {
    /// A chain over an open ledger. It votes with the keys of a validator, and follows without.
    pub fn new(ledger: Ledger, mempool: Mempool, validator: Option<ValidatorKeys>, metrics: BlockMetrics) -> Self {
        Self {
            head: watch::Sender::new(ledger.head()),
            candidates: Mutex::new(HashMap::new()),
            work: Notify::new(),
            submitted: broadcast::Sender::new(SUBMITTED_WAITING_MAX),
            stopping: CancellationToken::new(),
            ledger,
            mempool,
            validator,
            metrics,
        }
    }

    /// The blocks and the state.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The transactions that wait.
    pub const fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// The last committed block, and every one after it.
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.head.subscribe()
    }

    /// Tells everyone who waits for a block that none may come any more.
    pub fn stop_waiting(&self) {
        self.stopping.cancel();
    }

    /// Resolves when the node stops; whoever waits for the head waits for this too.
    pub async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    /// Parameters in force now.
    pub fn parameters(&self) -> Result<Parameters, StateError> {
        self.ledger.state().require::<ParameterTable>(&())
    }

    /// The later of the clock and the head's time: block times never go back, clocks may.
    pub fn now_ms(&self) -> u64 {
        clock_ms().max(self.ledger.head().header.timestamp_ms)
    }

    /// Nonce of the account's next transaction, after those that wait.
    pub fn next_nonce(&self, account: &AccountId) -> Result<u64, StateError> {
        self.mempool.next_nonce(&self.ledger.state(), account)
    }

    /// The transactions that are submitted here from now on.
    pub fn watch_submitted(&self) -> broadcast::Receiver<SignedTransaction> {
        self.submitted.subscribe()
    }

    /// Admits a transaction of this node or its clients, wakes the proposer, and has other nodes told.
    pub fn submit(&self, transaction: SignedTransaction) -> Result<TxHash, AdmitError> {
        let hash = self.admit(transaction.clone())?;
        // Nobody listens on a node that is alone.
        self.submitted.send(transaction).ok();
        Ok(hash)
    }

    /// Admits a transaction that another node told of, and wakes the proposer.
    pub fn admit(&self, transaction: SignedTransaction) -> Result<TxHash, AdmitError> {
        let genesis = self.ledger.genesis_hash();
        let validated = self.mempool.admit(&self.ledger.state(), &genesis, self.now_ms(), transaction)?;
        self.work.notify_waiters();
        Ok(validated.hash)
    }

    /// As [`Self::submit`], but refuses a transaction too whose call would fail if it came first in the next block.
    ///
    /// One that is not its account's next may depend on those before it, so its call is not tried. The work is that of
    /// one transaction: thousands of signatures at most.
    pub fn submit_tried(&self, transaction: SignedTransaction) -> Result<TxHash, AdmitError> {
        self.mempool.precheck(&transaction)?;
        let state = self.ledger.state();
        let account = state.read::<Accounts>(&transaction.transaction.signer())?.unwrap_or_default();
        if transaction.transaction.nonce() == Some(account.nonce) {
            let genesis = self.ledger.genesis_hash();
            try_transaction(&state, genesis, &state.head().header, clock_ms(), &transaction)?;
        }
        self.submit(transaction)
    }

    fn build(&self, height: Height, round: u32, validator: &ValidatorKeys) -> Result<Candidate, ApplicationError> {
        let timed = self.metrics.execution();
        let head = self.ledger.head();
        let genesis = self.ledger.genesis_hash();
        let input = vrf_input(&genesis, &head.header.beacon, height);
        let vrf = validator.consensus.prove_vrf(&input, OsRng);
        // A clock that went back must not stop the chain.
        let timestamp_ms = clock_ms().max(head.header.timestamp_ms.saturating_add(1));
        let state = self.ledger.state();
        let proposer = validator.account;
        let begun = Proposal::begin(&state, genesis, &head.header, timestamp_ms, round, proposer, vrf);
        let mut proposal = begun.map_err(failed_with(height))?;
        let limits = state.require::<ParameterTable>(&()).map_err(unreadable)?.limits;
        let room = usize::try_from(limits.block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES)).unwrap_or(0);
        for transaction in self.mempool.select(&state, room).map_err(unreadable)? {
            if let Err(rejected) = proposal.apply(&transaction) {
                let hash = transaction.hash();
                let rule = rejected
                    .rule()
                    .ok_or_else(|| ApplicationError::caused("the state cannot be read", rejected.clone()))?;
                tracing::debug!(%hash, rule = rule.name(), "transaction dropped");
                self.mempool.discard(&hash);
            }
        }
        let executed = proposal.finish().map_err(failed_with(height))?;
        let preview = self.ledger.preview(&executed.changes).map_err(of_ledger)?;
        let block = executed.block(preview.root);
        drop(timed);
        self.keep(round, Executable { block, executed, preview })
    }

    /// Persists a block of the next height before anything is said about it, and keeps what it changes.
    fn keep(&self, round: u32, executable: Executable) -> Result<Candidate, ApplicationError> {
        self.ledger.remember(round, &executable.block).map_err(of_ledger)?;
        let candidate = candidate(&executable.block);
        self.candidates.lock().insert(candidate.hash, executable);
        Ok(candidate)
    }

    /// Executes a block of the next height; the reason if the rules refuse it.
    fn execute(&self, block: Block) -> Result<Result<Executable, String>, ApplicationError> {
        let _timed = self.metrics.execution();
        let head = self.ledger.head();
        let executed = match execute_block(&self.ledger.state(), self.ledger.genesis_hash(), &head.header, &block) {
            Ok(executed) => executed,
            Err(ExecuteError::Invalid { why }) => return Ok(Err(why.to_string())),
            Err(failure) => return Err(failed_with(block.header.height)(failure)),
        };
        let preview = self.ledger.preview(&executed.changes).map_err(of_ledger)?;
        if executed.header(preview.root) != block.header {
            return Ok(Err("the header does not follow from the block".into()));
        }
        Ok(Ok(Executable { block, executed, preview }))
    }

    /// The block to commit: kept since it was checked, or, after a restart, remembered on disk and executed again.
    fn take_executable(&self, height: Height, hash: BlockHash) -> Result<Executable, ApplicationError> {
        if let Some(executable) = self.candidates.lock().remove(&hash) {
            return Ok(executable);
        }
        let block = self.ledger.undecided_block(height, &hash).map_err(of_ledger)?;
        let unseen = || ApplicationError::new(format!("block {hash} of height {height} was decided but never seen"));
        let executed = self.execute(block.ok_or_else(unseen)?)?;
        executed.map_err(|why| ApplicationError::new(format!("decided block {hash} is invalid: {why}")))
    }

    fn epoch_ends_in(&self) -> Result<Duration, StateError> {
        let state = self.ledger.state();
        let start_ms = state.require::<ChainState>(&())?.epoch_start_ms;
        let epoch_ms = state.require::<ParameterTable>(&())?.time.epoch_ms;
        Ok(Duration::from_millis(start_ms.saturating_add(epoch_ms).saturating_sub(clock_ms())))
    }
}

impl Application for Chain {
    fn genesis(&self) -> BlockHash {
        self.ledger.genesis_hash()
    }

    fn head(&self) -> Result<HeadInfo, ApplicationError> {
        let state = self.ledger.state();
        let head = state.head();
        let target_ms = state.require::<ParameterTable>(&()).map_err(unreadable)?.time.target_ms;
        Ok(HeadInfo {
            height: head.header.height,
            validators: next_validators(&state, head)?,
            target: (target_ms > 0).then(|| Duration::from_millis(target_ms)),
        })
    }

    fn propose(&self, height: Height, round: u32) -> Result<Candidate, ApplicationError> {
        let validator = self.validator.as_ref();
        let validator = validator.ok_or_else(|| ApplicationError::new("this node has no key to propose with"))?;
        let own = |block: &Block| block.header.round == round && block.header.proposer == validator.account;
        let undecided = self.ledger.undecided(height).map_err(of_ledger)?;
        match undecided.iter().map(|(_, block)| block).find(|block| own(block)) {
            Some(block) => Ok(candidate(block)),
            None => self.build(height, round, validator),
        }
    }

    fn check(&self, height: Height, round: u32, bytes: &[u8], live: bool) -> Result<Verdict, ApplicationError> {
        let parameters = self.parameters().map_err(unreadable)?;
        let bytes_max = usize::try_from(parameters.limits.block_bytes).unwrap_or(usize::MAX);
        let block: Block = match decode_bounded(bytes, bytes_max) {
            Ok(block) => block,
            Err(error) => return Ok(Verdict::Invalid { why: error.to_string() }),
        };
        let head = self.ledger.head();
        if block.header.height != height || head.header.height.checked_add(1) != Some(height) {
            return Ok(Verdict::Invalid { why: format!("it is of height {}", block.header.height) });
        }
        if live {
            let drift_ms = parameters.time.drift_ms;
            if let Err(error) = check_live_time(&block.header, &head.header, clock_ms(), drift_ms) {
                return Ok(Verdict::Invalid { why: error.to_string() });
            }
        }
        match self.execute(block)? {
            Ok(executable) => self.keep(round, executable).map(Verdict::Valid),
            Err(why) => Ok(Verdict::Invalid { why }),
        }
    }

    fn undecided(&self, height: Height, round: u32) -> Result<Vec<Candidate>, ApplicationError> {
        let blocks = self.ledger.undecided(height).map_err(of_ledger)?;
        Ok(blocks.iter().filter(|(seen, _)| *seen == round).map(|(_, block)| candidate(block)).collect())
    }

    fn candidate(&self, height: Height, hash: BlockHash) -> Result<Option<Candidate>, ApplicationError> {
        let block = self.ledger.undecided_block(height, &hash).map_err(of_ledger)?;
        Ok(block.as_ref().map(candidate))
    }

    fn commit(&self, certificate: &CommitCertificate) -> Result<(), ApplicationError> {
        let head = self.ledger.head();
        if (head.header.height, head.hash) == (certificate.height, certificate.block_hash) {
            return Ok(());
        }
        let Executable { block, executed, preview } =
            self.take_executable(certificate.height, certificate.block_hash)?;
        check_decided(&block.header, certificate).map_err(|error| ApplicationError::new(error.to_string()))?;
        let timed = self.metrics.commit();
        self.ledger.commit(&block, &executed, preview, certificate).map_err(of_ledger)?;
        drop(timed);
        self.metrics.committed(block.transactions.len());
        self.candidates.lock().clear();
        self.mempool.prune(&self.ledger.state(), &block).map_err(unreadable)?;
        fail_point!("node::commit::before_announce");
        self.head.send_replace(self.ledger.head());
        fail_point!("node::commit::after_announce");
        Ok(())
    }

    fn decided(&self, height: Height) -> Result<Option<(Bytes, CommitCertificate)>, ApplicationError> {
        let block = self.ledger.block(height).map_err(of_ledger)?;
        let certificate = self.ledger.certificate(height).map_err(of_ledger)?;
        Ok(block.zip(certificate).map(|(block, certificate)| (block.encode().into(), certificate)))
    }

    fn min_height(&self) -> Height {
        1
    }
}

impl WorkSignal for Chain {
    fn wait(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // Listening begins before the look at the pool, so that no transaction slips between the two.
            let woken = self.work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.mempool.has_ready() {
                return;
            }
            // If the state cannot be read, the engine hears of it when it asks for the head.
            if let Ok(left) = self.epoch_ends_in() {
                tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep(left) => {}
                }
            }
        })
    }
}

fn candidate(block: &Block) -> Candidate {
    Candidate { hash: block.hash(), header: block.header.clone(), bytes: block.encode().into() }
}

/// The set that votes on the block after the head: the one whose hash the head names.
pub fn next_validators(state: &impl ReadTables, head: &Head) -> Result<ValidatorSet, ApplicationError> {
    for which in [0, 1] {
        let set = state.require::<ValidatorSets>(&which).map_err(unreadable)?;
        if set.hash() == head.header.next_validators_hash {
            return Ok(set);
        }
    }
    Err(ApplicationError::new(format!("no validator set has the hash that block {} names", head.header.height)))
}

fn unreadable(error: StateError) -> ApplicationError {
    ApplicationError::caused("the state cannot be read", error)
}

fn of_ledger(error: LedgerError) -> ApplicationError {
    ApplicationError::caused("the ledger failed", error)
}

fn failed_with(height: Height) -> impl Fn(ExecuteError) -> ApplicationError {
    move |error| ApplicationError::caused(format!("block {height} cannot be executed"), error)
}

/// Milliseconds since the Unix epoch.
pub fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
