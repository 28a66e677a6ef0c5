//! Peers, providers and a small chain that admits pieces.

use bytes::Bytes;
use dsn::{
    Admission, Admitted, AdmittedKind, Authority, Candidate, Holder, NetworkConfig, Peer, PeerConfig, PeerLimits,
    PeerTarget, PieceKey, PieceService, PieceStore, PutOpen, Refusal, RefusalCode, StoreLimits, StripeItem,
    StripeSource, StripeStream, Timeouts,
};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use parking_lot::Mutex;
use pieces::{ErasureCode, FileId, PieceHash, SegmentEncoder, SegmentManifest};
use rand_core::OsRng;
use runtime::crypto::{KeyPair, Signature};
use runtime::terms::commitment_for;
use runtime::types::{BlockHash, SignedIntent, StorageCommitment, UploadIntent};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

pub const GENESIS: BlockHash = BlockHash::from_bytes([0x6e; 32]);
pub const PLACEMENT_EPOCHS: u32 = 120;
pub const MIB: usize = 1024 * 1024;
/// 2 of 4 with small units, so that short segments have many stripes.
pub const SMALL: ErasureCode = ErasureCode::new(2, 4, 4096);

pub const LIMITS: StoreLimits = StoreLimits { quota_bytes: 1 << 40, reserve_bytes: 0 };

/// Short enough for tests that wait for them, long enough for a busy machine.
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    idle: Duration::from_secs(10),
    whole: Duration::from_secs(120),
    connection_idle: Duration::from_secs(60),
};

static NEXT_SECRET: AtomicU64 = AtomicU64::new(1);

pub fn config(genesis: BlockHash) -> PeerConfig {
    let mut secret = [0x5a; 32];
    secret[..8].copy_from_slice(&NEXT_SECRET.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    PeerConfig {
        secret,
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        genesis,
        limits: PeerLimits::default(),
        timeouts: TIMEOUTS,
        neighbours: None,
        network: NetworkConfig::default(),
    }
}

/// A peer that serves nothing.
pub async fn client() -> Peer {
    Peer::start(config(GENESIS)).await.unwrap()
}

/// What the ledger says, as far as one provider cares.
pub struct Chain {
    pub service: KeyPair,
    pub account: KeyPair,
    pub recorded: Mutex<HashMap<(FileId, u16, u8), PieceHash>>,
    /// The signature is by a key that is not the provider's.
    pub signs_wrong: bool,
}

impl Chain {
    pub fn new(number: u8) -> Self {
        let service = KeyPair::from_seed(&[number; 32]);
        let account = KeyPair::from_seed(&[number ^ 0x80; 32]);
        Self { service, account, recorded: Mutex::default(), signs_wrong: false }
    }
}

impl Admission for Chain {
    fn admit(&self, open: &PutOpen) -> Result<Admitted, Refusal> {
        match &open.authority {
            Authority::Intent(signed) => {
                let refused = |message| Refusal::new(RefusalCode::NotPermitted, message);
                if signed.intent.genesis != GENESIS {
                    return Err(refused("another chain"));
                }
                signed.verify().map_err(|_| refused("the intent's signature does not hold"))?;
                let (segment, index) = (open.segment, open.index);
                let account = self.account.account();
                let commitment =
                    commitment_for(&signed.intent, PLACEMENT_EPOCHS, segment, index, PieceHash::ZERO, 0, account);
                Ok(Admitted { deal: signed.intent.deal(), kind: AdmittedKind::Commit(commitment), quota: None })
            }
            Authority::Recorded(file) => {
                let recorded = self.recorded.lock().get(&(*file, open.segment, open.index)).copied();
                let piece_hash =
                    recorded.ok_or_else(|| Refusal::new(RefusalCode::NotRecorded, "the ledger knows no such piece"))?;
                Ok(Admitted { deal: deal(), kind: AdmittedKind::Restore { piece_hash, until_epoch: 77 }, quota: None })
            }
        }
    }

    fn sign(&self, commitment: &StorageCommitment) -> Signature {
        let key = if self.signs_wrong { &self.account } else { &self.service };
        commitment.sign(key, OsRng)
    }
}

pub fn deal() -> runtime::types::DealId {
    intent(0).intent.deal()
}

/// A provider: a peer that serves a store.
pub struct Provider {
    pub peer: Peer,
    pub service: PieceService,
    pub store: Arc<PieceStore>,
    pub chain: Arc<Chain>,
    pub dir: tempfile::TempDir,
}

impl Provider {
    pub async fn start(number: u8) -> Self {
        Self::start_with(Chain::new(number), LIMITS).await
    }

    pub async fn start_with(chain: Chain, limits: StoreLimits) -> Self {
        Self::serving(chain, limits, client().await)
    }

    /// Over whatever the peer listens on.
    pub fn start_on(number: u8, peer: Peer) -> Self {
        Self::serving(Chain::new(number), LIMITS, peer)
    }

    fn serving(chain: Chain, limits: StoreLimits, peer: Peer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, chain) = (open_store(dir.path(), limits), Arc::new(chain));
        let service = PieceService::new(Arc::clone(&store), chain.clone());
        peer.serve(service.clone()).unwrap();
        Self { peer, service, store, chain, dir }
    }

    pub fn target(&self) -> PeerTarget {
        self.peer.target()
    }

    pub fn holder(&self) -> Holder {
        Holder { provider: self.chain.account.account(), target: self.target() }
    }

    pub fn candidate(&self, slot: u8) -> Candidate {
        let (target, provider) = (self.target(), self.chain.account.account());
        Candidate { slot, raised: false, target, provider, service_key: self.chain.service.public_key() }
    }

    /// Puts a whole piece under intent 0 as piece `index`.
    pub async fn put(&self, from: &Peer, index: u8, piece: &[u8]) -> Result<dsn::PutAnswer, dsn::PutError> {
        let units = piece.chunks(64 * 1024).map(|unit| Ok(Bytes::copy_from_slice(unit))).collect::<Vec<_>>();
        from.put(&self.target(), open(index, piece.len()), stream::iter(units), PieceHash::of(piece)).await
    }
}

pub fn open_store(dir: &Path, limits: StoreLimits) -> Arc<PieceStore> {
    Arc::new(PieceStore::open(dir, limits).unwrap())
}

pub async fn providers(count: u8) -> Vec<Provider> {
    futures::future::join_all((1..=count).map(Provider::start)).await
}

pub fn intent(deal_nonce: u64) -> SignedIntent {
    let owner = KeyPair::from_seed(&[0xaa; 32]);
    UploadIntent {
        version: UploadIntent::VERSION,
        genesis: GENESIS,
        owner: owner.account(),
        deal_nonce,
        code: SMALL,
        snapshot_epoch: 3,
        max_bytes: 1 << 40,
        lease_epochs: 10,
        max_price: 1_000_000,
        store_by_ms: 1_700_000_000_000,
    }
    .sign(&owner, OsRng)
}

pub fn open(index: u8, piece_bytes: usize) -> PutOpen {
    let piece_bytes_max = u32::try_from(piece_bytes).unwrap();
    PutOpen { authority: Authority::Intent(intent(0)), segment: 0, index, slot: index, piece_bytes_max }
}

pub fn key(index: u8, piece_hash: PieceHash) -> PieceKey {
    PieceKey { deal: deal(), segment: 0, index, piece_hash }
}

/// Bytes that differ everywhere, the same for the same seed.
pub fn bytes_of(seed: u8, count: usize) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::from_fn(|| Some(next())).take(count.div_ceil(8)).flatten().collect();
    bytes.truncate(count);
    bytes
}

/// A segment in memory: its stripes, and how often they were asked for.
pub struct MemorySegment {
    pub code: ErasureCode,
    pub content: Bytes,
    pub opened: AtomicUsize,
}

impl MemorySegment {
    pub fn new(code: ErasureCode, content: Vec<u8>) -> Self {
        Self { code, content: content.into(), opened: AtomicUsize::new(0) }
    }

    pub fn items(&self) -> Vec<StripeItem> {
        let mut encoder = SegmentEncoder::new(self.code).unwrap();
        let stripe_bytes = usize::try_from(self.code.stripe_bytes()).unwrap();
        let mut rest = self.content.clone();
        let mut items = Vec::new();
        while rest.len() >= stripe_bytes {
            items.push(StripeItem::Stripe(encoder.push_bytes(rest.split_to(stripe_bytes)).unwrap()));
        }
        let (last, manifest) = encoder.finish(&rest).unwrap();
        items.extend(last.map(StripeItem::Stripe));
        items.push(StripeItem::End(manifest));
        items
    }

    pub fn manifest(&self) -> SegmentManifest {
        match self.items().pop() {
            Some(StripeItem::End(manifest)) => manifest,
            _ => unreachable!("the last item is the end"),
        }
    }

    /// The pieces, whole.
    pub fn pieces(&self) -> Vec<Vec<u8>> {
        let mut pieces = vec![Vec::new(); usize::from(self.code.n)];
        for item in self.items() {
            if let StripeItem::Stripe(units) = item {
                pieces.iter_mut().zip(units).for_each(|(piece, unit)| piece.extend_from_slice(&unit));
            }
        }
        pieces
    }
}

impl StripeSource for MemorySegment {
    fn open(&self) -> BoxFuture<'_, io::Result<StripeStream>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let items = self.items();
        async move { Ok(stream::iter(items.into_iter().map(Ok)).boxed()) }.boxed()
    }
}

/// Waits for something that no event tells, for as long as a test may take.
pub async fn wait_until(mut reached: impl FnMut() -> bool) {
    let mut often = tokio::time::interval(Duration::from_millis(5));
    let polling = async {
        while !reached() {
            often.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polling).await.expect("it was reached in time");
}
