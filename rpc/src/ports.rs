//! What this crate needs from the rest of the node: small traits with plain data, implemented where the parts meet.
//!
//! Every method takes checked values and returns values of [`crate::types`] or of `runtime`; JSON, limits, HTTP and
//! error codes stay on this side.

mod uploads;

pub use uploads::Uploads;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use pieces::{ContentHash, FileId};
use runtime::crypto::AccountId;
use runtime::light::Proof;
use runtime::types::{
    Balance, BlockHash, Call, CommitCertificate, Epoch, Header, Height, Parameters, SignedTransaction, Transaction,
    TxHash,
};
use tokio::sync::watch;

use crate::downloads::Reader;
use crate::error::ApiError;
use crate::types::{
    AccountInfo, ByteRange, CodeInfo, Extended, FileHealth, FileInfo, FilesQuery, Health, LocateQuery, Located, Page,
    PeerInfo, PendingInfo, ProviderInfo, Quote, QuoteQuery, Receipt, Released, Rendered, SubmitOptions, SyncState,
    TransactionResult, UploadStatus, ValidatorInfo,
};

/// Bytes of a body or a file as they come. An `Err` is the last item and says why there is no more.
pub type ByteStream = BoxStream<'static, Result<Bytes, ApiError>>;

/// What a client says of a body before it comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Announced {
    /// Bytes of the whole file.
    pub size: Option<u64>,
    /// Bytes of the file before the body, which are here already; none but with a resume key.
    pub offset: u64,
    /// Hash of those bytes as the client has them.
    pub prefix: Option<ContentHash>,
}

/// Everything behind the API.
#[derive(Clone)]
pub struct Backend {
    /// Names the chain; part of what votes and transactions sign.
    pub genesis: BlockHash,
    /// Files in and out.
    pub storage: Arc<dyn Storage>,
    /// Files that come in chunks.
    pub uploads: Arc<dyn Uploads>,
    /// Blocks.
    pub chain: Arc<dyn Chain>,
    /// State.
    pub state: Arc<dyn State>,
    /// Balances and nonces.
    pub accounts: Arc<dyn Accounts>,
    /// Transactions in.
    pub author: Arc<dyn Author>,
    /// Storage providers.
    pub providers: Arc<dyn Providers>,
    /// Validators.
    pub validators: Arc<dyn Validators>,
    /// The node itself.
    pub system: Arc<dyn System>,
}

/// Files in and out.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Takes a body and starts to store it. The work goes on by itself: dropping the [`Upload`] does not end it, only
    /// an `Err` in `body` does (the client went away, or sent more than is allowed); that error comes back from
    /// [`Upload::receipt`] with its code and text. A body with a resume key may go on where an earlier one broke off:
    /// what it sends again must be the same bytes.
    ///
    /// # Errors
    /// `BadParams` for a profile that the chain does not list, or bytes before the body that are not here or are others, `NotPermitted` for an account whose key the node lacks,
    /// `Full`, `TryAgain`.
    async fn submit(&self, body: ByteStream, options: SubmitOptions, announced: Announced) -> Result<Upload, ApiError>;

    /// Where the pieces are, as JSON: many may ask for the same file. `query.limit` is within 1..=64 here.
    ///
    /// # Errors
    /// `NotFound`; with a proof also `BadParams` for a page behind the last segment or a trusted height above the head,
    /// and `TooLarge`.
    async fn locate(&self, file: FileId, query: LocateQuery) -> Result<Rendered<Located>, ApiError>;

    /// Verified bytes of a file, all of them without a range. The whole is hashed when all of it is read, and the
    /// stream then ends with `ContentMismatch` if it differs. The stream holds `reader` until it ends, and lets others
    /// go first where that says so.
    ///
    /// # Errors
    /// `NotFound`, `NotEnoughPieces`, `BadParams` for a range past the end; later ones come in the stream.
    async fn retrieve(&self, file: FileId, range: Option<ByteRange>, reader: Reader) -> Result<Retrieved, ApiError>;

    /// Bytes that the node keeps in memory while a file of this code is read, however slowly.
    fn read_bytes_max(&self, code: CodeInfo) -> u64;

    /// What is known about a file.
    ///
    /// # Errors
    /// `NotFound`.
    async fn file(&self, file: FileId) -> Result<FileInfo, ApiError>;

    /// Files of an owner or a content hash, or all of this gateway's. `query.limit` is within 1..=1000 here; the cursor
    /// is whatever the page before gave.
    ///
    /// # Errors
    /// `BadParams` for a cursor that is none.
    async fn files(&self, query: FilesQuery) -> Result<Page<FileInfo>, ApiError>;

    /// What storing would cost now.
    ///
    /// # Errors
    /// `BadParams` for an unknown profile or an impossible lease, `TooLarge` for the profile.
    async fn quote(&self, query: QuoteQuery) -> Result<Quote, ApiError>;

    /// Makes the lease of the gateway's own account longer by so many epochs, and waits until that is final.
    ///
    /// # Errors
    /// `NotFound`, `BadParams` for more epochs than the chain allows, `Rejected` without a lease or by another rule,
    /// `NotPermitted` without an account, `TryAgain`.
    async fn extend(&self, file: FileId, lease_epochs: u32) -> Result<Extended, ApiError>;

    /// Ends the lease of the gateway's own account with the epoch that is running, and waits until that is final.
    ///
    /// # Errors
    /// `NotFound`, `Rejected` without a lease or by another rule, `NotPermitted` without an account, `TryAgain`.
    async fn release(&self, file: FileId) -> Result<Released, ApiError>;

    /// How many pieces of each segment can be counted on.
    ///
    /// # Errors
    /// `NotFound`.
    async fn health(&self, file: FileId) -> Result<FileHealth, ApiError>;

    /// Largest file of a profile in bytes, of the default one without a name.
    ///
    /// # Errors
    /// `BadParams` for a profile that the chain does not list.
    async fn file_bytes_max(&self, profile: Option<&str>) -> Result<u64, ApiError>;
}

/// An upload that is under way.
pub struct Upload {
    /// Names it; the client may ask for it later.
    pub id: String,
    /// What is known so far.
    pub progress: watch::Receiver<UploadStatus>,
    /// Resolves when the recording block is final, or when the upload failed.
    pub receipt: BoxFuture<'static, Result<Receipt, ApiError>>,
}

/// Bytes on their way to a client.
pub struct Retrieved {
    /// Where they begin in the file.
    pub offset: u64,
    /// Bytes of the whole file.
    pub size: u64,
    /// The bytes.
    pub stream: ByteStream,
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockAt {
    /// The last final one.
    #[default]
    Latest,
    /// By height; genesis is 0.
    Height(Height),
    /// By hash.
    Hash(BlockHash),
}

/// A block with what its transactions came to.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    /// The header.
    pub header: Header,
    /// In the order of execution.
    pub transactions: Vec<(SignedTransaction, TransactionResult)>,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub enum TransactionState {
    /// Waits for a block.
    Pending,
    /// In a final block.
    Final {
        /// Height of the block.
        height: Height,
        /// Position in the block.
        index: u32,
        /// What it came to.
        result: TransactionResult,
    },
}

/// Final blocks.
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// A block.
    ///
    /// # Errors
    /// `NotFound`.
    async fn block(&self, at: BlockAt) -> Result<BlockRecord, ApiError>;

    /// A header.
    ///
    /// # Errors
    /// `NotFound`.
    async fn header(&self, at: BlockAt) -> Result<Header, ApiError>;

    /// The hash of a height.
    ///
    /// # Errors
    /// `NotFound`.
    async fn block_hash(&self, height: Height) -> Result<BlockHash, ApiError>;

    /// The hash of the last final block.
    ///
    /// # Errors
    /// `Internal`.
    async fn finalized_head(&self) -> Result<BlockHash, ApiError>;

    /// The height of the last final block, now and whenever there is a later one. Who is slow to ask may miss heights
    /// in between, and finds their headers with [`header`](Self::header).
    fn heads(&self) -> BoxStream<'static, Height>;

    /// What became of a transaction.
    ///
    /// # Errors
    /// `NotFound`.
    async fn transaction(&self, hash: TxHash) -> Result<TransactionState, ApiError>;

    /// The certificate that decided a height, from 1.
    ///
    /// # Errors
    /// `NotFound`, also for height 0, which nobody voted on.
    async fn certificate(&self, height: Height) -> Result<CommitCertificate, ApiError>;
}

/// State at the last final block.
#[async_trait]
pub trait State: Send + Sync + 'static {
    /// The value of a key as it is stored, with its version byte. `key` has at most 1,024 bytes here.
    ///
    /// # Errors
    /// `Internal`.
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, ApiError>;

    /// Proves what the state after a block says of `key`, to whoever trusts the block at `trusted`. `key` has at most
    /// 1,024 bytes here.
    ///
    /// # Errors
    /// `NotFound` above the head and for a height whose state is no longer kept, `BadParams` if `trusted` is above the
    /// height, `TooLarge`.
    async fn prove(&self, key: Vec<u8>, height: Option<Height>, trusted: Height) -> Result<Proof, ApiError>;

    /// Everything the chain can set.
    ///
    /// # Errors
    /// `Internal`.
    async fn parameters(&self) -> Result<Parameters, ApiError>;
}

/// Balances and nonces.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// An account; one that does not exist has nothing and nonce 0.
    ///
    /// # Errors
    /// `Internal`.
    async fn get(&self, account: AccountId) -> Result<AccountInfo, ApiError>;

    /// Nonce of the account's next transaction, after those that wait for a block.
    ///
    /// # Errors
    /// `Internal`.
    async fn next_index(&self, account: AccountId) -> Result<u64, ApiError>;
}

/// Transactions on their way in.
#[async_trait]
pub trait Author: Send + Sync + 'static {
    /// Makes the transaction that would do this now: next nonce, the chain's version, an expiry if the node sets one.
    ///
    /// # Errors
    /// `Internal`.
    async fn prepare(&self, from: AccountId, call: Call, tip: Balance) -> Result<Transaction, ApiError>;

    /// Admits a transaction and passes it on. One whose call would fail now is refused, unless others of its account
    /// come before it.
    ///
    /// # Errors
    /// `Rejected`, `NoncePending`, `TryAgain` when the pool is full.
    async fn submit_transaction(&self, transaction: SignedTransaction) -> Result<TxHash, ApiError>;

    /// Transactions that wait for a block.
    ///
    /// # Errors
    /// `Internal`.
    async fn pending(&self) -> Result<Vec<PendingInfo>, ApiError>;
}

/// Storage providers as recorded.
#[async_trait]
pub trait Providers: Send + Sync + 'static {
    /// A page in the order of their numbers.
    ///
    /// # Errors
    /// `BadParams` for a cursor that is none.
    async fn list(&self, cursor: Option<String>) -> Result<Page<ProviderInfo>, ApiError>;

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`.
    async fn get(&self, account: AccountId) -> Result<ProviderInfo, ApiError>;
}

/// Validators as recorded.
#[async_trait]
pub trait Validators: Send + Sync + 'static {
    /// The set that votes in an epoch, in the current one without a number.
    ///
    /// # Errors
    /// `NotFound` for an epoch whose set is not known (any more).
    async fn list(&self, epoch: Option<Epoch>) -> Result<Vec<ValidatorInfo>, ApiError>;
}

/// The node itself.
#[async_trait]
pub trait System: Send + Sync + 'static {
    /// Peers and whether the node is behind.
    async fn health(&self) -> Result<Health, ApiError>;
    /// Name of the program.
    fn name(&self) -> String;
    /// Version of the program.
    fn version(&self) -> String;
    /// Name of the chain.
    fn chain(&self) -> String;
    /// Peer id in the storage network.
    fn local_peer_id(&self) -> String;
    /// Multiaddresses with `/p2p`.
    async fn local_listen_addresses(&self) -> Result<Vec<String>, ApiError>;
    /// Connected peers.
    async fn peers(&self) -> Result<Vec<PeerInfo>, ApiError>;
    /// How far syncing is.
    async fn sync_state(&self) -> Result<SyncState, ApiError>;
}
