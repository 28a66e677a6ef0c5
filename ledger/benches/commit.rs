//! What a block of 100 stores costs the ledger, each part beside the least that it could cost, in the same run:
//! executing beside checking as many signatures, a preview beside jmt in memory, a commit beside a bare synced write of
//! the same rows. `cargo bench --bench commit`.
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, SimpleHasher};
use ledger::{Ledger, key_hash};
use pieces::ErasureCode;
use runtime::crypto::{Purpose, SignedMessage, verify_batch};
use runtime::execute::{Executed, HeaderDraft, Proposal, execute_block};
use runtime::fees::signature_count;
use runtime::state::Changes;
use runtime::testkit::{Kit, NAMES, SeededRng, dev_parameters, key, manifest};
use runtime::types::{Block, CommitCertificate, SignedTransaction, list_root};

const STORES: u64 = 100;
const ROUNDS: u64 = 9;
/// Entries in the state before the first round.
const ENTRIES: u32 = 100_000;

type Rows = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

fn main() {
    for (name, k, n, providers) in [("dev 2 of 4", 2, 4, 4), ("standard 10 of 30", 10, 30, 40)] {
        let code = ErasureCode::new(k, n, 1 << 16);
        // First the blocks and what they write, then the same blocks again with nothing in between that disturbs.
        let (before, recorded) = Chain::new(providers).record(code);
        let mut rounds = Chain::new(providers).replay(&before, &recorded);
        println!("\n{name}: {STORES} stores, {ENTRIES} entries before, median of {ROUNDS}");
        println!("  {}", recorded[recorded.len() - 1].size());
        for what in ["execute", "preview", "execute + preview", "commit"] {
            let ours = median(&mut rounds, |round| round.times[what].0);
            let least = median(&mut rounds, |round| round.times[what].1);
            let ratio = ours.as_secs_f64() / least.as_secs_f64();
            println!("  {what:18} {ours:>10.2?}   least {least:>10.2?}   ratio {ratio:.2}");
        }
        let single = median(&mut rounds, |round| round.single);
        println!("  (jmt key by key instead of in its batch form: {single:.2?})");
    }
}

fn median(rounds: &mut [Round], of: impl Fn(&Round) -> Duration) -> Duration {
    let mut times: Vec<_> = rounds.iter().map(of).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A block and the rows that committing it writes.
struct Recorded {
    block: Block,
    certificate: CommitCertificate,
    signatures: u32,
    rows: Rows,
}

impl Recorded {
    fn size(&self) -> String {
        let bytes: usize = self.rows.values().flatten().map(|(key, value)| key.len() + value.len()).sum();
        let count: usize = self.rows.values().map(BTreeMap::len).sum();
        format!(
            "{} signatures, {} keys changed, {count} rows, {bytes} bytes",
            self.signatures,
            self.rows["values"].len()
        )
    }
}

/// Times of one block: ours and the least.
struct Round {
    times: BTreeMap<&'static str, (Duration, Duration)>,
    single: Duration,
}

struct Chain {
    folder: tempfile::TempDir,
    ledger: Ledger,
    kit: Kit,
    tree: MemoryTree,
}

impl Chain {
    fn new(providers: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut kit = Kit::new(dev_parameters(), providers, 1);
        let ledger = Ledger::open(folder.path(), &kit.genesis).unwrap();
        kit.genesis_hash = ledger.genesis_hash();
        let mut tree = MemoryTree::default();
        for part in 0..10u32 {
            let entry =
                |number: u32| ([&[0x40][..], &part.to_be_bytes(), &number.to_be_bytes()].concat(), Some(vec![7; 100]));
            let changes: Changes = (0..ENTRIES / 10).map(entry).collect();
            tree.put(&changes);
            commit_synthetic(&ledger, changes);
        }
        Self { folder, ledger, kit, tree }
    }

    fn stores(&mut self, code: ErasureCode, round: u64) -> Vec<SignedTransaction> {
        let (state, head) = (self.ledger.state(), self.ledger.head());
        let store = |number: u64| {
            let owner = key(NAMES[usize::try_from(number % 4).unwrap()]);
            let nonce = round * (STORES / 4) + number / 4;
            let file = manifest(code, 1_000_000, 64 << 20, round * STORES + number);
            let intent = self.kit.intent(&owner, nonce, &file, 10, &head.header);
            let store = self.kit.store(&state, &owner, intent, file);
            self.kit.sign_store(&owner, nonce, store)
        };
        (0..STORES).map(store).collect()
    }

    /// Makes and commits the blocks; returns all rows before the first, and what each adds.
    fn record(mut self, code: ErasureCode) -> (Rows, Vec<Recorded>) {
        let first = dump(self.folder.path());
        let mut before = first.clone();
        let mut recorded = Vec::new();
        for round in 0..ROUNDS {
            let transactions = self.stores(code, round);
            let (head, state, genesis) = (self.ledger.head(), self.ledger.state(), self.ledger.genesis_hash());
            let (proposer, vrf) = self.kit.proposer(&state, &head.header, 0);
            let time_ms = head.header.timestamp_ms + 1000;
            let mut proposal = Proposal::begin(&state, genesis, &head.header, time_ms, 0, proposer, vrf).unwrap();
            transactions.iter().for_each(|transaction| proposal.apply(transaction).unwrap());
            let executed = proposal.finish().unwrap();
            let preview = self.ledger.preview(&executed.changes).unwrap();
            let block = executed.block(preview.root);
            let certificate = self.kit.certificate(&block.header);
            self.ledger.commit(&block, &executed, preview, &certificate).unwrap();
            let after = dump(self.folder.path());
            let rows = difference(&before, &after);
            before = after;
            let signatures = transactions.iter().map(|signed| signature_count(&signed.transaction)).sum();
            recorded.push(Recorded { block, certificate, signatures, rows });
        }
        (first, recorded)
    }

    /// Executes and commits recorded blocks, each step beside the least that it could cost.
    fn replay(mut self, before: &Rows, recorded: &[Recorded]) -> Vec<Round> {
        let raw_folder = tempfile::tempdir().unwrap();
        let raw = open_raw(raw_folder.path(), before);
        write_raw(&raw, before);
        recorded.iter().map(|recorded| self.replay_one(&raw, recorded)).collect()
    }

    fn replay_one(&mut self, raw: &rocksdb::DB, recorded: &Recorded) -> Round {
        let Recorded { block, certificate, signatures, rows } = recorded;
        let messages = signed_messages(*signatures);
        let (head, state, genesis) = (self.ledger.head(), self.ledger.state(), self.ledger.genesis_hash());
        let (executed, execute) = timed(|| execute_block(&state, genesis, &head.header, block).unwrap());
        let ((), least_execute) = timed(|| verify_batch(&messages).unwrap());
        let (preview, preview_time) = timed(|| self.ledger.preview(&executed.changes).unwrap());
        let (single, least_preview) = self.tree.put(&executed.changes);
        let ((), commit) = timed(|| self.ledger.commit(block, &executed, preview, certificate).unwrap());
        let least_commit = write_raw(raw, rows);
        let times = BTreeMap::from([
            ("execute", (execute, least_execute)),
            ("preview", (preview_time, least_preview)),
            ("execute + preview", (execute + preview_time, least_execute + least_preview)),
            ("commit", (commit, least_commit)),
        ]);
        Round { times, single }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// As many signatures as the block has, over messages as long as a commitment.
fn signed_messages(count: u32) -> Vec<SignedMessage> {
    let pair = key("bench");
    let sign = |number: u32| {
        let message = number.to_be_bytes().repeat(50);
        let signature = pair.sign(Purpose::Commitment, &message, SeededRng::new(u64::from(number)));
        SignedMessage { key: pair.public_key(), purpose: Purpose::Commitment, message, signature }
    };
    (0..count).map(sign).collect()
}

/// Commits a block that the rules did not make.
fn commit_synthetic(ledger: &Ledger, changes: Changes) {
    let head = ledger.head();
    let nothing = list_root::<Vec<u8>>(&[]);
    let draft = HeaderDraft {
        version: 1,
        height: head.header.height + 1,
        parent: head.hash,
        timestamp_ms: head.header.timestamp_ms + 1,
        epoch: 0,
        round: 0,
        proposer: head.header.proposer,
        transactions_root: nothing,
        events_root: nothing,
        validators_hash: head.header.validators_hash,
        next_validators_hash: head.header.next_validators_hash,
        beacon: head.header.beacon,
        vrf: head.header.vrf,
    };
    let executed = Executed { changes, events: vec![], transactions: vec![], draft };
    let preview = ledger.preview(&executed.changes).unwrap();
    let block: Block = executed.block(preview.root);
    let (height, block_hash) = (block.header.height, block.hash());
    let certificate = CommitCertificate { height, round: 0, block_hash, signatures: vec![] };
    ledger.commit(&block, &executed, preview, &certificate).unwrap();
}

fn dump(path: &Path) -> Rows {
    let mut options = rocksdb::Options::default();
    // Opening read-only without it what was written with it is a null pointer in RocksDB 11.8.
    options.set_track_and_verify_wals_in_manifest(true);
    let names = rocksdb::DB::list_cf(&options, path).unwrap();
    let db = rocksdb::DB::open_cf_for_read_only(&options, path, &names, false).unwrap();
    let of = |name: &String| {
        let rows = db.iterator_cf(db.cf_handle(name).unwrap(), rocksdb::IteratorMode::Start).map(|row| row.unwrap());
        (name.clone(), rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
    };
    names.iter().map(of).collect()
}

/// The rows that are new or other than before.
fn difference(before: &Rows, after: &Rows) -> Rows {
    let new = |(name, rows): (&String, &BTreeMap<Vec<u8>, Vec<u8>>)| {
        let rows = rows.iter().filter(|(key, value)| before[name].get(*key) != Some(value));
        (name.clone(), rows.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    after.iter().map(new).collect()
}

fn open_raw(path: &Path, rows: &Rows) -> rocksdb::DB {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    rocksdb::DB::open_cf(&options, path, rows.keys()).unwrap()
}

/// A bare synced write of the rows into the same families of another database that held the same rows before.
fn write_raw(db: &rocksdb::DB, rows: &Rows) -> Duration {
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    let write = || {
        let mut batch = rocksdb::WriteBatch::default();
        for (name, rows) in rows {
            let family = db.cf_handle(name).unwrap();
            rows.iter().for_each(|(key, value)| batch.put_cf(family, key, value));
        }
        db.write_opt(batch, &synced).unwrap();
    };
    timed(write).1
}

/// jmt over a map.
#[derive(Default)]
struct MemoryTree {
    nodes: BTreeMap<NodeKey, Node>,
    next: u64,
}

impl MemoryTree {
    /// Times the update key by key and in the batch form, which it keeps.
    fn put(&mut self, changes: &Changes) -> (Duration, Duration) {
        let leaves: Vec<_> =
            changes.iter().map(|(key, value)| (KeyHash(key_hash(key)), value.clone().unwrap_or_default())).collect();
        let options: Vec<_> = leaves.iter().map(|(key, value)| (*key, Some(value.clone()))).collect();
        let tree = JellyfishMerkleTree::<_, Blake3>::new(&*self);
        let (_, single) = timed(|| tree.put_value_set(options, self.next).unwrap());
        let ((_, batch), time) = timed(|| tree.batch_put_value_sets(vec![leaves], None, self.next).unwrap());
        self.nodes.extend(batch.node_batch.nodes().iter().map(|(key, node)| (key.clone(), node.clone())));
        self.next += 1;
        (single, time)
    }
}

impl TreeReader for MemoryTree {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).cloned())
    }

    fn get_value_option(&self, _: u64, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

struct Blake3(blake3::Hasher);

impl SimpleHasher for Blake3 {
    fn new() -> Self {
        Self(blake3::Hasher::new())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self) -> [u8; 32] {
        *self.0.finalize().as_bytes()
    }
}
