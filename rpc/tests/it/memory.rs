//! A node in memory: files as they are, and profiles whose names say how they fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use pieces::{ContentHash, FileId, PieceHash};
use rpc::downloads::Reader;
use rpc::ports::{
    Accounts, Author, Backend, BlockAt, BlockRecord, Chain, Providers, Retrieved, State, Storage, System,
    TransactionState, Upload, Validators,
};
use rpc::types::{
    AccountInfo, ByteRange, CodeInfo, CommitmentInfo, Extended, FileHealth, FileInfo, FilesQuery, Health, Hex,
    LeaseInfo, LocateQuery, Located, LocatedPiece, LocatedSegment, Page, PeerInfo, PendingInfo, PieceStatus, ProofInfo,
    ProviderInfo, Quote, QuoteQuery, Receipt, Released, Rendered, SegmentHealth, SubmitOptions, SyncState,
    UploadStatus, ValidatorInfo,
};
use rpc::{ApiError, TryAgain};
use runtime::crypto::{AccountId, PeerKey, PublicKey, Signature};
use runtime::light::Proof;
use runtime::rule::Rule;
use runtime::types::{
    Balance, BlockHash, Call, CommitCertificate, Epoch, Header, Height, Parameters, SignedTransaction, Transaction,
    TxHash,
};
use tokio::sync::watch;

use crate::samples::{self, CODE, GENESIS, alice};

/// Largest file of the profile "small".
pub const SMALL_BYTES_MAX: u64 = 100_000;
/// What reading a file is said to keep in memory.
pub const READ_BYTES_MAX: u64 = 50_000;
/// Height of the chain.
pub const HEAD: u64 = 9;
/// A transaction that waits.
pub const PENDING: TxHash = TxHash::from_bytes([0xaa; 32]);

pub struct Memory {
    files: Mutex<BTreeMap<FileId, (FileInfo, Vec<Bytes>)>>,
    /// Uploads in chunks.
    pub uploads: Mutex<BTreeMap<String, crate::chunks::Kept>>,
    /// Options of the last upload.
    pub last_options: Mutex<Option<SubmitOptions>>,
    pub last_announced: Mutex<Option<rpc::ports::Announced>>,
    /// How a file's stream ends, if not well.
    pub broken: Mutex<BTreeMap<FileId, Break>>,
    /// What `System::health` says.
    pub health: Mutex<Option<Health>>,
    /// The height of the last final block.
    pub head: watch::Sender<Height>,
    /// Uploads by their names.
    pub watched: Mutex<BTreeMap<String, watch::Receiver<UploadStatus>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            files: Mutex::default(),
            last_options: Mutex::default(),
            last_announced: Mutex::default(),
            broken: Mutex::default(),
            health: Mutex::default(),
            head: watch::Sender::new(HEAD),
            uploads: Mutex::default(),
            watched: Mutex::default(),
        }
    }
}

/// How a stream of a file goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Break {
    /// Before the first byte.
    AtOnce,
    /// After half of it, with an error.
    Midway,
    /// After the last byte, as when the whole does not have the hash it should.
    AtEnd,
    /// After half of it, as if that were all.
    Short,
    /// Never ends.
    Long,
}

pub fn id_of(content: &[u8]) -> FileId {
    FileId::from_bytes(*ContentHash::of(content).as_bytes())
}

pub fn backend(memory: &Arc<Memory>) -> Backend {
    Backend {
        genesis: GENESIS,
        storage: memory.clone(),
        uploads: memory.clone(),
        chain: memory.clone(),
        state: memory.clone(),
        accounts: memory.clone(),
        author: memory.clone(),
        providers: memory.clone(),
        validators: memory.clone(),
        system: memory.clone(),
    }
}

fn no_file(file: FileId) -> ApiError {
    ApiError::NotFound(format!("there is no file 0x{file}"))
}

impl Memory {
    /// Puts a file in, in chunks as they come from the network.
    pub fn put(&self, content: &[u8], options: &SubmitOptions) -> FileInfo {
        let info = FileInfo {
            file_id: id_of(content),
            content_hash: ContentHash::of(content),
            size: content.len() as u64,
            media_type: options.media_type.clone(),
            code: CODE.into(),
            segments: u32::from(!content.is_empty()),
            height: HEAD,
            leases: vec![LeaseInfo { payer: alice(), from: 4, to: 14 }],
            names: options.name.iter().map(|name| name.as_str().to_owned()).collect(),
        };
        let chunks = content.chunks(16 * 1024).map(Bytes::copy_from_slice).collect();
        self.files.lock().unwrap().insert(info.file_id, (info.clone(), chunks));
        info
    }

    fn bytes(&self, file: FileId) -> Result<(FileInfo, Vec<u8>), ApiError> {
        let files = self.files.lock().unwrap();
        let (info, chunks) = files.get(&file).ok_or_else(|| no_file(file))?;
        Ok((info.clone(), chunks.concat()))
    }
}

/// What an upload with this profile comes to before its body is read.
fn refusal(profile: &str) -> Option<ApiError> {
    Some(match profile {
        "full" => ApiError::Full("the quota of this gateway is reached".into()),
        "foreign" => ApiError::NotPermitted("this node has no key of that account".into()),
        "syncing" => TryAgain::Syncing.into(),
        "unavailable" => TryAgain::ProviderUnavailable { provider: "5F".into() }.into(),
        "refused" => ApiError::Rejected { rule: Rule::InsufficientBalance },
        "broken" => ApiError::internal("secret detail"),
        _ => return None,
    })
}

#[async_trait]
impl Storage for Memory {
    async fn submit(
        &self,
        body: rpc::ports::ByteStream,
        options: SubmitOptions,
        announced: rpc::ports::Announced,
    ) -> Result<Upload, ApiError> {
        *self.last_options.lock().unwrap() = Some(options.clone());
        *self.last_announced.lock().unwrap() = Some(announced);
        let profile = options.profile.clone().unwrap_or_else(|| "dev".into());
        if let Some(refusal) = refusal(&profile) {
            return Err(refusal);
        }
        let known = UploadStatus { file_id: Some(id_of(b"x")), tx_hash: Some(PENDING), ..UploadStatus::default() };
        let (_, progress) = watch::channel(known);
        let content = body.try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        });
        // A detached task, as the port says.
        let content = tokio::spawn(content);
        if profile == "never" {
            let receipt = async {
                content.await.unwrap()?;
                futures::future::pending().await
            };
            return Ok(Upload { id: "upload-7".into(), progress, receipt: receipt.boxed() });
        }
        let content = content.await.unwrap();
        let receipt = content.map(|content| {
            let file = self.put(&content, &options);
            Receipt {
                file_id: file.file_id,
                content_hash: file.content_hash,
                size: file.size,
                profile,
                tx_hash: TxHash::from_bytes([3; 32]),
                height: HEAD,
                block_hash: BlockHash::from_bytes([4; 32]),
                lease_until_epoch: 14,
            }
        });
        Ok(Upload { id: "upload-1".into(), progress, receipt: async { receipt }.boxed() })
    }

    async fn locate(&self, file: FileId, query: LocateQuery) -> Result<Rendered<Located>, ApiError> {
        let (info, _) = self.bytes(file)?;
        let most = query.limit.unwrap();
        assert!((1..=64).contains(&most), "the port is promised a limit");
        let commitment = |index: u8| CommitmentInfo {
            message: Hex(vec![index, 0xff]),
            signature: Signature::from_bytes([1; 64]),
            service_key: PublicKey::from_bytes([2; 32]),
            until_epoch: 14,
            tx_hash: PENDING,
        };
        let piece = |index: u8| LocatedPiece {
            index,
            hash: PieceHash::of(&[index]),
            size: 64,
            status: if index == 3 { PieceStatus::Lost } else { PieceStatus::Live },
            provider: alice(),
            peer_id: PeerKey::from_bytes([5; 32]),
            addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
            commitment: (index != 2).then(|| commitment(index)),
        };
        let segment = LocatedSegment { index: query.from_segment, len: info.size, pieces: (0..4).map(piece).collect() };
        let located = Located {
            file_id: file,
            height: HEAD,
            size: info.size,
            code: info.code,
            survivable_providers: 2,
            survivable_operators: 1,
            segments: vec![segment],
            next_segment: Some(most),
            proof: query.proof.then(|| ProofInfo::from(&samples::proof(HEAD, vec![1]))),
        };
        Rendered::new(&located).map_err(ApiError::internal)
    }

    fn read_bytes_max(&self, code: CodeInfo) -> u64 {
        assert_eq!(code, CODE.into());
        READ_BYTES_MAX
    }

    async fn retrieve(&self, file: FileId, range: Option<ByteRange>, reader: Reader) -> Result<Retrieved, ApiError> {
        let (info, bytes) = self.bytes(file)?;
        let ByteRange { offset, length } = range.unwrap_or(ByteRange { offset: 0, length: info.size });
        let (from, to) = (usize::try_from(offset).unwrap(), usize::try_from(offset + length).unwrap());
        let chunks: Vec<_> = bytes[from..to].chunks(16 * 1024).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let half = chunks.len().div_ceil(2);
        let half_of_it = |chunks: Vec<_>| stream::iter(chunks).take(half);
        let stream = match self.broken.lock().unwrap().get(&file) {
            None => stream::iter(chunks).boxed(),
            Some(Break::AtOnce) => {
                stream::iter([Err(ApiError::NotEnoughPieces { segment: 1, live: 1, needed: 2 })]).boxed()
            }
            Some(Break::Midway) => {
                half_of_it(chunks).chain(stream::iter([Err(ApiError::ContentMismatch { file })])).boxed()
            }
            Some(Break::AtEnd) => {
                stream::iter(chunks).chain(stream::iter([Err(ApiError::ContentMismatch { file })])).boxed()
            }
            Some(Break::Short) => half_of_it(chunks).boxed(),
            Some(Break::Long) => stream::repeat_with(|| Ok(Bytes::from_static(b"more"))).boxed(),
        };
        let held = stream.inspect(move |_| {
            let _held = &reader;
        });
        Ok(Retrieved { offset, size: info.size, stream: held.boxed() })
    }

    async fn file(&self, file: FileId) -> Result<FileInfo, ApiError> {
        self.bytes(file).map(|(info, _)| info)
    }

    async fn files(&self, query: FilesQuery) -> Result<Page<FileInfo>, ApiError> {
        assert!((1..=1000).contains(&query.limit.unwrap()), "the port is promised a limit");
        let files = self.files.lock().unwrap();
        let wanted = |info: &&FileInfo| query.content_hash.is_none_or(|hash| hash == info.content_hash);
        let items = files.values().map(|(info, _)| info).filter(wanted).cloned();
        let items = items.take(usize::try_from(query.limit.unwrap()).unwrap()).collect();
        Ok(Page { items, cursor: query.cursor })
    }

    async fn quote(&self, query: QuoteQuery) -> Result<Quote, ApiError> {
        Ok(Quote { price: u128::from(query.size) << 64, deposit: 0, fee: 7 })
    }

    async fn extend(&self, file: FileId, lease_epochs: u32) -> Result<Extended, ApiError> {
        self.bytes(file)?;
        if lease_epochs > 100 {
            return Err(ApiError::Rejected { rule: Rule::LeaseLength });
        }
        Ok(Extended { tx_hash: PENDING, height: HEAD })
    }

    async fn release(&self, file: FileId) -> Result<Released, ApiError> {
        self.bytes(file)?;
        Ok(Released { tx_hash: PENDING, height: HEAD, refund: u128::MAX })
    }

    async fn health(&self, file: FileId) -> Result<FileHealth, ApiError> {
        self.bytes(file)?;
        let segments = vec![SegmentHealth { index: 0, live: 3, needed: 2, total: 4 }];
        Ok(FileHealth { segments, survivable_providers: 1, survivable_operators: 1, repairing: false })
    }

    async fn file_bytes_max(&self, profile: Option<&str>) -> Result<u64, ApiError> {
        match profile {
            Some("small") => Ok(SMALL_BYTES_MAX),
            Some("unknown") => Err(ApiError::BadParams("profile: the chain has no profile \"unknown\"".into())),
            _ => Ok(1 << 40),
        }
    }
}

fn check_height(height: u64) -> Result<u64, ApiError> {
    if height <= HEAD { Ok(height) } else { Err(ApiError::NotFound(format!("there is no block {height}"))) }
}

fn height(at: BlockAt) -> Result<u64, ApiError> {
    match at {
        BlockAt::Latest => Ok(HEAD),
        BlockAt::Height(height) => check_height(height),
        BlockAt::Hash(hash) => (0..=HEAD)
            .find(|height| samples::header(*height).hash() == hash)
            .ok_or_else(|| ApiError::NotFound(format!("there is no block 0x{hash}"))),
    }
}

#[async_trait]
impl Chain for Memory {
    async fn block(&self, at: BlockAt) -> Result<BlockRecord, ApiError> {
        height(at).map(samples::block)
    }

    async fn header(&self, at: BlockAt) -> Result<Header, ApiError> {
        match at {
            BlockAt::Height(height) if height <= *self.head.borrow() => Ok(samples::header(height)),
            at => height(at).map(samples::header),
        }
    }

    fn heads(&self) -> BoxStream<'static, Height> {
        let mut head = self.head.subscribe();
        head.mark_changed();
        let heights = stream::unfold(head, |mut head| async {
            head.changed().await.ok()?;
            let height = *head.borrow_and_update();
            Some((height, head))
        });
        heights.boxed()
    }

    async fn block_hash(&self, height: Height) -> Result<BlockHash, ApiError> {
        check_height(height).map(|height| samples::header(height).hash())
    }

    async fn finalized_head(&self) -> Result<BlockHash, ApiError> {
        Ok(samples::header(HEAD).hash())
    }

    async fn transaction(&self, hash: TxHash) -> Result<TransactionState, ApiError> {
        if hash == PENDING {
            return Ok(TransactionState::Pending);
        }
        let (signed, result) = samples::block(HEAD).transactions.remove(1);
        if signed.hash() != hash {
            return Err(ApiError::NotFound(format!("there is no transaction 0x{hash}")));
        }
        Ok(TransactionState::Final { height: HEAD, index: 1, result })
    }

    async fn certificate(&self, height: Height) -> Result<CommitCertificate, ApiError> {
        check_height(height).map(samples::certificate)
    }
}

#[async_trait]
impl State for Memory {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, ApiError> {
        Ok((key == [1]).then(|| vec![1, 2, 3]))
    }

    async fn prove(&self, key: Vec<u8>, height: Option<Height>, _: Height) -> Result<Proof, ApiError> {
        Ok(samples::proof(check_height(height.unwrap_or(HEAD))?, key))
    }

    async fn parameters(&self) -> Result<Parameters, ApiError> {
        Ok(samples::parameters())
    }
}

#[async_trait]
impl Accounts for Memory {
    async fn get(&self, account: AccountId) -> Result<AccountInfo, ApiError> {
        Ok(AccountInfo { address: account, free: u128::MAX, reserved: 1, nonce: 2 })
    }

    async fn next_index(&self, _: AccountId) -> Result<u64, ApiError> {
        Ok(3)
    }
}

#[async_trait]
impl Author for Memory {
    async fn prepare(&self, from: AccountId, call: Call, tip: Balance) -> Result<Transaction, ApiError> {
        Ok(Transaction::Signed { version: Transaction::VERSION, signer: from, nonce: 3, tip, expires_at_ms: 0, call })
    }

    async fn submit_transaction(&self, transaction: SignedTransaction) -> Result<TxHash, ApiError> {
        transaction.verify(&GENESIS).map_err(|_| ApiError::Rejected { rule: Rule::BadSignature })?;
        Ok(transaction.hash())
    }

    async fn pending(&self) -> Result<Vec<PendingInfo>, ApiError> {
        Ok(vec![PendingInfo { hash: PENDING, signer: alice(), nonce: Some(3) }])
    }
}

#[async_trait]
impl Providers for Memory {
    async fn list(&self, cursor: Option<String>) -> Result<Page<ProviderInfo>, ApiError> {
        Ok(Page { items: vec![ProviderInfo::from(&samples::provider())], cursor })
    }

    async fn get(&self, account: AccountId) -> Result<ProviderInfo, ApiError> {
        let provider = samples::provider();
        if provider.account != account {
            return Err(ApiError::NotFound(format!("{account} is not a provider")));
        }
        Ok(ProviderInfo::from(&provider))
    }
}

#[async_trait]
impl Validators for Memory {
    async fn list(&self, _: Option<Epoch>) -> Result<Vec<ValidatorInfo>, ApiError> {
        Ok(vec![ValidatorInfo { account: alice(), consensus_key: samples::pair(4).public_key(), power: 10 }])
    }
}

#[async_trait]
impl System for Memory {
    async fn health(&self) -> Result<Health, ApiError> {
        let well = Health { peers: 4, is_syncing: false, should_have_peers: true };
        Ok(self.health.lock().unwrap().unwrap_or(well))
    }

    fn name(&self) -> String {
        "memory".into()
    }

    fn version(&self) -> String {
        "0.1.0".into()
    }

    fn chain(&self) -> String {
        "Test".into()
    }

    fn local_peer_id(&self) -> String {
        PeerKey::from_bytes([5; 32]).to_string()
    }

    async fn local_listen_addresses(&self) -> Result<Vec<String>, ApiError> {
        Ok(vec![format!("/ip4/127.0.0.1/tcp/1/p2p/{}", self.local_peer_id())])
    }

    async fn peers(&self) -> Result<Vec<PeerInfo>, ApiError> {
        Ok(vec![PeerInfo {
            peer_id: self.local_peer_id(),
            roles: "PROVIDER".into(),
            best_hash: Some(BlockHash::ZERO),
            best_number: None,
        }])
    }

    async fn sync_state(&self) -> Result<SyncState, ApiError> {
        Ok(SyncState { starting_block: 1, current_block: HEAD, highest_block: HEAD })
    }
}
