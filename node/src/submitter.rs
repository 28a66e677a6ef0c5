//! Calls by this node's own accounts: one task per account hands out nonces and signs at the last moment, so that many
//! calls at once leave neither a gap nor a stall.

use std::collections::HashMap;
use std::sync::Arc;

use ledger::AdmitError;
use parking_lot::Mutex;
use rand_core::OsRng;
use runtime::crypto::{AccountId, KeyPair};
use runtime::rule::Rule;
use runtime::types::{BlockHash, Call, Height, Transaction, TxHash};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::chain::Chain;

/// Calls of one account that wait for their nonce.
const CALLS_WAITING_MAX: usize = 256;

/// Times a call is signed anew because its nonce was taken meanwhile.
const NONCE_ATTEMPTS_MAX: u32 = 8;

/// A call that is in a final block.
#[derive(Clone, Copy, Debug)]
pub struct Landed {
    /// The transaction.
    pub hash: TxHash,
    /// The block's height.
    pub height: Height,
    /// The block.
    pub block_hash: BlockHash,
}

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It did not get into the pool.
    #[error("the transaction was not taken")]
    Submit(#[from] AdmitError),
    /// It is in a block, and failed there.
    #[error("transaction {hash} failed: {rule}")]
    Failed {
        /// The transaction.
        hash: TxHash,
        /// The rule that refused it.
        rule: Rule,
    },
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ledger::LedgerError),
    /// It was dropped from the pool without getting into a block.
    #[error("transaction {hash} was dropped before it was recorded")]
    Dropped {
        /// The transaction.
        hash: TxHash,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

struct Order {
    call: Call,
    taken: oneshot::Sender<Result<TxHash, AdmitError>>,
}

/// Signs and submits the calls of this node's accounts.
pub struct Submitter {
    chain: Arc<Chain>,
    accounts: Mutex<HashMap<AccountId, mpsc::Sender<Order>>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Submitter {
    /// A submitter without accounts yet.
    pub fn new(chain: Arc<Chain>) -> Self {
        Self { chain, accounts: Mutex::default(), tasks: Mutex::default() }
    }

    /// Signs `call` with the account's next nonce and puts it into the pool.
    pub async fn submit(&self, account: &KeyPair, call: Call) -> Result<TxHash, CallError> {
        let (taken, answer) = oneshot::channel();
        let queue = self.queue(account);
        queue.send(Order { call, taken }).await.map_err(|_| CallError::Stopping)?;
        Ok(answer.await.map_err(|_| CallError::Stopping)??)
    }

    /// Waits until a transaction is in a final block, and tells what it came to.
    pub async fn landed(&self, hash: TxHash) -> Result<Landed, CallError> {
        let mut head = self.chain.watch_head();
        loop {
            head.borrow_and_update();
            if let Some(landed) = self.look(hash)? {
                return Ok(landed);
            }
            if !self.chain.mempool().contains(&hash) {
                // It may have been committed between the two looks.
                return self.look(hash)?.ok_or(CallError::Dropped { hash });
            }
            tokio::select! {
                changed = head.changed() => changed.map_err(|_| CallError::Stopping)?,
                // It may have been committed just now.
                () = self.chain.stopped() => return self.look(hash)?.ok_or(CallError::Stopping),
            }
        }
    }

    /// Submits a call and waits until it is final.
    pub async fn call(&self, account: &KeyPair, call: Call) -> Result<Landed, CallError> {
        let hash = self.submit(account, call).await?;
        self.landed(hash).await
    }

    fn look(&self, hash: TxHash) -> Result<Option<Landed>, CallError> {
        let ledger = self.chain.ledger();
        let Some(record) = ledger.transaction(&hash)? else { return Ok(None) };
        if let Some(rule) = record.failure() {
            return Err(CallError::Failed { hash, rule });
        }
        let header = ledger.header(record.height)?;
        Ok(header.map(|header| Landed { hash, height: record.height, block_hash: header.hash() }))
    }

    fn queue(&self, pair: &KeyPair) -> mpsc::Sender<Order> {
        let mut accounts = self.accounts.lock();
        let start = || {
            let (sender, orders) = mpsc::channel(CALLS_WAITING_MAX);
            self.tasks.lock().spawn(sign_in_order(self.chain.clone(), pair.clone(), orders));
            sender
        };
        accounts.entry(pair.account()).or_insert_with(start).clone()
    }
}

/// The task of one account: a nonce is used up only by a transaction that got into the pool.
async fn sign_in_order(chain: Arc<Chain>, pair: KeyPair, mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { call, taken }) = orders.recv().await {
        let (chain, pair) = (chain.clone(), pair.clone());
        let signing = tokio::task::spawn_blocking(move || sign_and_submit(&chain, &pair, call));
        if let Ok(result) = signing.await {
            // Whoever asked may have gone away; the transaction stands all the same.
            taken.send(result).ok();
        }
    }
}

/// The nonce may be taken meanwhile by a transaction of the same account from outside; then the next one is tried.
fn sign_and_submit(chain: &Chain, pair: &KeyPair, call: Call) -> Result<TxHash, AdmitError> {
    let mut attempts = NONCE_ATTEMPTS_MAX;
    loop {
        let transaction = Transaction::Signed {
            version: Transaction::VERSION,
            signer: pair.account(),
            nonce: chain.next_nonce(&pair.account())?,
            tip: 0,
            expires_at_ms: 0,
            call: call.clone(),
        };
        attempts -= 1;
        match chain.submit(transaction.sign(&chain.ledger().genesis_hash(), pair, OsRng)) {
            Err(AdmitError::NonceTaken { .. } | AdmitError::Rule(Rule::NonceTooLow)) if attempts > 0 => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
