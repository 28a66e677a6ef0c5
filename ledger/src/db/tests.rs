//! The rows of every family, frozen. `PIECEWISE_GOLDEN=write` writes the file anew: that approves a new format and is a
//! commit of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use jmt::JellyfishMerkleTree;
use jmt::KeyHash;
use jmt::storage::{Node, NodeKey};
use pieces::{ContentHash, FileId};
use runtime::crypto::{AccountId, Signature};
use runtime::event::{Event, EventRecord};
use runtime::types::{
    AccountsCall, BeaconValue, Block, BlockHash, Call, CommitCertificate, CommitSignature, Header, SignedTransaction,
    StateRoot, Transaction, TransferCall, TxHash, ValidatorsHash,
};

use super::key::{IndexKey, MetaKey, UndecidedKey};
use super::tables::*;
use super::*;
use crate::chain::{FORMAT, row_of};
use crate::tree::{Blake3Hasher, EmptyReader, NodeId, NodeRow};

struct Lines(String, BTreeSet<&'static str>);

impl Lines {
    fn add<K: RowKey, V: Row>(&mut self, table: &Table<K, V>, what: &str, key: &K, value: &V) {
        writeln!(self.0, "{} {what}", table.name).unwrap();
        writeln!(self.0, "    {}\n    {}", hex::encode(key.to_bytes()), hex::encode(value.to_row())).unwrap();
        self.1.insert(table.name);
    }
}

fn header() -> Header {
    Header {
        version: 1,
        height: 0x0102_0304_0506_0708,
        parent: BlockHash::from_bytes([0x11; 32]),
        timestamp_ms: 1_700_000_000_000,
        epoch: 7,
        round: 2,
        proposer: AccountId::from_bytes([0x22; 32]),
        state_root: StateRoot::from_bytes([0x33; 32]),
        transactions_root: pieces::Hash::from_bytes([0x44; 32]),
        events_root: pieces::Hash::from_bytes([0x55; 32]),
        validators_hash: ValidatorsHash::from_bytes([0x66; 32]),
        next_validators_hash: ValidatorsHash::from_bytes([0x77; 32]),
        beacon: BeaconValue::from_bytes([0x88; 32]),
        vrf: runtime::crypto::VrfOutput::from_bytes([0x99; 96]),
    }
}

fn transaction() -> SignedTransaction {
    let call =
        Call::Accounts(AccountsCall::Transfer(TransferCall { to: AccountId::from_bytes([0xbb; 32]), amount: 5 }));
    let signer = AccountId::from_bytes([0xaa; 32]);
    let transaction = Transaction::Signed { version: 1, signer, nonce: 3, tip: 0, expires_at_ms: 0, call };
    SignedTransaction { transaction, signature: Signature::from_bytes([0xcc; 64]) }
}

fn blocks(lines: &mut Lines) {
    let (header, height) = (header(), 0x0102_0304_0506_0708);
    let hash = BlockHash::from_bytes([0xdd; 32]);
    lines.add(&HEADERS, "height -> Header", &height, &header);
    lines.add(&BODIES, "height -> [SignedTransaction]", &height, &vec![transaction()]);
    let signature =
        CommitSignature { validator: AccountId::from_bytes([0xee; 32]), signature: Signature::from_bytes([0xff; 64]) };
    let certificate = CommitCertificate { height, round: 3, block_hash: hash, signatures: vec![signature] };
    lines.add(&CERTIFICATES, "height -> CommitCertificate", &height, &certificate);
    let key = UndecidedKey { height, round: 3, hash };
    lines.add(&UNDECIDED, "height, round, hash -> Block", &key, &Block { header, transactions: vec![] });
    let event = EventRecord { transaction: Some(0), event: Event::EpochStarted { epoch: 7 } };
    lines.add(&EVENTS, "height -> [EventRecord]", &height, &vec![event]);
}

fn state(lines: &mut Lines) {
    lines.add(&STATE, "key of the rules -> value of the rules", &vec![2, 3], &Versioned(vec![1, 0xab]));
    let value = ValueKey { key_hash: crate::tree::key_hash(&[2, 3]), height: 5 };
    lines.add(&VALUES, "key hash, height -> Some(value)", &value, &Some(vec![1, 0xab]));
    lines.add(&VALUES, "key hash, height -> None", &value, &None);
    // Of two keys the hashes differ in the first nibble, of the next two in the second.
    let hashes = [[0x10; 32], [0xa0; 32], [0xa1; 32]].map(|hash| (KeyHash(hash), Some(vec![1])));
    let tree = JellyfishMerkleTree::<_, Blake3Hasher>::new(&EmptyReader);
    let (_, batch) = tree.put_value_set(hashes, 0).unwrap();
    let id = |key: &NodeKey| NodeId(Cow::Owned(key.clone()));
    let row = |node: &Node| NodeRow(Cow::Owned(node.clone()));
    for (key, node) in batch.node_batch.nodes() {
        lines.add(&NODES, "height, nibbles, path -> node", &id(key), &row(node));
    }
    let (_, batch) = tree.put_value_set([(KeyHash([0; 32]), None)], 0).unwrap();
    for (key, node) in batch.node_batch.nodes() {
        lines.add(&NODES, "height, nibbles, path -> no entries", &id(key), &row(node));
    }
}

fn indexes(lines: &mut Lines) {
    let file = FileId::from_bytes([0xf1; 32]);
    let index = |lines: &mut Lines, what, key, value| lines.add(&INDEXES, what, &key, &value);
    let hash = TxHash::from_bytes([0x1f; 32]);
    index(lines, "transaction -> height, position", IndexKey::Transaction(hash), row_of(&(5u64, 6u32)));
    index(lines, "block -> height", IndexKey::Block(BlockHash::from_bytes([0x2f; 32])), row_of(&5u64));
    index(lines, "owner, file", IndexKey::Owner(AccountId::from_bytes([0x3f; 32]), file), row_of(&()));
    index(lines, "content hash, file", IndexKey::Content(ContentHash::from_bytes([0x4f; 32]), file), row_of(&()));
    index(lines, "provider, file, segment", IndexKey::Holder(9, file, 8), row_of(&()));
    index(lines, "file -> founding transaction", IndexKey::Founder(file), row_of(&hash));
    lines.add(&META, "format -> u32", &MetaKey::Format, &row_of(&FORMAT));
    lines.add(&META, "genesis -> BlockHash", &MetaKey::Genesis, &row_of(&BlockHash::from_bytes([0x5f; 32])));
    lines.add(&META, "head -> u64", &MetaKey::Head, &row_of(&5u64));
}

#[test]
fn the_rows_of_every_family_are_frozen() {
    let mut lines = Lines(String::from("# family and row, then key and value\n"), BTreeSet::new());
    blocks(&mut lines);
    state(&mut lines);
    indexes(&mut lines);
    assert_eq!(lines.1, ALL.iter().map(|(name, _)| *name).collect());

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rows.hex");
    if std::env::var("PIECEWISE_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &lines.0).unwrap();
    }
    let frozen = std::fs::read_to_string(&path).unwrap();
    assert!(frozen == lines.0, "rows.hex differs from what is computed now:\n{}", lines.0);
}

#[test]
fn keys_sort_as_their_fields_do_and_read_back() {
    let hash = |byte| BlockHash::from_bytes([byte; 32]);
    let ascending = [(1, 9, 9), (255, 9, 9), (256, 0, 9), (256, 1, 0), (256, 1, 1), (256, 256, 0)];
    let keys = ascending.map(|(height, round, byte)| UndecidedKey { height, round, hash: hash(byte) });
    assert!(keys.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
    assert!(keys.iter().all(|key| UndecidedKey::from_bytes(&key.to_bytes()) == Some(*key)));

    let file = FileId::from_bytes([3; 32]);
    let keys = [
        IndexKey::Transaction(TxHash::from_bytes([1; 32])),
        IndexKey::Block(hash(1)),
        IndexKey::Owner(AccountId::from_bytes([1; 32]), file),
        IndexKey::Content(ContentHash::from_bytes([1; 32]), file),
        IndexKey::Holder(255, file, 256),
        IndexKey::Holder(256, file, 0),
        IndexKey::Founder(file),
    ];
    assert!(keys.windows(2).all(|pair| pair[0].to_bytes() < pair[1].to_bytes()));
    for key in keys {
        let bytes = key.to_bytes();
        assert_eq!(IndexKey::from_bytes(&bytes), Some(key));
        assert_eq!(IndexKey::from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(IndexKey::from_bytes(&[&bytes[..], &[0]].concat()), None);
    }
    assert_eq!(IndexKey::from_bytes(&[6; 33]), None);
    assert_eq!(IndexKey::from_bytes(&[]), None);
}

#[test]
fn rows_of_an_unknown_version_or_with_bytes_left_over_are_refused() {
    assert_eq!(u64::from_row(&7u64.to_row()), Ok(7));
    for bytes in [&[][..], &[2, 7, 0, 0, 0, 0, 0, 0, 0], &[1, 7], &[1, 7, 0, 0, 0, 0, 0, 0, 0, 0]] {
        assert!(u64::from_row(bytes).is_err());
    }
}
