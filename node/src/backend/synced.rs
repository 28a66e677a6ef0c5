//! Answers that need the head come only from a node that has it: one that is behind says 1007 and nothing wrong.

use async_trait::async_trait;
use bytes::Bytes;
use pieces::FileId;
use rpc::downloads::Reader;
use rpc::ports::{Announced, Author, ByteStream, Retrieved, Storage, Upload, Uploads};
use rpc::types::{
    ByteRange, CodeInfo, Extended, FileHealth, FileInfo, FilesQuery, LocateQuery, Located, Page, PendingInfo, Quote,
    QuoteQuery, Released, Rendered, SubmitOptions, UploadStatus,
};
use rpc::{ApiError, TryAgain};
use runtime::crypto::AccountId;
use runtime::types::{Balance, Call, SignedTransaction, Transaction, TxHash};
use tokio::sync::watch;

use crate::sync::Sync;

/// What is behind it, while the node follows the chain; [`TryAgain::Syncing`] while it catches up.
pub struct Synced<B> {
    /// What answers.
    pub behind: B,
    /// How far behind the node is.
    pub sync: Sync,
}

impl<B> Synced<B> {
    fn now(&self) -> Result<&B, ApiError> {
        if self.sync.is_syncing() { Err(TryAgain::Syncing.into()) } else { Ok(&self.behind) }
    }
}

#[async_trait]
impl<B: Storage> Storage for Synced<B> {
    async fn submit(&self, body: ByteStream, options: SubmitOptions, announced: Announced) -> Result<Upload, ApiError> {
        self.now()?.submit(body, options, announced).await
    }

    async fn locate(&self, file: FileId, query: LocateQuery) -> Result<Rendered<Located>, ApiError> {
        self.now()?.locate(file, query).await
    }

    async fn retrieve(&self, file: FileId, range: Option<ByteRange>, reader: Reader) -> Result<Retrieved, ApiError> {
        self.now()?.retrieve(file, range, reader).await
    }

    fn read_bytes_max(&self, code: CodeInfo) -> u64 {
        self.behind.read_bytes_max(code)
    }

    async fn file(&self, file: FileId) -> Result<FileInfo, ApiError> {
        self.now()?.file(file).await
    }

    async fn files(&self, query: FilesQuery) -> Result<Page<FileInfo>, ApiError> {
        self.now()?.files(query).await
    }

    async fn quote(&self, query: QuoteQuery) -> Result<Quote, ApiError> {
        self.now()?.quote(query).await
    }

    async fn extend(&self, file: FileId, lease_epochs: u32) -> Result<Extended, ApiError> {
        self.now()?.extend(file, lease_epochs).await
    }

    async fn release(&self, file: FileId) -> Result<Released, ApiError> {
        self.now()?.release(file).await
    }

    async fn health(&self, file: FileId) -> Result<FileHealth, ApiError> {
        self.now()?.health(file).await
    }

    async fn file_bytes_max(&self, profile: Option<&str>) -> Result<u64, ApiError> {
        self.now()?.file_bytes_max(profile).await
    }
}

/// Chunks that come are kept whatever the chain does; only what places them must know it.
#[async_trait]
impl<B: Uploads> Uploads for Synced<B> {
    async fn begin(&self, options: SubmitOptions, size: Option<u64>) -> Result<(String, u64), ApiError> {
        self.now()?.begin(options, size).await
    }

    async fn chunk(&self, id: &str, offset: u64, data: Bytes) -> Result<u64, ApiError> {
        self.behind.chunk(id, offset, data).await
    }

    async fn finish(&self, id: &str) -> Result<Upload, ApiError> {
        self.now()?.finish(id).await
    }

    async fn progress(&self, id: &str) -> Result<watch::Receiver<UploadStatus>, ApiError> {
        self.behind.progress(id).await
    }

    async fn list(&self, cursor: Option<String>) -> Result<Page<UploadStatus>, ApiError> {
        self.behind.list(cursor).await
    }

    async fn cancel(&self, id: &str) -> Result<(), ApiError> {
        self.behind.cancel(id).await
    }
}

#[async_trait]
impl<B: Author> Author for Synced<B> {
    async fn prepare(&self, from: AccountId, call: Call, tip: Balance) -> Result<Transaction, ApiError> {
        self.now()?.prepare(from, call, tip).await
    }

    async fn submit_transaction(&self, transaction: SignedTransaction) -> Result<TxHash, ApiError> {
        self.now()?.submit_transaction(transaction).await
    }

    async fn pending(&self) -> Result<Vec<PendingInfo>, ApiError> {
        self.behind.pending().await
    }
}
