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
use futures::future::BoxFuture;
use ledger::{Head, Ledger, Mempool, Preview};
use parity_scale_codec::Encode;
use parking_lot::Mutex;
use rand_core::OsRng;
use runtime::codec::decode_bounded;
use runtime::crypto::{AccountId, KeyPair};
use runtime::execute::{Executed, Proposal, check_live_time, execute_block, vrf_input};
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{ChainState, ParameterTable, ValidatorSets};
use runtime::types::{Block, BlockHash, CommitCertificate, Height, Parameters, SignedTransaction, TxHash, ValidatorSet};
use tokio::sync::{Notify, watch};

/// A header and list lengths in front of the transactions: what a block has beside them, at most.
const BLOCK_OVERHEAD_BYTES: u32 = 1_024;
/// Rejected transactions and no others are dropped while a block is built, so building ends; this bounds it all the same.
const TRANSACTIONS_PER_BLOCK_MAX: usize = 10_000;

/// The key that votes and the account it votes for.
#[derive(Debug)]
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
    validator: ValidatorKeys,
    /// Executed blocks of the next height, until one of them is decided.
    candidates: Mutex<HashMap<BlockHash, Executable>>,
    head: watch::Sender<Arc<Head>>,
    work: Notify,
}

/// A block with what it changes.
struct Executable {
    block: Block,
    executed: Executed,
    preview: Preview,
}

/// Why a transaction is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse it.
    #[error("the ledger refuses the transaction: {0}")]
    Rejected(#[source] Rule),
    /// Too many wait.
    #[error("too many transactions wait for a block")]
    Full,
    /// It waits already.
    #[error("the transaction waits already")]
    Known,
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[source] ApplicationError),
}

impl Chain {
    /// A chain over an open ledger, with nothing waiting.
    pub fn new(ledger: Ledger, mempool: Mempool, validator: ValidatorKeys) -> Self {
        let head = watch::Sender::new(ledger.head());
        let candidates = Mutex::new(HashMap::new());
        Self { ledger, mempool, validator, candidates, head, work: Notify::new() }
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

    /// Parameters in force now.
    pub fn parameters(&self) -> Result<Parameters, ApplicationError> {
        Ok(self.ledger.state().require::<ParameterTable>(&())?)
    }

    /// Admits a transaction, and wakes the proposer.
    pub fn submit(&self, transaction: SignedTransaction) -> Result<TxHash, SubmitError> {
        let hash = self.mempool.admit(&self.ledger, clock_ms(), transaction)?;
        self.work.notify_waiters();
        Ok(hash)
    }

    fn build(&self, height: Height, round: u32) -> Result<Candidate, ApplicationError> {
        let head = self.ledger.head();
        let genesis = self.ledger.genesis_hash();
        let input = vrf_input(&genesis, &head.header.beacon, height);
        let vrf = self.validator.consensus.prove_vrf(&input, OsRng);
        // A clock that went back must not stop the chain.
        let timestamp_ms = clock_ms().max(head.header.timestamp_ms.saturating_add(1));
        let state = self.ledger.state();
        let limits = state.require::<ParameterTable>(&())?.limits;
        let mut proposal =
            Proposal::begin(&state, genesis, &head.header, timestamp_ms, round, self.validator.account, vrf)?;
        let mut room = limits.block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES);
        for transaction in self.mempool.select(room, TRANSACTIONS_PER_BLOCK_MAX) {
            let Some(left) = u32::try_from(transaction.encoded_size()).ok().and_then(|bytes| room.checked_sub(bytes))
            else {
                continue;
            };
            match proposal.apply(&transaction) {
                Ok(()) => room = left,
                Err(rejected) => {
                    let hash = transaction.hash();
                    tracing::debug!(%hash, rule = rejected.rule.name(), "transaction dropped");
                    self.mempool.remove(&hash);
                }
            }
        }
        let executed = proposal.finish()?;
        let preview = self.ledger.preview(&executed.changes)?;
        let block = Block { header: executed.header(preview.root), transactions: executed.transactions.clone() };
        self.keep(round, Executable { block, executed, preview })
    }

    /// Persists a block of the next height before anything is said about it, and keeps what it changes.
    fn keep(&self, round: u32, executable: Executable) -> Result<Candidate, ApplicationError> {
        self.ledger.remember(round, &executable.block)?;
        let candidate = candidate(&executable.block);
        self.candidates.lock().insert(candidate.hash, executable);
        Ok(candidate)
    }

    /// Executes a block of the next height; the reason if the rules refuse it.
    fn execute(&self, block: Block) -> Result<Result<Executable, String>, ApplicationError> {
        let head = self.ledger.head();
        let executed = match execute_block(&self.ledger.state(), self.ledger.genesis_hash(), &head.header, &block) {
            Ok(executed) => executed,
            Err(runtime::execute::ExecuteError::State(error)) => return Err(error.into()),
            Err(invalid) => return Ok(Err(invalid.to_string())),
        };
        let preview = self.ledger.preview(&executed.changes)?;
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
        let undecided = self.ledger.undecided(height)?;
        let block = undecided.into_iter().map(|(_, block)| block).find(|block| block.hash() == hash);
        let block = block.ok_or_else(|| format!("block {hash} of height {height} was decided but never seen"))?;
        self.execute(block)?.map_err(|why| format!("decided block {hash} is invalid: {why}").into())
    }

    fn epoch_ends_in(&self) -> Result<Duration, ApplicationError> {
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
        let head = self.ledger.head();
        let target_ms = state.require::<ParameterTable>(&())?.time.target_ms;
        Ok(HeadInfo {
            height: head.header.height,
            validators: next_validators(&state, &head)?,
            target: (target_ms > 0).then(|| Duration::from_millis(target_ms)),
        })
    }

    fn propose(&self, height: Height, round: u32) -> Result<Candidate, ApplicationError> {
        let own = |block: &Block| block.header.round == round && block.header.proposer == self.validator.account;
        let remembered = self.ledger.undecided(height)?.into_iter().map(|(_, block)| block).find(own);
        match remembered {
            Some(block) => Ok(candidate(&block)),
            None => self.build(height, round),
        }
    }

    fn check(&self, height: Height, round: u32, bytes: &[u8], live: bool) -> Result<Verdict, ApplicationError> {
        let parameters = self.parameters()?;
        let bytes_max = usize::try_from(parameters.limits.block_bytes)?;
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
        let blocks = self.ledger.undecided(height)?;
        Ok(blocks.iter().filter(|(seen, _)| *seen == round).map(|(_, block)| candidate(block)).collect())
    }

    fn candidate(&self, height: Height, hash: BlockHash) -> Result<Option<Candidate>, ApplicationError> {
        let blocks = self.ledger.undecided(height)?;
        Ok(blocks.iter().map(|(_, block)| candidate(block)).find(|candidate| candidate.hash == hash))
    }

    fn commit(&self, certificate: &CommitCertificate) -> Result<(), ApplicationError> {
        let executable = self.take_executable(certificate.height, certificate.block_hash)?;
        let Executable { block, executed, preview } = executable;
        self.ledger.commit(&block, &executed, preview, certificate)?;
        self.candidates.lock().clear();
        self.mempool.prune(&self.ledger, &block, clock_ms())?;
        self.head.send_replace(self.ledger.head());
        Ok(())
    }

    fn decided(&self, height: Height) -> Result<Option<(Bytes, CommitCertificate)>, ApplicationError> {
        let block = self.ledger.block(height)?;
        let certificate = self.ledger.certificate(height)?;
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
            if !self.mempool.is_empty() {
                return;
            }
            match self.epoch_ends_in() {
                Ok(left) => tokio::select! {
                    () = woken => {}
                    () = tokio::time::sleep(left) => {}
                },
                // The engine reports the failure when it asks for the head.
                Err(_) => {}
            }
        })
    }
}

fn candidate(block: &Block) -> Candidate {
    Candidate { hash: block.hash(), header: block.header.clone(), bytes: block.encode().into() }
}

/// The set that votes on the block after the head: the one whose hash the head names.
fn next_validators(state: &impl ReadTables, head: &Head) -> Result<ValidatorSet, ApplicationError> {
    for which in [0, 1] {
        let set = state.require::<ValidatorSets>(&which)?;
        if set.hash() == head.header.next_validators_hash {
            return Ok(set);
        }
    }
    Err(format!("no validator set has the hash that block {} names", head.header.height).into())
}

/// Milliseconds since the Unix epoch.
pub fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
