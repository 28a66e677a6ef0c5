//! Who proposes and who checks find the same, whichever way signatures are checked.

use runtime::crypto::{KeyPair, Purpose, Signature};
use runtime::event::Event;
use runtime::execute::{ExecuteError, Executed, InvalidBlock, Proposal, execute_block};
use runtime::rule::Rule;
use runtime::testkit::{Kit, SeededRng, Simulation, key};
use runtime::types::{Balance, Block, SignedTransaction, StateRoot, account_payload_wrapped};
use runtime::validate::validate_transaction;

use crate::rules::{dev, storage, transactions::transfer};

/// Applies what can be applied; the block and what was refused at once.
fn fill(simulation: &mut Simulation, transactions: &[SignedTransaction]) -> (Executed, Vec<Rule>) {
    let Simulation { kit, state, head } = simulation;
    // Proofs are random: the same for every block that is compared.
    let (proposer, vrf) = Kit::dev().proposer(state, head, 0);
    let genesis = kit.genesis_hash;
    let mut proposal = Proposal::begin(state, genesis, head, head.timestamp_ms + 1, 0, proposer, vrf).unwrap();
    let refused = transactions.iter().filter_map(|transaction| proposal.apply(transaction).err()?.rule()).collect();
    (proposal.finish().unwrap(), refused)
}

fn check(simulation: &Simulation, block: &Block) -> Result<Executed, ExecuteError> {
    execute_block(&simulation.state, simulation.kit.genesis_hash, &simulation.head, block)
}

fn wrap(simulation: &Simulation, pair: &KeyPair, transaction: &SignedTransaction) -> SignedTransaction {
    let payload = account_payload_wrapped(&transaction.transaction.payload(&simulation.kit.genesis_hash));
    let signature = pair.sign(Purpose::Account, &payload, SeededRng::new(5));
    SignedTransaction { signature, ..transaction.clone() }
}

fn spoil(transaction: &SignedTransaction) -> SignedTransaction {
    SignedTransaction { signature: Signature::ZERO, ..transaction.clone() }
}

/// A mixed bag of Alice's and Bob's, all good.
fn good(simulation: &mut Simulation) -> Vec<SignedTransaction> {
    let (alice, bob) = (key("Alice"), key("Bob"));
    let store = storage::file(simulation, 1);
    let kit = &mut simulation.kit;
    vec![
        kit.sign(&alice, 0, transfer("Bob", 5)),
        kit.sign_store(&alice, 1, store),
        kit.sign(&bob, 0, transfer("Bob", 5)),
        kit.sign(&alice, 2, transfer("Charlie", 5)),
    ]
}

#[test]
fn a_bad_signature_is_dropped_from_a_proposal_and_spoils_a_block() {
    let mut simulation = dev();
    let good = good(&mut simulation);
    let (expected, refused) = fill(&mut simulation, &good);
    assert!(refused.is_empty());
    assert_eq!(expected.transactions, good);
    // Charlie's signature is bad: found when the block ends, and everything else is executed as if it had not been.
    let bad = spoil(&simulation.kit.sign(&key("Charlie"), 0, transfer("Bob", 1)));
    for at in 0..=good.len() {
        let mut with_bad = good.clone();
        with_bad.insert(at, bad.clone());
        let (executed, refused) = fill(&mut simulation, &with_bad);
        assert!(refused.is_empty());
        assert!(executed == expected, "checked alone and in one batch");
        let mut block = expected.block(StateRoot::ZERO);
        assert_eq!(check(&simulation, &block), Ok(expected.clone()));
        block.transactions.insert(at, bad.clone());
        let index = u32::try_from(at).unwrap();
        let why = InvalidBlock::Transaction { index, rule: Rule::BadSignature };
        assert_eq!(check(&simulation, &block), Err(ExecuteError::Invalid { why }));
    }
}

#[test]
fn what_follows_a_dropped_transaction_of_the_same_account_is_dropped_too() {
    let mut simulation = dev();
    let mut transactions = good(&mut simulation);
    transactions[0] = spoil(&transactions[0]);
    let (executed, _) = fill(&mut simulation, &transactions);
    assert_eq!(executed.transactions, [transactions[2].clone()], "Bob's remains");
}

#[test]
fn a_wrapped_signature_is_as_good_as_a_plain_one() {
    let mut simulation = dev();
    let mut transactions = good(&mut simulation);
    let (plain, _) = fill(&mut simulation, &transactions);
    transactions[3] = wrap(&simulation, &key("Alice"), &transactions[3]);
    let (wrapped, _) = fill(&mut simulation, &transactions);
    assert_eq!(wrapped.transactions, transactions);
    assert_eq!((&wrapped.changes, &wrapped.events), (&plain.changes, &plain.events));
    assert_eq!(wrapped.transactions[3].hash(), plain.transactions[3].hash());
    assert_eq!(check(&simulation, &wrapped.block(StateRoot::ZERO)), Ok(wrapped));
    let (genesis, now_ms) = (simulation.kit.genesis_hash, simulation.head.timestamp_ms);
    let first = wrap(&simulation, &key("Alice"), &transactions[0]);
    assert!(validate_transaction(&simulation.state, &genesis, now_ms, &first, None).is_ok());
}

/// Taken to be good, the Store would leave its owner too little for the next fee.
#[test]
fn a_refusal_that_rests_on_a_bad_commitment_is_taken_back() {
    let mut simulation = dev();
    let (alice, poor) = (key("Alice"), key("poor"));
    let manifest = storage::small(&simulation, 1);
    let Simulation { kit, state, head } = &mut simulation;
    let intent = kit.intent(&poor, 0, &manifest, 10, head);
    let mut store = kit.store(state, &poor, intent, manifest.clone());
    store.holders[0][2].signature = store.holders[0][1].signature;
    let price = 10 * 4 * (1_000 + Balance::from(manifest.code.piece_bytes(manifest.size)));
    let store = kit.sign_store(&poor, 0, store);
    let bytes = u32::try_from(parity_scale_codec::Encode::encoded_size(&store)).unwrap();
    let fee = runtime::fees::fee(&kit.genesis.parameters.fees, bytes, 6);
    let existential_deposit = kit.genesis.parameters.fees.existential_deposit;
    let amount = price + fee + existential_deposit;
    let to = poor.account();
    let call = runtime::types::Call::Accounts(runtime::types::AccountsCall::Transfer(runtime::types::TransferCall {
        to,
        amount,
    }));
    let funding = kit.sign(&alice, 0, call);
    let after = kit.sign(&poor, 1, transfer("Bob", 1));
    let (executed, refused) = fill(&mut simulation, &[funding, store, after]);
    assert!(refused.is_empty(), "{refused:?}");
    let failures: Vec<_> = executed
        .events
        .iter()
        .filter_map(|record| match record.event {
            Event::Failed { rule } => Some((record.transaction, rule)),
            _ => None,
        })
        .collect();
    assert_eq!(failures, [(Some(1), Rule::BadCommitment)]);
    assert_eq!(executed.transactions.len(), 3);
    assert_eq!(check(&simulation, &executed.block(StateRoot::ZERO)), Ok(executed));
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut simulation = dev();
    let good = good(&mut simulation);
    let (expected, _) = fill(&mut simulation, &good);
    let mut mixed = Vec::new();
    for transaction in &good {
        mixed.push(simulation.kit.sign(&key("Alice"), 77, transfer("Bob", 1)));
        mixed.push(simulation.kit.sign(&key("nobody"), 0, transfer("Bob", 1)));
        mixed.push(transaction.clone());
        mixed.push(transaction.clone());
    }
    let (executed, refused) = fill(&mut simulation, &mixed);
    assert!(executed == expected);
    assert_eq!(refused.len(), 3 * good.len());
}

#[test]
fn an_account_proposes_a_transaction_that_only_it_could_sign() {
    // The same transaction, signed by somebody else and for another chain.
    let mut simulation = dev();
    let transaction = simulation.kit.sign(&key("Alice"), 0, transfer("Bob", 1)).transaction;
    let by_bob = transaction.clone().sign(&simulation.kit.genesis_hash, &key("Bob"), SeededRng::new(1));
    let elsewhere = transaction.sign(&runtime::types::BlockHash::ZERO, &key("Alice"), SeededRng::new(1));
    let (executed, _) = fill(&mut simulation, &[by_bob, elsewhere]);
    assert!(executed.transactions.is_empty());
    assert_eq!(executed, fill(&mut simulation, &[]).0);
}

#[test]
fn a_kit_is_the_same_twice() {
    let [a, b] = [(), ()].map(|()| {
        let mut simulation = Simulation::new(Kit::dev());
        let transactions = good(&mut simulation);
        simulation.block(&transactions);
        simulation
    });
    assert_eq!(a.head, b.head);
    assert_eq!(a.state, b.state);
}
