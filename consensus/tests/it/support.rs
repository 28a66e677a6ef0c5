//! A chain in memory that an engine can agree on, and the wiring to run engines over it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use consensus::{
    Application, ApplicationError, Candidate, ConsensusConfig, HeadInfo, ValidatorKey, Verdict, WorkSignal,
};
use futures::future::BoxFuture;
use parity_scale_codec::{Decode, Encode};
use runtime::crypto::{AccountId, KeyPair, Signature, VrfOutput};
use runtime::types::{
    AccountsCall, BeaconValue, Block, BlockHash, Call, CommitCertificate, Header, Height, SignedTransaction, StateRoot,
    Transaction, TransferCall, ValidatorEntry, ValidatorSet, list_root,
};
use tokio::sync::watch;

/// No test waits longer than this for an event.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where the application fails, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// After it stored the block that it would have proposed.
    Propose,
    /// Before it commits.
    Commit,
    /// It panics instead of committing.
    CommitPanics,
    /// Whenever it is shown a block that came by sync, it calls it invalid.
    RefuseSynced,
    /// Its own blocks always carry a transaction too many.
    ProposeInvalid,
}

#[derive(Default)]
struct Store {
    decided: Vec<(Candidate, CommitCertificate, Instant)>,
    stored: BTreeMap<(Height, BlockHash), Candidate>,
    pending: Vec<SignedTransaction>,
    fault: Option<Fault>,
    /// What was handed out by `propose`, in order.
    proposed: Vec<(Height, u32, BlockHash)>,
}

/// A chain of headers without the runtime's rules, but with its types, its proposers and its certificates.
pub struct TestChain {
    genesis: Header,
    validators: ValidatorSet,
    account: AccountId,
    store: Mutex<Store>,
    height: watch::Sender<Height>,
    work: watch::Sender<usize>,
    /// Whether decided blocks cannot be read now.
    is_slow: watch::Sender<bool>,
    /// Threads that wait for them.
    reads: watch::Sender<usize>,
}

pub fn key(index: u8) -> KeyPair {
    KeyPair::from_seed(&[index; 32])
}

pub fn validators(count: u8) -> ValidatorSet {
    let entry = |index| {
        let account = KeyPair::from_seed(&[index + 100; 32]).account();
        ValidatorEntry { account, consensus_key: key(index).public_key(), power: 10 }
    };
    ValidatorSet::new((0..count).map(entry).collect())
}

pub fn validator(index: u8) -> ValidatorKey {
    ValidatorKey { account: KeyPair::from_seed(&[index + 100; 32]).account(), key: key(index) }
}

impl TestChain {
    pub fn new(count: u8, index: u8) -> Arc<Self> {
        Self::born_in_epoch(0, count, index)
    }

    /// Another epoch, another genesis: another chain.
    pub fn born_in_epoch(epoch: u32, count: u8, index: u8) -> Arc<Self> {
        let validators = validators(count);
        let genesis = Header { epoch, ..header(&validators, None, 0, AccountId::ZERO, &[]) };
        Arc::new(Self {
            genesis,
            validators,
            account: validator(index).account,
            store: Mutex::default(),
            height: watch::Sender::new(0),
            work: watch::Sender::new(0),
            is_slow: watch::Sender::new(false),
            reads: watch::Sender::new(0),
        })
    }

    /// Whether whoever reads decided blocks has to wait from now on.
    pub fn slow_down(&self, is_slow: bool) {
        self.is_slow.send_replace(is_slow);
    }

    /// Waits until so many wait for decided blocks.
    pub async fn is_read_by(&self, count: usize) {
        soon(self.reads.subscribe().wait_for(|reads| *reads == count)).await.unwrap();
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn break_at(&self, fault: Fault) {
        self.store().fault = Some(fault);
    }

    fn breaks(&self, fault: Fault) -> bool {
        self.store().fault.take_if(|planned| *planned == fault).is_some()
    }

    /// Gives the chain `count` transfers to put into its next block.
    pub fn submit(&self, count: u64) {
        let mut store = self.store();
        let first = u64::try_from(store.pending.len() + store.decided.len()).unwrap() * 1_000_000;
        store.pending.extend((first..first + count).map(transfer));
        self.work.send_replace(store.pending.len());
    }

    pub fn height(&self) -> Height {
        *self.height.borrow()
    }

    /// Waits until `height` is committed.
    pub async fn reaches(&self, height: Height) {
        let mut watched = self.height.subscribe();
        let reached = tokio::time::timeout(PATIENCE, watched.wait_for(|at| *at >= height)).await;
        assert!(reached.is_ok(), "height {height} was not reached, only {}", self.height());
    }

    /// The committed block of a height, its certificate and when it was committed.
    pub fn at(&self, height: Height) -> (Candidate, CommitCertificate, Instant) {
        self.store().decided[usize::try_from(height).unwrap() - 1].clone()
    }

    pub fn transactions(&self, height: Height) -> usize {
        Block::decode(&mut self.at(height).0.bytes.as_ref()).unwrap().transactions.len()
    }

    pub fn proposed(&self) -> Vec<(Height, u32, BlockHash)> {
        self.store().proposed.clone()
    }

    pub fn stored(&self) -> Vec<BlockHash> {
        self.store().stored.values().map(|candidate| candidate.hash).collect()
    }

    /// Walks the whole chain: parents, heights, and certificates under the runtime's own check.
    pub fn verify(&self) {
        let mut parent = self.genesis.hash();
        for (height, (candidate, certificate, _)) in (1..).zip(&self.store().decided) {
            assert_eq!((candidate.header.height, candidate.header.parent), (height, parent));
            assert_eq!((certificate.height, certificate.block_hash), (height, candidate.hash));
            certificate.verify(&self.genesis.hash(), &self.validators).unwrap();
            parent = candidate.hash;
        }
    }

    fn head_header(&self) -> Header {
        let store = self.store();
        store.decided.last().map_or_else(|| self.genesis.clone(), |(candidate, ..)| candidate.header.clone())
    }

    fn judge(&self, height: Height, round: u32, bytes: &[u8], live: bool) -> Result<Candidate, &'static str> {
        let block = Block::decode(&mut &*bytes).map_err(|_| "it does not decode")?;
        let header = &block.header;
        let parent = self.head_header();
        if header.height != height || header.parent != parent.hash() || height != parent.height + 1 {
            return Err("it does not follow the head");
        }
        if header.round > round || (live && header.round != round) {
            return Err("another round");
        }
        let proposer = self.validators.proposer(&self.genesis.hash(), height, header.round).unwrap();
        if proposer.account != header.proposer || block.transactions_root() != header.transactions_root {
            return Err("another proposer or other transactions");
        }
        Ok(candidate(&block))
    }
}

fn candidate(block: &Block) -> Candidate {
    Candidate { hash: block.hash(), header: block.header.clone(), bytes: block.encode().into() }
}

fn transfer(nonce: u64) -> SignedTransaction {
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to: AccountId::ZERO, amount: nonce.into() }));
    let signer = AccountId::ZERO;
    let transaction = Transaction::Signed { version: 1, signer, nonce, tip: 0, expires_at_ms: 0, call };
    SignedTransaction { transaction, signature: Signature::ZERO }
}

fn header(
    validators: &ValidatorSet,
    parent: Option<&Header>,
    round: u32,
    proposer: AccountId,
    transactions: &[SignedTransaction],
) -> Header {
    let transactions: Vec<Vec<u8>> = transactions.iter().map(Encode::encode).collect();
    Header {
        version: 1,
        height: parent.map_or(0, |parent| parent.height + 1),
        parent: parent.map_or(BlockHash::ZERO, Header::hash),
        timestamp_ms: parent.map_or(1_700_000_000_000, |parent| parent.timestamp_ms + 1),
        epoch: 0,
        round,
        proposer,
        state_root: StateRoot::ZERO,
        transactions_root: list_root(&transactions),
        events_root: list_root::<Vec<u8>>(&[]),
        validators_hash: validators.hash(),
        next_validators_hash: validators.hash(),
        beacon: BeaconValue::ZERO,
        vrf: VrfOutput::ZERO,
    }
}

impl Application for TestChain {
    fn genesis(&self) -> BlockHash {
        self.genesis.hash()
    }

    fn head(&self) -> Result<HeadInfo, ApplicationError> {
        Ok(HeadInfo { height: self.height(), validators: self.validators.clone(), target: None })
    }

    fn propose(&self, height: Height, round: u32) -> Result<Candidate, ApplicationError> {
        let parent = self.head_header();
        assert_eq!(height, parent.height + 1);
        let mut store = self.store();
        let mine = |candidate: &&Candidate| {
            (candidate.header.height, candidate.header.round, candidate.header.proposer)
                == (height, round, self.account)
        };
        let made = match store.stored.values().find(mine) {
            Some(candidate) => candidate.clone(),
            None => {
                let mut transactions = store.pending.clone();
                let header = header(&self.validators, Some(&parent), round, self.account, &transactions);
                if store.fault == Some(Fault::ProposeInvalid) {
                    transactions.push(transfer(u64::MAX));
                }
                candidate(&Block { header, transactions })
            }
        };
        store.stored.insert((height, made.hash), made.clone());
        store.proposed.push((height, round, made.hash));
        drop(store);
        if self.breaks(Fault::Propose) {
            return Err(ApplicationError::caused("propose", std::io::Error::other("the disk is gone")));
        }
        Ok(made)
    }

    fn check(&self, height: Height, round: u32, bytes: &[u8], live: bool) -> Result<Verdict, ApplicationError> {
        if !live && self.store().fault == Some(Fault::RefuseSynced) {
            return Ok(Verdict::Invalid { why: "planned".into() });
        }
        Ok(match self.judge(height, round, bytes, live) {
            Ok(candidate) => {
                self.store().stored.insert((height, candidate.hash), candidate.clone());
                Verdict::Valid(candidate)
            }
            Err(why) => Verdict::Invalid { why: why.into() },
        })
    }

    fn undecided(&self, height: Height, round: u32) -> Result<Vec<Candidate>, ApplicationError> {
        let store = self.store();
        let at = |candidate: &&Candidate| (candidate.header.height, candidate.header.round) == (height, round);
        Ok(store.stored.values().filter(at).cloned().collect())
    }

    fn candidate(&self, height: Height, hash: BlockHash) -> Result<Option<Candidate>, ApplicationError> {
        Ok(self.store().stored.get(&(height, hash)).cloned())
    }

    fn commit(&self, certificate: &CommitCertificate) -> Result<(), ApplicationError> {
        assert!(!self.breaks(Fault::CommitPanics), "planned");
        if self.breaks(Fault::Commit) {
            return Err(ApplicationError::new("planned"));
        }
        certificate.verify(&self.genesis.hash(), &self.validators).unwrap();
        let mut store = self.store();
        let found = store.stored.get(&(certificate.height, certificate.block_hash)).cloned();
        let found = found.ok_or_else(|| ApplicationError::new("unknown candidate"))?;
        let included = Block::decode(&mut found.bytes.as_ref()).unwrap().transactions;
        store.pending.retain(|pending| !included.contains(pending));
        store.decided.push((found, certificate.clone(), Instant::now()));
        store.stored.retain(|(height, _), _| *height > certificate.height);
        self.work.send_replace(store.pending.len());
        self.height.send_replace(certificate.height);
        Ok(())
    }

    fn decided(&self, height: Height) -> Result<Option<(Bytes, CommitCertificate)>, ApplicationError> {
        self.reads.send_modify(|reads| *reads += 1);
        futures::executor::block_on(self.is_slow.subscribe().wait_for(|is_slow| !is_slow)).unwrap();
        self.reads.send_modify(|reads| *reads -= 1);
        let store = self.store();
        let index = usize::try_from(height).unwrap().checked_sub(1);
        let found = index.and_then(|index| store.decided.get(index));
        Ok(found.map(|(candidate, certificate, _)| (candidate.bytes.clone(), certificate.clone())))
    }

    fn min_height(&self) -> Height {
        1
    }
}

impl WorkSignal for TestChain {
    fn wait<'a>(&'a self) -> BoxFuture<'a, ()> {
        Box::pin(async {
            // The sender lives as long as this chain does.
            let _ = self.work.subscribe().wait_for(|pending| *pending > 0).await;
        })
    }
}

/// A loopback address whose port was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

pub fn config(index: u8, folder: &Path, idle: Duration) -> ConsensusConfig {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = ConsensusConfig::dev(any, folder.to_owned(), validator(index), [index + 1; 32]);
    config.moniker = format!("{}-{index}", folder.file_name().unwrap().to_string_lossy());
    config.idle = idle;
    config
}

/// Awaits an event, and fails instead of hanging.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.expect("it should have happened by now")
}
