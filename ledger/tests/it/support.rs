//! Ledgers to test with: blocks of the rules by way of the testkit, and blocks that change what a test wants changed.

use std::collections::BTreeMap;
use std::path::Path;

use ledger::{Head, Ledger, LedgerError};
use runtime::execute::{Executed, HeaderDraft, Proposal, execute_block};
use runtime::genesis::Genesis;
use runtime::state::Changes;
use runtime::testkit::Kit;
use runtime::types::{Block, CommitCertificate, SignedTransaction, list_root};
use tempfile::TempDir;

/// The genesis of most tests.
pub fn genesis() -> Genesis {
    Kit::dev().genesis
}

/// An empty folder that goes with the test.
pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A new ledger in a folder of its own.
pub fn ledger() -> (TempDir, Ledger) {
    let folder = folder();
    let ledger = Ledger::open(folder.path(), &genesis()).unwrap();
    (folder, ledger)
}

/// What a block on `head` would have done, had the rules made it change just this.
pub fn executed(head: &Head, changes: Changes) -> Executed {
    let header = &head.header;
    let nothing = list_root::<Vec<u8>>(&[]);
    let draft = HeaderDraft {
        version: header.version,
        height: header.height + 1,
        parent: head.hash,
        timestamp_ms: header.timestamp_ms + 1_000,
        epoch: header.epoch,
        round: 0,
        proposer: header.proposer,
        transactions_root: nothing,
        events_root: nothing,
        validators_hash: header.validators_hash,
        next_validators_hash: header.next_validators_hash,
        beacon: header.beacon,
        vrf: header.vrf,
    };
    Executed { changes, events: vec![], transactions: vec![], draft }
}

/// A certificate for a block. The ledger leaves its signatures to others.
pub fn certificate(block: &Block) -> CommitCertificate {
    CommitCertificate { height: block.header.height, round: 0, block_hash: block.hash(), signatures: vec![] }
}

/// Commits a block that changes just this.
pub fn commit(ledger: &Ledger, changes: Changes) -> Block {
    try_commit(ledger, changes).unwrap()
}

/// As [`commit`], for when it may fail.
pub fn try_commit(ledger: &Ledger, changes: Changes) -> Result<Block, LedgerError> {
    let executed = executed(&ledger.head(), changes);
    let preview = ledger.preview(&executed.changes)?;
    let block = executed.block(preview.root);
    ledger.commit(&block, &executed, preview, &certificate(&block))?;
    Ok(block)
}

/// Makes the changes in a model of the state.
pub fn apply(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

/// Numbers from a seed.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one below `limit` (splitmix64).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Every row of every family, by family, read beside the open ledger.
pub fn dump(path: &Path) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut options = rocksdb::Options::default();
    // Opening read-only without it what was written with it is a null pointer in RocksDB 11.8.
    options.set_track_and_verify_wals_in_manifest(true);
    let names = rocksdb::DB::list_cf(&options, path).unwrap();
    let db = rocksdb::DB::open_cf_for_read_only(&options, path, &names, false).unwrap();
    let rows = |name: &String| {
        let family = db.cf_handle(name).unwrap();
        let rows = db.iterator_cf(&family, rocksdb::IteratorMode::Start).map(|row| row.unwrap());
        (name.clone(), rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    };
    names.iter().map(rows).collect()
}

/// A chain of blocks that the rules make.
pub struct Chain {
    _folder: TempDir,
    pub ledger: Ledger,
    pub kit: Kit,
}

impl Chain {
    pub fn new() -> Self {
        let folder = folder();
        let mut kit = Kit::dev();
        let ledger = Ledger::open(folder.path(), &kit.genesis).unwrap();
        kit.genesis_hash = ledger.genesis_hash();
        Self { _folder: folder, ledger, kit }
    }

    /// Commits the next block, a second after the head.
    pub fn commit(&mut self, transactions: &[SignedTransaction]) -> Block {
        self.commit_at(self.ledger.head().header.timestamp_ms + 1_000, transactions)
    }

    /// Proposes a block on the head, executes it as others would, commits it.
    pub fn commit_at(&mut self, timestamp_ms: u64, transactions: &[SignedTransaction]) -> Block {
        let (head, state, genesis) = (self.ledger.head(), self.ledger.state(), self.ledger.genesis_hash());
        let (proposer, vrf) = self.kit.proposer(&state, &head.header, 0);
        let mut proposal = Proposal::begin(&state, genesis, &head.header, timestamp_ms, 0, proposer, vrf).unwrap();
        for transaction in transactions {
            proposal.apply(transaction).unwrap();
        }
        let executed = proposal.finish().unwrap();
        let preview = self.ledger.preview(&executed.changes).unwrap();
        let block = executed.block(preview.root);
        assert_eq!(execute_block(&state, genesis, &head.header, &block).unwrap(), executed);
        let certificate = self.kit.certificate(&block.header);
        self.ledger.commit(&block, &executed, preview, &certificate).unwrap();
        block
    }

    /// Commits empty blocks until the epoch is `epoch`.
    pub fn go_to_epoch(&mut self, epoch: u32) {
        let epoch_ms = self.kit.genesis.parameters.time.epoch_ms;
        while self.ledger.head().header.epoch < epoch {
            self.commit_at(self.ledger.head().header.timestamp_ms + epoch_ms, &[]);
        }
    }
}
