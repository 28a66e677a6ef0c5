//! The laws of the pool, after every step of any sequence.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use runtime::crypto::Signature;
use runtime::types::{AccountsCall, Call, TransferCall};

use super::*;

const LIMITS: MempoolLimits = MempoolLimits { transactions: 12, bytes: 1000, per_account: 5, nonce_gap: 3 };
const ACCOUNTS: u8 = 5;
const RICH: Balance = 1 << 40;

fn id(index: u8) -> AccountId {
    AccountId::from_bytes([index; 32])
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    account: u8,
    nonce: u64,
    bytes: u32,
    fee: u32,
    expires_at_ms: u64,
    salt: u8,
}

impl Arriving {
    fn entry(self) -> Entry {
        let call =
            Call::Accounts(AccountsCall::Transfer(TransferCall { to: id(self.salt), amount: Balance::from(self.fee) }));
        let signer = id(self.account);
        let Self { nonce, expires_at_ms, .. } = self;
        let transaction = Transaction::Signed { version: 1, signer, nonce, tip: 0, expires_at_ms, call };
        let transaction = SignedTransaction { transaction, signature: Signature::ZERO };
        let validated = Validated {
            hash: transaction.hash(),
            bytes: self.bytes,
            fee: Balance::from(self.fee),
            tip: 0,
            signer,
            nonce: Some(nonce),
        };
        Entry::new(&validated, transaction)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Arriving),
    Advance(u8, u64),
    Expire(u64),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let arriving = (0..ACCOUNTS, 0u64..10, 1u32..300, 1u32..2000, prop_oneof![Just(0), 1u64..50], any::<u8>());
    let insert = arriving.prop_map(|(account, nonce, bytes, fee, expires_at_ms, salt)| {
        Step::Insert(Arriving { account, nonce, bytes, fee, expires_at_ms, salt })
    });
    prop_oneof![
        20 => insert,
        2 => (0..ACCOUNTS, 0u64..10).prop_map(|(account, nonce)| Step::Advance(account, nonce)),
        1 => (0u64..50).prop_map(Step::Expire),
        1 => (0usize..12).prop_map(Step::Remove),
    ]
}

/// Everything the pool keeps twice must agree, and every bound hold.
fn check(pool: &Pool) {
    assert!(pool.len() <= LIMITS.transactions && pool.bytes() <= LIMITS.bytes);
    let mut count = 0;
    let mut bytes = 0;
    let mut expiries = BTreeSet::new();
    let mut tails = BTreeSet::new();
    for (account, queue) in &pool.queues {
        assert!(!queue.waiting.is_empty() && queue.waiting.len() <= LIMITS.per_account);
        assert!(queue.waiting.keys().all(|nonce| *nonce >= queue.nonce));
        assert_eq!(queue.fees, queue.waiting.values().map(|entry| entry.fee).sum::<Balance>());
        assert_eq!(queue.rank, queue.tail_rank());
        tails.insert((queue.tail_rank().unwrap(), *account));
        for (nonce, entry) in &queue.waiting {
            assert_eq!(pool.places.get(&entry.hash), Some(&(*account, *nonce)));
            count += 1;
            bytes += entry.bytes;
            if entry.expires_at_ms != 0 {
                expiries.insert((entry.expires_at_ms, entry.hash));
            }
        }
    }
    assert_eq!((pool.len(), pool.bytes()), (count, bytes));
    assert!(pool.tails == tails && pool.expiries == expiries);
}

/// The selection is what a greedy choice among the accounts' next transactions gives.
fn check_selection(pool: &Pool, max_bytes: usize) {
    let nonces: BTreeMap<_, _> = pool.queues.iter().map(|(account, queue)| (*account, queue.nonce)).collect();
    let selected = pool.select(max_bytes, |account| Ok(nonces[account])).unwrap();
    let mut next = nonces.clone();
    let mut room = max_bytes;
    for transaction in &selected {
        let account = transaction.transaction.signer();
        let nonce = transaction.transaction.nonce().unwrap();
        assert_eq!(next[&account], nonce, "a gap, or out of order");
        let entry = &pool.queues[&account].waiting[&nonce];
        room = room.checked_sub(entry.bytes).unwrap();
        next.insert(account, nonce + 1);
    }
    if max_bytes == usize::MAX {
        let runs: u64 = pool.queues.values().map(|queue| queue.run_end(queue.nonce) - queue.nonce).sum();
        assert_eq!(u64::try_from(selected.len()).unwrap(), runs, "what can run is selected");
        let mut next = nonces;
        for transaction in &selected {
            let account = transaction.transaction.signer();
            let paid = pool.queues[&account].waiting[&next[&account]].priority;
            let best = next.iter().filter_map(|(account, nonce)| pool.queues[account].waiting.get(nonce));
            assert_eq!(Some(paid), best.map(|entry| entry.priority).max(), "somebody paid more");
            *next.get_mut(&account).unwrap() += 1;
        }
    }
}

/// What an insertion may do to the others: take from the ends of queues, and only what deserves its place less.
fn check_insertion(before: &Pool, after: &Pool, arriving: Arriving, outcome: &Result<(), AdmitError>) {
    let own = id(arriving.account);
    let kept = |pool: &Pool, account: &AccountId| -> Vec<u64> {
        pool.queues.get(account).map(|queue| queue.waiting.keys().copied().collect()).unwrap_or_default()
    };
    if outcome.is_err() {
        assert!(before.queues.keys().all(|account| kept(before, account) == kept(after, account)));
        return;
    }
    let mut own_before = kept(before, &own);
    own_before.push(arriving.nonce);
    own_before.sort_unstable();
    assert_eq!(kept(after, &own), own_before);
    let queue = &after.queues[&own];
    let ready = arriving.nonce < queue.run_end(queue.nonce);
    let rank = Rank { ready, priority: queue.waiting[&arriving.nonce].priority };
    for (account, queue) in before.queues.iter().filter(|(account, _)| **account != own) {
        let (old, new) = (kept(before, account), kept(after, account));
        assert!(old.starts_with(&new), "an eviction left a gap");
        for nonce in &old[new.len()..] {
            let victim = Rank { ready: *nonce < queue.run_end(queue.nonce), priority: queue.waiting[nonce].priority };
            assert!(victim < rank, "the evicted one deserved its place");
        }
    }
}

/// The pool is plain data; a copy is made by inserting everything again.
fn copy(pool: &Pool) -> Pool {
    let mut copy = Pool::new(LIMITS);
    for (account, queue) in &pool.queues {
        for (nonce, entry) in &queue.waiting {
            let entry = Entry { transaction: Arc::clone(&entry.transaction), ..*entry };
            copy.put(*account, *nonce, queue.nonce, entry);
        }
    }
    copy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_laws_hold_after_every_step(steps in proptest::collection::vec(step(), 1..120)) {
        let mut pool = Pool::new(LIMITS);
        for step in steps {
            match step {
                Step::Insert(arriving) => {
                    let before = copy(&pool);
                    let nonce = pool.queues.get(&id(arriving.account)).map_or(0, |queue| queue.nonce);
                    let state = Account { nonce, free: RICH, ..Account::default() };
                    let outcome = pool.insert(id(arriving.account), arriving.nonce, &state, arriving.entry());
                    check_insertion(&before, &pool, arriving, &outcome);
                }
                Step::Advance(account, nonce) => pool.advance(&id(account), nonce),
                Step::Expire(now_ms) => pool.expire(now_ms),
                Step::Remove(index) => {
                    let hash = pool.pending().get(index).map(|pending| pending.hash);
                    hash.iter().for_each(|hash| pool.remove(hash));
                }
            }
            check(&pool);
            check_selection(&pool, usize::MAX);
            check_selection(&pool, 400);
        }
    }
}

/// Inserts one transaction of an account that has nothing yet.
fn insert(pool: &mut Pool, account: u8, nonce: u64, bytes: u32, fee: u32) -> Result<(), AdmitError> {
    let arriving = Arriving { account, nonce, bytes, fee, expires_at_ms: 0, salt: 0 };
    let state = Account { free: RICH, ..Account::default() };
    pool.insert(id(account), nonce, &state, arriving.entry())
}

#[test]
fn a_full_pool_keeps_those_that_pay_most_per_byte() {
    let mut pool = Pool::new(MempoolLimits { transactions: 3, bytes: 10_000, per_account: 3, nonce_gap: 0 });
    insert(&mut pool, 0, 0, 100, 500).unwrap();
    insert(&mut pool, 1, 0, 100, 300).unwrap();
    insert(&mut pool, 2, 0, 200, 800).unwrap();
    assert_eq!(insert(&mut pool, 3, 0, 100, 300), Err(AdmitError::Full));
    insert(&mut pool, 3, 0, 100, 301).unwrap();
    assert!(!pool.queues.contains_key(&id(1)));
    // It pays less in all than the third, and more per byte than the fourth.
    insert(&mut pool, 4, 0, 10, 40).unwrap();
    assert!(!pool.queues.contains_key(&id(3)));
}

#[test]
fn many_small_ones_make_room_for_a_large_one_that_pays_more_or_all_stay() {
    let mut pool = Pool::new(MempoolLimits { transactions: 100, bytes: 1000, per_account: 20, nonce_gap: 0 });
    (0..10).for_each(|nonce| insert(&mut pool, 0, nonce, 50, 100).unwrap());
    (0..10).for_each(|nonce| insert(&mut pool, 1, nonce, 50, 200).unwrap());
    // Better than the first account's, not than the second's, and too large for the place of the first's alone.
    assert_eq!(insert(&mut pool, 2, 0, 501, 1503), Err(AdmitError::Full));
    assert_eq!((pool.len(), pool.bytes()), (20, 1000));
    insert(&mut pool, 2, 0, 500, 1500).unwrap();
    assert_eq!((pool.len(), pool.bytes()), (11, 1000));
    assert!(!pool.queues.contains_key(&id(0)));
}

#[test]
fn what_waits_behind_a_gap_never_displaces_what_can_run() {
    let mut pool = Pool::new(MempoolLimits { transactions: 2, bytes: 10_000, per_account: 3, nonce_gap: 2 });
    insert(&mut pool, 0, 0, 100, 100).unwrap();
    insert(&mut pool, 1, 1, 100, 100_000).unwrap();
    assert_eq!(insert(&mut pool, 2, 2, 100, 90_000), Err(AdmitError::Full));
    insert(&mut pool, 2, 0, 100, 50).unwrap();
    assert!(pool.queues.contains_key(&id(0)) && !pool.queues.contains_key(&id(1)));
}
