//! Finding blocks, transactions and files.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Ledger, PAGE_ITEMS_MAX};
use pieces::{ContentHash, ErasureCode, FileId, FileManifest};
use runtime::crypto::{AccountId, KeyPair};
use runtime::event::Event;
use runtime::rule::Rule;
use runtime::state::{StateView, decode_value};
use runtime::tables::{Files, Leases, Segments, Table};
use runtime::testkit::{TOKEN, key, manifest};
use runtime::types::{AccountsCall, Call, SignedTransaction, TransferCall};

use crate::support::Chain;

const MIB: u64 = 1 << 20;

fn manifest_of(size: u64, seed: u64) -> FileManifest {
    manifest(ErasureCode::new(2, 4, 1 << 16), size, 64 << 20, seed)
}

fn store(chain: &mut Chain, owner: &KeyPair, nonce: u64, file: &FileManifest, lease: u32) -> SignedTransaction {
    let state = chain.ledger.state();
    let intent = chain.kit.intent(owner, nonce, file, lease, &chain.ledger.head().header);
    let store = chain.kit.store(&state, owner, intent, file.clone());
    chain.kit.sign_store(owner, nonce, store)
}

fn share(chain: &mut Chain, owner: &KeyPair, nonce: u64, file: &FileManifest, lease: u32) -> SignedTransaction {
    let intent = chain.kit.intent(owner, nonce, file, lease, &chain.ledger.head().header);
    let store = chain.kit.share(owner, intent, file.clone());
    chain.kit.sign_store(owner, nonce, store)
}

fn transfer(chain: &mut Chain, from: &KeyPair, nonce: u64, amount: u128) -> SignedTransaction {
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to: key("Dave").account(), amount }));
    chain.kit.sign(from, nonce, call)
}

/// The index as the state says it must be.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    owners: BTreeMap<AccountId, BTreeSet<FileId>>,
    contents: BTreeMap<ContentHash, BTreeSet<FileId>>,
    providers: BTreeMap<u32, BTreeSet<FileId>>,
    files: BTreeSet<FileId>,
}

/// Keys and values of a table, in order.
fn rows<T: Table>(ledger: &Ledger) -> Vec<(Vec<u8>, T::Value)> {
    let state = ledger.state();
    let mut from = vec![T::TAG];
    let mut rows = Vec::new();
    while let Some(key) = state.next_key(&from, &[T::TAG + 1]).unwrap() {
        let value = state.get(&key).unwrap().unwrap();
        from = [key.as_slice(), &[0]].concat();
        rows.push((key, decode_value::<T>(&value).unwrap()));
    }
    rows
}

fn file_of(key: &[u8]) -> FileId {
    FileId::from_bytes(key[1..33].try_into().unwrap())
}

fn expected(ledger: &Ledger) -> Expected {
    let mut expected = Expected::default();
    for (key, _) in rows::<Leases>(ledger) {
        let payer = AccountId::from_bytes(key[33..].try_into().unwrap());
        expected.owners.entry(payer).or_default().insert(file_of(&key));
    }
    for (key, file) in rows::<Files>(ledger) {
        expected.contents.entry(file.content_hash).or_default().insert(file_of(&key));
        expected.files.insert(file_of(&key));
    }
    for (key, segment) in rows::<Segments>(ledger) {
        for holder in segment.holders {
            expected.providers.entry(holder.provider).or_default().insert(file_of(&key));
        }
    }
    expected
}

/// Compares every index with the state, and with nothing where the state has nothing.
fn check(chain: &Chain, all: &[FileManifest]) -> Expected {
    let ledger = &chain.ledger;
    let expected = expected(ledger);
    let list = |page: ledger::Page<FileId>| -> BTreeSet<_> {
        assert_eq!(page.cursor, None);
        page.items.into_iter().collect()
    };
    let of = |set: Option<&BTreeSet<FileId>>| set.cloned().unwrap_or_default();
    for name in ["Alice", "Bob", "Charlie", "Dave", "nobody"] {
        let owner = key(name).account();
        assert_eq!(list(ledger.files_by_owner(&owner, None, 100).unwrap()), of(expected.owners.get(&owner)), "{name}");
    }
    for number in 0..6 {
        let found = list(ledger.files_by_provider(number, None, 100).unwrap());
        assert_eq!(found, of(expected.providers.get(&number)), "provider {number}");
    }
    for file in all {
        let found = list(ledger.files_by_content(&file.content_hash, None, 100).unwrap());
        assert_eq!(found, of(expected.contents.get(&file.content_hash)));
        let founder = ledger.store_transaction_of(&file.file_id()).unwrap();
        assert_eq!(founder.is_some(), expected.files.contains(&file.file_id()));
    }
    expected
}

#[test]
fn files_are_found_for_as_long_as_the_state_has_them() {
    let mut chain = Chain::new();
    let (alice, bob) = (key("Alice"), key("Bob"));
    // One of several segments; two that claim the same content.
    let large = manifest_of(300 * MIB, 1);
    let small = manifest_of(5, 2);
    let twin = FileManifest { media_type: "image/png".parse().unwrap(), ..small.clone() };
    let all = [large.clone(), small.clone(), twin.clone()];
    check(&chain, &all);

    let of_large = store(&mut chain, &alice, 0, &large, 2);
    let of_small = store(&mut chain, &alice, 1, &small, 6);
    let of_twin = store(&mut chain, &bob, 0, &twin, 2);
    chain.commit(&[of_large.clone(), of_small.clone(), of_twin.clone()]);
    let found = check(&chain, &all);
    assert_eq!(found.files.len(), 3);
    assert_eq!(found.owners[&alice.account()].len(), 2);
    assert_eq!(found.contents[&small.content_hash].len(), 2);
    for (file, transaction) in [(&large, of_large), (&small, of_small), (&twin, of_twin)] {
        let founder = chain.ledger.store_transaction_of(&file.file_id()).unwrap();
        assert_eq!(founder, Some(transaction.hash()));
    }

    // Who only adds a lease owns it too, and founds nothing.
    let of_share = share(&mut chain, &bob, 1, &small, 2);
    chain.commit(std::slice::from_ref(&of_share));
    let found = check(&chain, &all);
    assert!(found.owners[&bob.account()].contains(&small.file_id()));
    assert_ne!(chain.ledger.store_transaction_of(&small.file_id()).unwrap(), Some(of_share.hash()));

    // Leases end one after the other, and what they kept goes.
    let mut sizes = vec![];
    for epoch in 1..12 {
        chain.go_to_epoch(epoch);
        chain.commit(&[]);
        sizes.push(check(&chain, &all).files.len());
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.first() == Some(&3) && sizes.last() == Some(&0), "{sizes:?}");

    // Founded anew by another transaction.
    let again = store(&mut chain, &alice, 2, &large, 2);
    chain.commit(std::slice::from_ref(&again));
    check(&chain, &all);
    assert_eq!(chain.ledger.store_transaction_of(&large.file_id()).unwrap(), Some(again.hash()));
}

#[test]
fn pages_give_every_file_once_in_order() {
    let mut chain = Chain::new();
    let alice = key("Alice");
    let files: Vec<_> = (0..23).map(|seed| manifest_of(if seed % 5 == 0 { 300 * MIB } else { 1 }, seed)).collect();
    let stores: Vec<_> = (0..).zip(&files).map(|(nonce, file)| store(&mut chain, &alice, nonce, file, 10)).collect();
    chain.commit(&stores);
    let mut ids: Vec<_> = files.iter().map(FileManifest::file_id).collect();
    ids.sort_unstable();
    let ledger = &chain.ledger;
    for limit in [1, 2, 7, 22, 23, 24, PAGE_ITEMS_MAX + 1] {
        let (mut by_owner, mut by_provider) = (vec![], vec![]);
        let owner = alice.account();
        let mut cursor = None;
        loop {
            let page = ledger.files_by_owner(&owner, cursor.as_ref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            by_owner.extend(page.items);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        loop {
            let page = ledger.files_by_provider(0, cursor.as_ref(), limit).unwrap();
            by_provider.extend(page.items);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(by_owner, ids, "limit {limit}");
        // Four pieces on four providers: each holds one of everything.
        assert_eq!(by_provider, ids, "limit {limit}");
    }
    let none = ledger.files_by_owner(&alice.account(), None, 0).unwrap();
    assert_eq!((none.items, none.cursor), (vec![], None));
}

#[test]
fn transactions_and_blocks_are_found_by_hash() {
    let mut chain = Chain::new();
    let alice = key("Alice");
    let fine = transfer(&mut chain, &alice, 0, TOKEN);
    let fails = transfer(&mut chain, &alice, 1, 10_000_000 * TOKEN);
    let first = chain.commit(&[fine.clone(), fails.clone()]);
    let later = transfer(&mut chain, &alice, 2, TOKEN);
    let second = chain.commit(std::slice::from_ref(&later));

    let record = chain.ledger.transaction(&fine.hash()).unwrap().unwrap();
    assert_eq!((record.height, record.index, record.failure()), (1, 0, None));
    assert_eq!(record.transaction, fine);
    assert!(record.events.iter().any(|event| matches!(event, Event::Transferred { amount: TOKEN, .. })));
    let record = chain.ledger.transaction(&fails.hash()).unwrap().unwrap();
    assert_eq!((record.height, record.index, record.failure()), (1, 1, Some(Rule::InsufficientBalance)));
    assert_eq!(chain.ledger.transaction(&later.hash()).unwrap().unwrap().height, 2);

    assert_eq!(chain.ledger.height_of(&first.hash()).unwrap(), Some(1));
    assert_eq!(chain.ledger.height_of(&second.hash()).unwrap(), Some(2));
    assert_eq!(chain.ledger.height_of(&runtime::types::BlockHash::ZERO).unwrap(), None);
    let unknown = transfer(&mut chain, &alice, 3, TOKEN);
    assert_eq!(chain.ledger.transaction(&unknown.hash()).unwrap(), None);
    assert_eq!(chain.ledger.block(1).unwrap(), Some(first));
    let certificate = chain.ledger.certificate(2).unwrap().unwrap();
    certificate.verify(&chain.ledger.genesis_hash(), &chain.kit.genesis.validator_set()).unwrap();
    assert_eq!(certificate.block_hash, second.hash());
}
