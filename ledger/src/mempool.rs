//! Transactions that wait for a block: bounded, in order of nonce within an account, best paid first between accounts.
//!
//! # Laws
//! - **Bounded.** Never more transactions, bytes or transactions of one account than [`MempoolLimits`] says.
//! - **No gaps.** What [`Mempool::select`] gives has, for every account, nonces that follow the state's one by one.
//! - **First come.** A nonce that is taken stays taken; a transaction is never replaced.
//! - **The least goes first.** When the pool is full, an account's last transaction makes room for one that pays more
//!   per byte; those that wait behind a gap go before those that could run.
//! - **Paid for.** An account's waiting transactions together cost no more than its free balance.
//!
//! - **Not lost with the process.** A pool that is [kept](Mempool::keep) has what waited when it is opened again.
//!
//! Memory behind a lock and, if it is kept, one file: no clock, no task. The caller brings state and time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use runtime::crypto::AccountId;
use runtime::execute::Rejected;
use runtime::rule::Rule;
use runtime::state::{ReadTables, StateError, StateView};
use runtime::tables::{Account, Accounts};
use runtime::types::{Block, BlockHash, SignedTransaction, TxHash};
use runtime::validate::{Validated, validate_transaction};
use thiserror::Error;

use journal::Journal;
use pool::{Entry, Pool};

mod journal;
mod pool;

/// The file of a pool that is kept is written anew once it has so many times the bytes that may wait.
const JOURNAL_FACTOR: u64 = 2;

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Most transactions.
    pub transactions: usize,
    /// Most encoded bytes of all together.
    pub bytes: usize,
    /// Most transactions of one account.
    pub per_account: usize,
    /// How far a nonce may be ahead of the next one: transactions that arrive out of order wait.
    pub nonce_gap: u64,
}

impl MempoolLimits {
    /// Dozens of full blocks, and room for one gateway's account to store hundreds of files at once.
    pub const STANDARD: Self = Self { transactions: 8192, bytes: 32 << 20, per_account: 512, nonce_gap: 64 };
}

/// Why a transaction does not wait.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AdmitError {
    /// It waits already.
    #[error("transaction {0} waits already")]
    Known(TxHash),
    /// Another transaction with its nonce waits; it is not replaced.
    #[error("transaction {waiting} of {account} with nonce {nonce} waits already")]
    NonceTaken {
        /// The one that waits.
        waiting: TxHash,
        /// The signer.
        account: AccountId,
        /// The nonce.
        nonce: u64,
    },
    /// Its nonce is too far ahead.
    #[error("nonce {nonce} of {account} is too far ahead of {next}")]
    TooFarAhead {
        /// The signer.
        account: AccountId,
        /// The nonce.
        nonce: u64,
        /// The next nonce that could run.
        next: u64,
    },
    /// As many transactions of its account wait as may.
    #[error("{limit} transactions of {account} wait already")]
    AccountFull {
        /// The signer.
        account: AccountId,
        /// Most transactions of one account.
        limit: usize,
    },
    /// The pool is full of transactions that pay as much or more.
    #[error("the pool is full of transactions that pay as much or more per byte")]
    Full,
    /// The rules refuse it.
    #[error(transparent)]
    Rule(#[from] Rule),
    /// The state cannot be read: says nothing about the transaction.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<Rejected> for AdmitError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Rule(rule) => Self::Rule(rule),
            Rejected::State(error) => Self::State(error),
        }
    }
}

/// A transaction that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its hash.
    pub hash: TxHash,
    /// Who signed it.
    pub signer: AccountId,
    /// Its place among the signer's.
    pub nonce: u64,
    /// Itself.
    pub transaction: Arc<SignedTransaction>,
}

/// The transactions that wait for a block.
pub struct Mempool {
    pool: Mutex<Pool>,
    /// Taken before the pool's lock where both are.
    journal: Mutex<Option<Journal>>,
}

impl Mempool {
    /// An empty one.
    #[must_use]
    pub fn new(limits: MempoolLimits) -> Self {
        Self { pool: Mutex::new(Pool::new(limits)), journal: Mutex::new(None) }
    }

    /// Keeps what waits in the file at `path` from now on, and admits what the file has of before, as far as it can still
    /// be in a block. Returns how many came back.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn keep<V: StateView>(&self, path: &Path, view: &V, genesis: &BlockHash, now_ms: u64) -> io::Result<usize> {
        let bytes_max = u64::try_from(self.pool.lock().limits().bytes).unwrap_or(u64::MAX);
        let (mut journal, before) = Journal::open(path, bytes_max.saturating_mul(JOURNAL_FACTOR))?;
        let admitted = before.into_iter().filter(|transaction| {
            let admitted = self.admit(view, genesis, now_ms, transaction.clone());
            if let Err(error) = &admitted {
                tracing::debug!(hash = %transaction.hash(), %error, "a kept transaction waits no longer");
            }
            admitted.is_ok()
        });
        let count = admitted.count();
        self.rewrite(&mut journal)?;
        *self.journal.lock() = Some(journal);
        Ok(count)
    }

    fn rewrite(&self, journal: &mut Journal) -> io::Result<()> {
        let waiting = self.pending();
        journal.rewrite(waiting.iter().map(|pending| pending.transaction.as_ref()))
    }

    /// What cannot be written down waits all the same: the pool is worth more than its file.
    fn note(&self, transaction: &SignedTransaction) {
        let mut held = self.journal.lock();
        let Some(journal) = held.as_mut() else { return };
        let written = journal.append(transaction).and_then(|is_full| match is_full {
            true => self.rewrite(journal),
            false => Ok(()),
        });
        if let Err(error) = written {
            tracing::error!(%error, "waiting transactions cannot be written down; a restart would lose them");
            *held = None;
        }
    }

    /// What the pool alone can tell of a transaction: whether it waits, or another one with its nonce.
    ///
    /// # Errors
    /// [`AdmitError`], as [`Self::admit`] would say.
    pub fn precheck(&self, transaction: &SignedTransaction) -> Result<(), AdmitError> {
        // No call of the rules in force goes without a fee, so there is no lane for such transactions.
        let nonce = transaction.transaction.nonce().ok_or(Rule::NotFree)?;
        self.pool.lock().precheck(&transaction.hash(), &transaction.transaction.signer(), nonce)
    }

    /// Checks a transaction against the state and lets it wait. `now_ms` is the later of the clock and the head's time.
    ///
    /// # Errors
    /// [`AdmitError`]; whatever the pool alone can tell is told before the signature is checked.
    pub fn admit<V: StateView>(
        &self,
        view: &V,
        genesis: &BlockHash,
        now_ms: u64,
        transaction: SignedTransaction,
    ) -> Result<Validated, AdmitError> {
        let signer = transaction.transaction.signer();
        let nonce = transaction.transaction.nonce().ok_or(Rule::NotFree)?;
        self.precheck(&transaction)?;
        let validated = validate_transaction(view, genesis, now_ms, &transaction, None)?;
        let account = account(view, &signer)?;
        let entry = Entry::new(&validated, transaction);
        let transaction = Arc::clone(&entry.transaction);
        self.pool.lock().insert(signer, nonce, &account, entry)?;
        self.note(&transaction);
        Ok(validated)
    }

    /// Transactions for the next block on the state `view`, at most `max_bytes` of encoded bytes, best paid first, each
    /// account's in order. They stay in the pool until they are pruned or discarded.
    ///
    /// # Errors
    /// [`StateError`] if an account cannot be read.
    pub fn select<V: StateView>(&self, view: &V, max_bytes: usize) -> Result<Vec<Arc<SignedTransaction>>, StateError> {
        self.pool.lock().select(max_bytes, |id| Ok(account(view, id)?.nonce))
    }

    /// Removes what a committed block made void: transactions with used nonces, and those that expired at its time.
    /// `view` is the state after it.
    ///
    /// # Errors
    /// [`StateError`] if an account cannot be read.
    pub fn prune<V: StateView>(&self, view: &V, block: &Block) -> Result<(), StateError> {
        let mut pool = self.pool.lock();
        for signer in pool.known_signers(&block.transactions) {
            let nonce = account(view, &signer)?.nonce;
            pool.advance(&signer, nonce);
        }
        pool.expire(block.header.timestamp_ms);
        Ok(())
    }

    /// Removes a transaction that cannot be in a block, as building one found. Those behind it wait for its nonce.
    pub fn discard(&self, hash: &TxHash) {
        self.pool.lock().remove(hash);
    }

    /// Whether this transaction waits.
    #[must_use]
    pub fn contains(&self, hash: &TxHash) -> bool {
        self.pool.lock().get(hash).is_some()
    }

    /// The transaction with this hash, if it waits.
    #[must_use]
    pub fn get(&self, hash: &TxHash) -> Option<Arc<SignedTransaction>> {
        self.pool.lock().get(hash).map(|entry| Arc::clone(&entry.transaction))
    }

    /// All that wait, by account and nonce.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.pool.lock().pending()
    }

    /// Whether a transaction waits that could run now.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.pool.lock().has_ready()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pool.lock().len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Encoded bytes of all that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pool.lock().bytes()
    }

    /// The nonce for the next transaction of `signer`: the state's, plus those that wait without a gap.
    ///
    /// # Errors
    /// [`StateError`] if the account cannot be read.
    pub fn next_nonce<V: StateView>(&self, view: &V, signer: &AccountId) -> Result<u64, StateError> {
        let nonce = account(view, signer)?.nonce;
        Ok(self.pool.lock().next_nonce(signer, nonce))
    }
}

impl std::fmt::Debug for Mempool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mempool({} transactions)", self.len())
    }
}

/// An account; one that is not there has nothing.
fn account<V: StateView>(view: &V, id: &AccountId) -> Result<Account, StateError> {
    Ok(view.read::<Accounts>(id)?.unwrap_or_default())
}
