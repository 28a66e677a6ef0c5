//! Rules of transactions and of balances.

use runtime::crypto::Signature;
use runtime::execute::{Proposal, Rejected};
use runtime::rule::Rule;
use runtime::testkit::{SeededRng, Simulation, key};
use runtime::types::{AccountsCall, Balance, Call, SignedTransaction, Transaction, TransferCall};
use runtime::validate::validate_transaction;

use super::{Case, dev, fails, with};

pub const CASES: &[Case] = &[
    (Rule::BadVersion, || refused(|transaction| set(transaction, |fields| *fields.version = 2))),
    (Rule::NonceTooLow, || refused_in(&mut after_one(), |_| {})),
    (Rule::NonceTooHigh, || refused(|transaction| set(transaction, |fields| *fields.nonce = 1))),
    (Rule::Expired, || refused(|transaction| set(transaction, |fields| *fields.expires_at_ms = 1))),
    (Rule::CannotPayFee, || refused(|transaction| set(transaction, |fields| *fields.tip = Balance::MAX))),
    (Rule::CannotPayFee, || refused(|transaction| set(transaction, |fields| *fields.signer = key("nobody").account()))),
    (Rule::TransactionTooLarge, || refused_in(&mut with(|p| p.limits.transaction_bytes = 100), |_| {})),
    (Rule::NotFree, || refused(free)),
    (Rule::BlockFull, block_full),
    (Rule::BadSignature, bad_signature),
    (Rule::SelfTransfer, || fails(&mut dev(), &key("Alice"), transfer("Alice", 1))),
    (Rule::InsufficientBalance, || fails(&mut dev(), &key("Alice"), transfer("Bob", Balance::MAX))),
    (Rule::BelowExistentialDeposit, || fails(&mut dev(), &key("Alice"), transfer("somebody new", 1))),
    (Rule::BelowExistentialDeposit, leaves_too_little),
];

pub fn transfer(to: &str, amount: Balance) -> Call {
    Call::Accounts(AccountsCall::Transfer(TransferCall { to: key(to).account(), amount }))
}

struct Fields<'a> {
    version: &'a mut u8,
    signer: &'a mut runtime::crypto::AccountId,
    nonce: &'a mut u64,
    tip: &'a mut Balance,
    expires_at_ms: &'a mut u64,
}

fn set(transaction: &mut Transaction, edit: impl FnOnce(Fields<'_>)) {
    if let Transaction::Signed { version, signer, nonce, tip, expires_at_ms, .. } = transaction {
        edit(Fields { version, signer, nonce, tip, expires_at_ms });
    }
}

fn free(transaction: &mut Transaction) {
    let (signer, call) = (transaction.signer(), transaction.call().clone());
    *transaction = Transaction::Free { version: Transaction::VERSION, signer, call };
}

fn after_one() -> Simulation {
    let mut simulation = dev();
    simulation.send(&key("Alice"), transfer("Bob", 1));
    simulation
}

fn refused(edit: impl FnOnce(&mut Transaction)) -> Rule {
    refused_in(&mut dev(), edit)
}

/// A transfer from Alice to Bob with nonce 0 and one thing wrong with it: refused by the mempool and by a block alike.
fn refused_in(simulation: &mut Simulation, edit: impl FnOnce(&mut Transaction)) -> Rule {
    let mut transaction = simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1)).transaction;
    edit(&mut transaction);
    let transaction = transaction.sign(&simulation.kit.genesis_hash, &key("Alice"), SeededRng::new(1));
    let (genesis, now_ms) = (simulation.kit.genesis_hash, simulation.head.timestamp_ms + 1);
    let admitted = validate_transaction(&simulation.state, &genesis, now_ms, &transaction, Some(0));
    let rule = admitted.unwrap_err().rule().unwrap();
    assert_eq!(applied(simulation, &transaction), Err(Rejected::Rule(rule)));
    rule
}

fn applied(simulation: &mut Simulation, transaction: &SignedTransaction) -> Result<(), Rejected> {
    let Simulation { kit, state, head } = simulation;
    let (proposer, vrf) = kit.proposer(state, head, 0);
    let genesis = kit.genesis_hash;
    let mut proposal = Proposal::begin(state, genesis, head, head.timestamp_ms + 1, 0, proposer, vrf).unwrap();
    proposal.apply(transaction)
}

fn bad_signature() -> Rule {
    let simulation = &mut dev();
    let mut transaction = simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1));
    transaction.signature = Signature::ZERO;
    let genesis = simulation.kit.genesis_hash;
    let admitted = validate_transaction(&simulation.state, &genesis, simulation.head.timestamp_ms, &transaction, None);
    admitted.unwrap_err().rule().unwrap()
}

fn block_full() -> Rule {
    let mut simulation = with(|parameters| {
        parameters.limits.transaction_bytes = 300;
        parameters.limits.block_bytes = 300 + runtime::execute::BLOCK_OVERHEAD_BYTES;
    });
    let Simulation { kit, state, head } = &mut simulation;
    let (proposer, vrf) = kit.proposer(state, head, 0);
    let first = kit.sign(&key("Alice"), 0, transfer("Bob", 1));
    let second = kit.sign(&key("Alice"), 1, transfer("Bob", 1));
    let genesis = kit.genesis_hash;
    let mut proposal = Proposal::begin(state, genesis, head, head.timestamp_ms + 1, 0, proposer, vrf).unwrap();
    proposal.apply(&first).unwrap();
    proposal.apply(&second).unwrap_err().rule().unwrap()
}

fn leaves_too_little() -> Rule {
    let mut simulation = dev();
    let call = |amount| transfer("Bob", amount);
    // What the fee is does not depend on the amount, as amounts have a fixed length.
    let before = balance(&simulation);
    super::succeeds(&mut simulation, &key("Alice"), call(1));
    let after = balance(&simulation);
    let fee = before - after - 1;
    fails(&mut simulation, &key("Alice"), call(after - fee))
}

fn balance(simulation: &Simulation) -> Balance {
    use runtime::state::ReadTables;
    simulation.state.read::<runtime::tables::Accounts>(&key("Alice").account()).unwrap().unwrap().free
}
