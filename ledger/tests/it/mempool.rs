//! The mempool over a real state: what is admitted, in which order it goes into blocks, what remains.

use ledger::{AdmitError, Mempool, MempoolLimits};
use runtime::crypto::{KeyPair, Signature};
use runtime::rule::Rule;
use runtime::testkit::{SeededRng, TOKEN, key};
use runtime::types::{AccountsCall, Call, SignedTransaction, Transaction, TransferCall};

use crate::support::Chain;

fn signed(chain: &Chain, from: &KeyPair, nonce: u64, tip: u128, expires_at_ms: u64) -> SignedTransaction {
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to: key("Dave").account(), amount: TOKEN }));
    let transaction =
        Transaction::Signed { version: Transaction::VERSION, signer: from.account(), nonce, tip, expires_at_ms, call };
    transaction.sign(&chain.ledger.genesis_hash(), from, SeededRng::new(nonce))
}

fn admit(pool: &Mempool, chain: &Chain, transaction: &SignedTransaction) -> Result<(), AdmitError> {
    let head = chain.ledger.head();
    let (view, genesis) = (chain.ledger.state(), chain.ledger.genesis_hash());
    let validated = pool.admit(&view, &genesis, head.header.timestamp_ms, transaction.clone())?;
    assert_eq!(validated.hash, transaction.hash());
    Ok(())
}

/// A block of what the pool selects; what cannot be in it is discarded.
fn commit_selected(pool: &Mempool, chain: &mut Chain) -> Vec<SignedTransaction> {
    let selected: Vec<_> =
        pool.select(&chain.ledger.state(), 1 << 20).unwrap().iter().map(|signed| (**signed).clone()).collect();
    let block = chain.commit(&selected);
    pool.prune(&chain.ledger.state(), &block).unwrap();
    selected
}

#[test]
fn transactions_that_arrive_in_any_order_are_committed_in_order() {
    let mut chain = Chain::new();
    let (alice, bob) = (key("Alice"), key("Bob"));
    let pool = Mempool::new(MempoolLimits::STANDARD);
    for nonce in [3, 1, 5, 2] {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, 0)).unwrap();
    }
    admit(&pool, &chain, &signed(&chain, &bob, 0, 0, 0)).unwrap();
    assert_eq!(pool.next_nonce(&chain.ledger.state(), &alice.account()).unwrap(), 0);
    assert_eq!(commit_selected(&pool, &mut chain).len(), 1);
    assert!(!pool.has_ready());
    assert_eq!(pool.len(), 4);

    admit(&pool, &chain, &signed(&chain, &alice, 0, 0, 0)).unwrap();
    assert_eq!(pool.next_nonce(&chain.ledger.state(), &alice.account()).unwrap(), 4);
    assert!(pool.has_ready());
    let nonces: Vec<_> = commit_selected(&pool, &mut chain).iter().map(|tx| tx.transaction.nonce().unwrap()).collect();
    assert_eq!(nonces, [0, 1, 2, 3]);
    assert_eq!(pool.pending().iter().map(|pending| pending.nonce).collect::<Vec<_>>(), [5]);
    admit(&pool, &chain, &signed(&chain, &alice, 4, 0, 0)).unwrap();
    assert_eq!(commit_selected(&pool, &mut chain).len(), 2);
    assert!(pool.is_empty() && pool.bytes() == 0);
}

#[test]
fn who_pays_more_goes_first_and_nobody_overtakes_himself() {
    let mut chain = Chain::new();
    let (alice, bob, charlie) = (key("Alice"), key("Bob"), key("Charlie"));
    let pool = Mempool::new(MempoolLimits::STANDARD);
    for (from, nonce, tip) in [(&alice, 0, 1), (&alice, 1, 9), (&bob, 0, 5), (&bob, 1, 3), (&charlie, 0, 4)] {
        admit(&pool, &chain, &signed(&chain, from, nonce, tip * TOKEN, 0)).unwrap();
    }
    let order: Vec<_> = commit_selected(&pool, &mut chain)
        .iter()
        .map(|signed| (signed.transaction.signer(), signed.transaction.nonce().unwrap()))
        .collect();
    let (a, b, c) = (alice.account(), bob.account(), charlie.account());
    assert_eq!(order, [(b, 0), (c, 0), (b, 1), (a, 0), (a, 1)]);
}

#[test]
fn what_the_rules_refuse_is_refused_by_name() {
    let mut chain = Chain::new();
    let alice = key("Alice");
    let pool = Mempool::new(MempoolLimits::STANDARD);
    chain.commit(&[signed(&chain, &alice, 0, 0, 0)]);
    let now_ms = chain.ledger.head().header.timestamp_ms;

    let mut forged = signed(&chain, &alice, 1, 0, 0);
    forged.signature = Signature::from_bytes([7; 64]);
    assert_eq!(admit(&pool, &chain, &forged), Err(AdmitError::Rule(Rule::BadSignature)));
    assert_eq!(admit(&pool, &chain, &signed(&chain, &alice, 0, 0, 0)), Err(AdmitError::Rule(Rule::NonceTooLow)));
    let expired = signed(&chain, &alice, 1, 0, now_ms - 1);
    assert_eq!(admit(&pool, &chain, &expired), Err(AdmitError::Rule(Rule::Expired)));
    let poor = signed(&chain, &key("nobody"), 0, 0, 0);
    assert_eq!(admit(&pool, &chain, &poor), Err(AdmitError::Rule(Rule::CannotPayFee)));
    let call = forged.transaction.call().clone();
    let free = Transaction::Free { version: Transaction::VERSION, signer: alice.account(), call };
    let free = free.sign(&chain.ledger.genesis_hash(), &alice, SeededRng::new(0));
    assert_eq!(admit(&pool, &chain, &free), Err(AdmitError::Rule(Rule::NotFree)));
    assert!(pool.is_empty());
}

#[test]
fn a_nonce_waits_once_and_not_too_far_ahead() {
    let chain = Chain::new();
    let alice = key("Alice");
    let pool = Mempool::new(MempoolLimits { nonce_gap: 3, ..MempoolLimits::STANDARD });
    let first = signed(&chain, &alice, 0, 0, 0);
    admit(&pool, &chain, &first).unwrap();
    assert!(pool.contains(&first.hash()));
    assert_eq!(pool.get(&first.hash()).as_deref(), Some(&first));
    assert_eq!(admit(&pool, &chain, &first), Err(AdmitError::Known(first.hash())));
    let account = alice.account();
    let richer = signed(&chain, &alice, 0, 1000 * TOKEN, 0);
    assert_eq!(admit(&pool, &chain, &richer), Err(AdmitError::NonceTaken { waiting: first.hash(), account, nonce: 0 }));
    let far = signed(&chain, &alice, 5, 0, 0);
    assert_eq!(admit(&pool, &chain, &far), Err(AdmitError::TooFarAhead { account, nonce: 5, next: 1 }));
    admit(&pool, &chain, &signed(&chain, &alice, 4, 0, 0)).unwrap();
}

#[test]
fn an_account_cannot_have_more_waiting_than_it_can_pay() {
    let chain = Chain::new();
    let alice = key("Alice");
    let pool = Mempool::new(MempoolLimits::STANDARD);
    admit(&pool, &chain, &signed(&chain, &alice, 0, 600_000 * TOKEN, 0)).unwrap();
    let more = signed(&chain, &alice, 1, 600_000 * TOKEN, 0);
    assert_eq!(admit(&pool, &chain, &more), Err(AdmitError::Rule(Rule::CannotPayFee)));
    admit(&pool, &chain, &signed(&chain, &alice, 1, 300_000 * TOKEN, 0)).unwrap();
}

#[test]
fn what_expires_or_is_discarded_goes_and_those_behind_it_wait() {
    let mut chain = Chain::new();
    let alice = key("Alice");
    let pool = Mempool::new(MempoolLimits::STANDARD);
    let soon_ms = chain.ledger.head().header.timestamp_ms + 1_500;
    for (nonce, expires_at_ms) in [(0, 0), (1, soon_ms), (2, 0)] {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, expires_at_ms)).unwrap();
    }
    let block = chain.commit(&[]);
    pool.prune(&chain.ledger.state(), &block).unwrap();
    assert_eq!(pool.len(), 3);
    let block = chain.commit(&[]);
    pool.prune(&chain.ledger.state(), &block).unwrap();
    assert_eq!(pool.pending().iter().map(|pending| pending.nonce).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(pool.select(&chain.ledger.state(), 1 << 20).unwrap().len(), 1);
    pool.discard(&signed(&chain, &alice, 0, 0, 0).hash());
    assert_eq!(pool.len(), 1);
    assert!(!pool.has_ready());
}

#[test]
fn blocks_of_others_prune_too_and_a_stale_pool_selects_nothing_void() {
    let mut chain = Chain::new();
    let alice = key("Alice");
    let pool = Mempool::new(MempoolLimits::STANDARD);
    for nonce in 0..4 {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, 0)).unwrap();
    }
    // Another proposer had other transactions with the same nonces.
    let other = [signed(&chain, &alice, 0, TOKEN, 0), signed(&chain, &alice, 1, TOKEN, 0)];
    let block = chain.commit(&other);
    let nonces = |chain: &Chain| -> Vec<_> {
        let selected = pool.select(&chain.ledger.state(), 1 << 20).unwrap();
        selected.iter().map(|signed| signed.transaction.nonce().unwrap()).collect()
    };
    assert_eq!(nonces(&chain), [2, 3]);
    pool.prune(&chain.ledger.state(), &block).unwrap();
    assert_eq!(pool.len(), 2);
    assert_eq!(nonces(&chain), [2, 3]);
}

fn kept(chain: &Chain, path: &std::path::Path, limits: MempoolLimits) -> (Mempool, usize) {
    let pool = Mempool::new(limits);
    let head = chain.ledger.head();
    let (view, genesis) = (chain.ledger.state(), chain.ledger.genesis_hash());
    let count = pool.keep(path, &view, &genesis, head.header.timestamp_ms).unwrap();
    (pool, count)
}

#[test]
fn what_waits_is_there_again_after_a_restart_and_what_is_in_a_block_is_not() {
    let mut chain = Chain::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mempool");
    let (pool, count) = kept(&chain, &path, MempoolLimits::STANDARD);
    assert_eq!(count, 0);
    let (alice, bob) = (key("Alice"), key("Bob"));
    // Out of order, as they come over a network.
    for nonce in [1, 0, 3] {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, 0)).unwrap();
    }
    assert_eq!(commit_selected(&pool, &mut chain).len(), 2);
    admit(&pool, &chain, &signed(&chain, &bob, 0, 0, 0)).unwrap();
    let waiting = pool.pending();
    drop(pool);
    for _ in 0..2 {
        let (pool, count) = kept(&chain, &path, MempoolLimits::STANDARD);
        assert_eq!((count, pool.pending()), (2, waiting.clone()));
    }
}

#[test]
fn a_record_that_was_cut_off_hides_none_before_it_and_none_after_the_restart() {
    let chain = Chain::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mempool");
    let (pool, _) = kept(&chain, &path, MempoolLimits::STANDARD);
    let alice = key("Alice");
    for nonce in 0..3 {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, 0)).unwrap();
    }
    drop(pool);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (pool, count) = kept(&chain, &path, MempoolLimits::STANDARD);
    assert_eq!(count, 2);
    admit(&pool, &chain, &signed(&chain, &alice, 2, 0, 0)).unwrap();
    drop(pool);
    assert_eq!(kept(&chain, &path, MempoolLimits::STANDARD).1, 3);
    // Neither is anything else than a journal in the way.
    std::fs::write(&path, b"something else").unwrap();
    assert_eq!(kept(&chain, &path, MempoolLimits::STANDARD).1, 0);
}

#[test]
fn the_file_of_waiting_transactions_stays_small() {
    let mut chain = Chain::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mempool");
    let limits = MempoolLimits { bytes: 2_000, ..MempoolLimits::STANDARD };
    let (pool, _) = kept(&chain, &path, limits);
    let alice = key("Alice");
    for nonce in 0..60 {
        admit(&pool, &chain, &signed(&chain, &alice, nonce, 0, 0)).unwrap();
        assert_eq!(commit_selected(&pool, &mut chain).len(), 1);
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert!(bytes < 2 * 2_000 + 500, "{bytes} bytes");
    }
}
