//! The pool without its lock: queues of accounts, and the orders in which they are emptied.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use runtime::crypto::AccountId;
use runtime::rule::Rule;
use runtime::state::StateError;
use runtime::tables::Account;
use runtime::types::{Balance, SignedTransaction, Transaction, TxHash};
use runtime::validate::Validated;

use super::{AdmitError, MempoolLimits, Pending};

/// What a byte pays is compared in parts of this many, so that small differences count.
const PRIORITY_SCALE: Balance = 1 << 16;

/// A transaction that waits, and what has to be known of it.
pub struct Entry {
    hash: TxHash,
    bytes: usize,
    fee: Balance,
    /// What it pays per byte, scaled.
    priority: Balance,
    /// Not valid later; 0 = never expires.
    expires_at_ms: u64,
    /// Earlier ones go first among equals.
    arrival: u64,
    pub transaction: Arc<SignedTransaction>,
}

impl Entry {
    pub fn new(validated: &Validated, transaction: SignedTransaction) -> Self {
        let expires_at_ms = match transaction.transaction {
            Transaction::Signed { expires_at_ms, .. } => expires_at_ms,
            Transaction::Free { .. } => 0,
        };
        let bytes = Balance::from(validated.bytes.max(1));
        Self {
            hash: validated.hash,
            bytes: usize::try_from(validated.bytes).unwrap_or(usize::MAX),
            fee: validated.fee,
            priority: validated.fee.saturating_mul(PRIORITY_SCALE) / bytes,
            expires_at_ms,
            arrival: 0,
            transaction: Arc::new(transaction),
        }
    }
}

/// How much an account's last transaction deserves its place: one that could run more than one behind a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    ready: bool,
    priority: Balance,
}

/// The waiting transactions of one account.
struct Queue {
    /// The account's nonce, as far as the pool was told.
    nonce: u64,
    waiting: BTreeMap<u64, Entry>,
    /// What all of them cost.
    fees: Balance,
    /// The rank under which `Pool::tails` has this queue.
    rank: Option<Rank>,
}

impl Queue {
    const fn new(nonce: u64) -> Self {
        Self { nonce, waiting: BTreeMap::new(), fees: 0, rank: None }
    }

    /// The first nonce at or behind `from` that does not wait.
    fn run_end(&self, from: u64) -> u64 {
        let waiting = self.waiting.range(from..);
        (from..)
            .zip(waiting)
            .take_while(|(want, (have, _))| want == *have)
            .fold(from, |_, (have, _)| have.saturating_add(1))
    }

    fn tail_rank(&self) -> Option<Rank> {
        let (nonce, tail) = self.waiting.last_key_value()?;
        Some(Rank { ready: *nonce < self.run_end(self.nonce), priority: tail.priority })
    }
}

/// See [`Mempool`](super::Mempool) for its laws.
pub struct Pool {
    limits: MempoolLimits,
    queues: BTreeMap<AccountId, Queue>,
    places: HashMap<TxHash, (AccountId, u64)>,
    /// The queues by what their last transaction deserves, the least first.
    tails: BTreeSet<(Rank, AccountId)>,
    /// Those that expire, the soonest first.
    expiries: BTreeSet<(u64, TxHash)>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    pub fn new(limits: MempoolLimits) -> Self {
        Self {
            limits,
            queues: BTreeMap::new(),
            places: HashMap::new(),
            tails: BTreeSet::new(),
            expiries: BTreeSet::new(),
            bytes: 0,
            arrivals: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn get(&self, hash: &TxHash) -> Option<&Entry> {
        let (account, nonce) = self.places.get(hash)?;
        self.queues.get(account)?.waiting.get(nonce)
    }

    /// What can be told before the transaction is looked at closely.
    pub fn precheck(&self, hash: &TxHash, account: &AccountId, nonce: u64) -> Result<(), AdmitError> {
        if self.places.contains_key(hash) {
            return Err(AdmitError::Known(*hash));
        }
        let Some(queue) = self.queues.get(account) else { return Ok(()) };
        match queue.waiting.get(&nonce) {
            Some(entry) => Err(AdmitError::NonceTaken { waiting: entry.hash, account: *account, nonce }),
            None => Ok(()),
        }
    }

    /// Lets a transaction wait that the rules have found valid for `state`, its signer's account.
    pub fn insert(
        &mut self,
        account: AccountId,
        nonce: u64,
        state: &Account,
        mut entry: Entry,
    ) -> Result<(), AdmitError> {
        self.advance(&account, state.nonce);
        self.precheck(&entry.hash, &account, nonce)?;
        let empty = Queue::new(state.nonce);
        let queue = self.queues.get(&account).unwrap_or(&empty);
        // The pool may have been told of a later block than the caller's state.
        if nonce < queue.nonce {
            return Err(Rule::NonceTooLow.into());
        }
        let next = queue.run_end(queue.nonce);
        if nonce.saturating_sub(next) > self.limits.nonce_gap {
            return Err(AdmitError::TooFarAhead { account, nonce, next });
        }
        if queue.waiting.len() >= self.limits.per_account {
            return Err(AdmitError::AccountFull { account, limit: self.limits.per_account });
        }
        if queue.fees.saturating_add(entry.fee) > state.free {
            return Err(Rule::CannotPayFee.into());
        }
        let rank = Rank { ready: nonce == next, priority: entry.priority };
        self.make_room(&account, entry.bytes, rank)?;
        self.arrivals = self.arrivals.saturating_add(1);
        entry.arrival = self.arrivals;
        self.put(account, nonce, state.nonce, entry);
        Ok(())
    }

    /// Evicts until `bytes` more fit; if there is nothing that deserves its place less than `rank`, evicts nothing.
    fn make_room(&mut self, account: &AccountId, bytes: usize, rank: Rank) -> Result<(), AdmitError> {
        let mut evicted = Vec::new();
        while self.len() >= self.limits.transactions || self.bytes.saturating_add(bytes) > self.limits.bytes {
            // Not from the account itself: what is behind a removed transaction could not run.
            let least = self.tails.iter().find(|(_, owner)| owner != account);
            let victim = least.filter(|(least, _)| *least < rank).map(|(_, owner)| *owner);
            let removed = victim.and_then(|owner| {
                let queue = self.queues.get(&owner)?;
                let (nonce, start) = (*queue.waiting.last_key_value()?.0, queue.nonce);
                Some((owner, nonce, start, self.take(&owner, nonce)?))
            });
            let Some(removed) = removed else {
                for (owner, nonce, start, entry) in evicted {
                    self.put(owner, nonce, start, entry);
                }
                return Err(AdmitError::Full);
            };
            evicted.push(removed);
        }
        for (owner, nonce, ..) in evicted {
            tracing::debug!(account = %owner, nonce, "evicted a transaction");
        }
        Ok(())
    }

    /// Says that the next transaction of `account` has `nonce`: those before it are void.
    pub fn advance(&mut self, account: &AccountId, nonce: u64) {
        let Some(queue) = self.queues.get_mut(account) else { return };
        if nonce <= queue.nonce {
            return;
        }
        queue.nonce = nonce;
        let used: Vec<u64> = queue.waiting.range(..nonce).map(|(nonce, _)| *nonce).collect();
        for nonce in used {
            self.take(account, nonce);
        }
        self.settle(account);
    }

    /// Removes what is not valid at `now_ms` any more.
    pub fn expire(&mut self, now_ms: u64) {
        while let Some((expires_at_ms, hash)) = self.expiries.first().copied() {
            if expires_at_ms >= now_ms {
                break;
            }
            self.remove(&hash);
        }
    }

    pub fn remove(&mut self, hash: &TxHash) {
        if let Some((account, nonce)) = self.places.get(hash).copied() {
            self.take(&account, nonce);
        }
    }

    /// Those of the transactions' signers that have something waiting, each once.
    pub fn known_signers(&self, transactions: &[SignedTransaction]) -> BTreeSet<AccountId> {
        let signers = transactions.iter().map(|signed| signed.transaction.signer());
        signers.filter(|signer| self.queues.contains_key(signer)).collect()
    }

    pub const fn limits(&self) -> &MempoolLimits {
        &self.limits
    }

    pub fn pending(&self) -> Vec<Pending> {
        let of = |(signer, queue): (&AccountId, &Queue)| {
            let entry = |(nonce, entry): (&u64, &Entry)| Pending {
                hash: entry.hash,
                signer: *signer,
                nonce: *nonce,
                transaction: Arc::clone(&entry.transaction),
            };
            queue.waiting.iter().map(entry).collect::<Vec<_>>()
        };
        self.queues.iter().flat_map(of).collect()
    }

    pub fn has_ready(&self) -> bool {
        self.queues.values().any(|queue| queue.waiting.contains_key(&queue.nonce))
    }

    pub fn next_nonce(&self, account: &AccountId, state_nonce: u64) -> u64 {
        self.queues.get(account).map_or(state_nonce, |queue| queue.run_end(queue.nonce.max(state_nonce)))
    }

    /// See [`Mempool::select`](super::Mempool::select); `nonce_of` reads the state that the block will stand on.
    pub fn select(
        &self,
        max_bytes: usize,
        nonce_of: impl Fn(&AccountId) -> Result<u64, StateError>,
    ) -> Result<Vec<Arc<SignedTransaction>>, StateError> {
        let mut room = max_bytes;
        let mut selected = Vec::new();
        let candidate = |account: &AccountId, nonce: u64, checked: bool| {
            let entry = self.queues.get(account)?.waiting.get(&nonce)?;
            Some((entry.priority, Reverse(entry.arrival), *account, nonce, checked))
        };
        let first = |(account, queue): (&AccountId, &Queue)| candidate(account, queue.nonce, false);
        let mut heap: BinaryHeap<_> = self.queues.iter().filter_map(first).collect();
        while let Some((_, _, account, nonce, checked)) = heap.pop() {
            if !checked {
                // What the pool was told of the account may be of another block than this state.
                let actual = nonce_of(&account)?;
                if actual != nonce {
                    heap.extend(candidate(&account, actual, true));
                    continue;
                }
            }
            let Some(entry) = self.queues.get(&account).and_then(|queue| queue.waiting.get(&nonce)) else { continue };
            // One that does not fit keeps those behind it out as well.
            if let Some(rest) = room.checked_sub(entry.bytes) {
                room = rest;
                selected.push(Arc::clone(&entry.transaction));
                heap.extend(nonce.checked_add(1).and_then(|next| candidate(&account, next, true)));
            }
        }
        Ok(selected)
    }

    /// Puts an entry where nothing is; a new queue starts at `start`.
    fn put(&mut self, account: AccountId, nonce: u64, start: u64, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.places.insert(entry.hash, (account, nonce));
        if entry.expires_at_ms != 0 {
            self.expiries.insert((entry.expires_at_ms, entry.hash));
        }
        let queue = self.queues.entry(account).or_insert_with(|| Queue::new(start));
        queue.fees = queue.fees.saturating_add(entry.fee);
        queue.waiting.insert(nonce, entry);
        self.settle(&account);
    }

    /// Takes an entry out of everything that knows it.
    fn take(&mut self, account: &AccountId, nonce: u64) -> Option<Entry> {
        let queue = self.queues.get_mut(account)?;
        let entry = queue.waiting.remove(&nonce)?;
        queue.fees = queue.fees.saturating_sub(entry.fee);
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.places.remove(&entry.hash);
        self.expiries.remove(&(entry.expires_at_ms, entry.hash));
        self.settle(account);
        Some(entry)
    }

    /// Gives a queue its place by rank after it changed; an empty one goes.
    fn settle(&mut self, account: &AccountId) {
        let Some(queue) = self.queues.get_mut(account) else { return };
        let rank = queue.tail_rank();
        if let Some(old) = std::mem::replace(&mut queue.rank, rank) {
            self.tails.remove(&(old, *account));
        }
        match rank {
            Some(rank) => {
                self.tails.insert((rank, *account));
            }
            None => {
                self.queues.remove(account);
            }
        }
    }
}

#[cfg(test)]
mod tests;
