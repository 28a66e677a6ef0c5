//! Files in: stream -> encode -> intent -> place -> put -> Store -> final.
//!
//! ```text
//! body -> spool (encoded once for its hashes) -> FileId
//!   alive on the ledger?  yes: put missing pieces back; add a lease unless this account has one
//!                          no: intent, placement, n puts a segment, Store with the commitments
//! -> final block -> receipt
//! ```
//!
//! A body is spooled before anything is sent, so that the same bytes are never paid for twice, and a column can be coded
//! again for another provider.

mod deal;
mod heal;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use pieces::{FileId, FileManifest};
use rpc::ports::{ByteStream, Upload, UploadProgress};
use rpc::types::{Receipt, SubmitOptions};
use rpc::{ApiError, TryAgain};
use runtime::crypto::{AccountId, KeyPair};
use runtime::state::ReadTables;
use runtime::tables::{Lease, Leases};
use runtime::types::{Call, Epoch, Profile, StorageCall, Store};
use tokio::sync::{Semaphore, watch};

use crate::chain::Chain;
use crate::deal_nonces::DealNonces;
use crate::directory::live_file;
use crate::errors::{of_call, of_ledger, of_state};
use crate::keystore::Keystore;
use crate::labels::Labels;
use crate::metrics::UploadMetrics;
use crate::spool::{SpoolTerms, Spooled, spool};
use crate::submitter::{Landed, Submitter};
use crate::traffic::Traffic;

/// Uploads under way at once; others are told to come again.
const UPLOADS_MAX: usize = 256;
/// Uploads that send pieces at once: enough to keep disks and processors busy.
const SENDING_MAX: usize = 16;

/// Takes files from clients.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

/// What a gateway works with.
pub struct GatewayParts {
    /// Blocks and state.
    pub chain: Arc<Chain>,
    /// Signs and sends the calls.
    pub submitter: Arc<Submitter>,
    /// The accounts that can pay.
    pub keystore: Arc<Keystore>,
    /// This node's peer in the storage network.
    pub peer: dsn::Peer,
    /// Names that clients gave.
    pub labels: Arc<Labels>,
    /// Counters of the status line.
    pub traffic: Arc<Traffic>,
    /// Counters of uploads.
    pub metrics: UploadMetrics,
    /// Folder of bodies on their way in.
    pub spool: PathBuf,
}

struct Inner {
    parts: GatewayParts,
    nonces: DealNonces,
    uploads: Arc<Semaphore>,
    sending: Semaphore,
    /// One upload of a file by an account at a time: the second finds the first one's lease.
    files: Mutex<HashMap<(AccountId, FileId), Turn>>,
}

/// Held by the upload whose turn it is.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// What an upload was asked to be, checked.
#[derive(Clone, Debug)]
struct Order {
    owner: KeyPair,
    profile: Profile,
    lease_epochs: u32,
    piece_bytes_max: u32,
    name: Option<String>,
}

impl Gateway {
    /// A gateway without uploads yet.
    pub fn new(parts: GatewayParts) -> Self {
        let inner = Inner {
            parts,
            nonces: DealNonces::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            sending: Semaphore::new(SENDING_MAX),
            files: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The account that pays when a client names none.
    pub fn account(&self) -> Option<AccountId> {
        self.inner.parts.keystore.gateway_account()
    }

    /// Takes a body and stores it; the work goes on by itself.
    pub fn submit(&self, body: ByteStream, options: SubmitOptions) -> Result<Upload, ApiError> {
        let inner = self.inner.clone();
        let order = inner.order(&options)?;
        let permit = inner.uploads.clone().try_acquire_owned();
        let permit = permit.map_err(|_| TryAgain::Overloaded("too many uploads are under way"))?;
        let (progress, watched) = watch::channel(UploadProgress::default());
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| ApiError::internal(error.to_string()))?;
        let counted = self.inner.parts.metrics.begin(watched.clone());
        let task = tokio::spawn(async move {
            let _permit = permit;
            counted.until(inner.upload(body, options, order, &progress)).await
        });
        let receipt = async move { task.await.map_err(ApiError::internal)? };
        Ok(Upload { id: hex::encode(id), progress: watched, receipt: receipt.boxed() })
    }
}

impl Inner {
    fn order(&self, options: &SubmitOptions) -> Result<Order, ApiError> {
        let parameters = self.parts.chain.parameters().map_err(of_state)?;
        let name = options.profile.as_deref();
        let profile = parameters
            .profile(name)
            .ok_or_else(|| ApiError::BadParams(format!("the chain has no profile {}", name.unwrap_or("at all"))))?;
        let lease_epochs = options.lease_epochs.unwrap_or(parameters.prices.default_lease_epochs);
        let longest = parameters.prices.max_lease_epochs;
        if !(1..=longest).contains(&lease_epochs) {
            return Err(ApiError::BadParams(format!("leaseEpochs: a lease has 1 to {longest} epochs")));
        }
        let keystore = &self.parts.keystore;
        let account = options.from.or_else(|| keystore.gateway_account());
        let account = account.ok_or_else(|| ApiError::NotPermitted("this node has no gateway account".into()))?;
        let owner = keystore.account(&account);
        let owner = owner.ok_or_else(|| ApiError::NotPermitted(format!("this node has no key of {account}")))?;
        Ok(Order {
            owner: owner.clone(),
            profile: profile.clone(),
            lease_epochs,
            piece_bytes_max: parameters.limits.piece_bytes,
            name: options.name.as_ref().map(|name| name.as_str().to_owned()),
        })
    }

    async fn upload(
        &self,
        body: ByteStream,
        options: SubmitOptions,
        order: Order,
        progress: &watch::Sender<UploadProgress>,
    ) -> Result<Receipt, ApiError> {
        let spooled = self.spool(body, options, &order).await?;
        let file = spooled.manifest.file_id();
        progress.send_modify(|known| known.file_id = Some(file));
        let alone = self.files.lock().entry((order.owner.account(), file)).or_default().clone();
        let result = {
            let _alone = alone.lock().await;
            self.store(&spooled, file, &order, progress).await
        };
        drop(alone);
        self.files.lock().retain(|_, waiting| Arc::strong_count(waiting) > 1);
        let receipt = result?;
        if let Some(name) = order.name {
            let labels = self.parts.labels.clone();
            let added = tokio::task::spawn_blocking(move || labels.add(file, &name)).await;
            added.map_err(ApiError::internal)?.map_err(crate::spool::disk_error)?;
        }
        Ok(receipt)
    }

    async fn spool(&self, body: ByteStream, options: SubmitOptions, order: &Order) -> Result<Spooled, ApiError> {
        let parameters = self.parts.chain.parameters().map_err(of_state)?;
        let traffic = self.parts.traffic.clone();
        let body = body.inspect(move |chunk| traffic.receive(chunk.as_ref().map_or(0, bytes::Bytes::len)));
        let terms = SpoolTerms {
            folder: &self.parts.spool,
            code: order.profile.code,
            piece_bytes_max: order.piece_bytes_max,
            file_bytes_max: parameters.file_bytes_max(&order.profile),
            media_type: options.media_type.unwrap_or_default(),
        };
        spool(body.boxed(), terms).await
    }

    /// Makes the ledger record the file with a lease of this account, if it does not yet.
    async fn store(
        &self,
        spooled: &Spooled,
        file: FileId,
        order: &Order,
        progress: &watch::Sender<UploadProgress>,
    ) -> Result<Receipt, ApiError> {
        let _sending = self.sending.acquire().await.map_err(ApiError::internal)?;
        let chain = &self.parts.chain;
        let state = chain.ledger().state();
        let epoch = state.head().header.epoch;
        let store = if live_file(&state, &file, epoch).map_err(of_state)?.is_some() {
            self.heal(spooled, file).await?;
            let lease = state.read::<Leases>(&(file, order.owner.account())).map_err(of_state)?;
            if let Some(to) = lease.and_then(|lease| live_until(&lease, epoch)) {
                return self.known(&spooled.manifest, file, order, to);
            }
            self.lease(spooled, order)?
        } else {
            self.deal(spooled, order).await?
        };
        let _nonce = store.nonce;
        let call = Call::Storage(StorageCall::Store(store.store));
        let submitter = &self.parts.submitter;
        let hash = submitter.submit(&order.owner, call).await.map_err(of_call)?;
        progress.send_modify(|known| known.tx_hash = Some(hash));
        let landed = submitter.landed(hash).await.map_err(of_call)?;
        self.receipt(&spooled.manifest, file, order, landed)
    }

    /// The receipt of a file that this account pays for already: of the transaction that founded it.
    fn known(
        &self,
        manifest: &FileManifest,
        file: FileId,
        order: &Order,
        lease_until_epoch: Epoch,
    ) -> Result<Receipt, ApiError> {
        let ledger = self.parts.chain.ledger();
        let missing = || ApiError::internal(format!("no transaction founded file {file}"));
        let hash = ledger.store_transaction_of(&file).map_err(of_ledger)?.ok_or_else(missing)?;
        let height = ledger.transaction(&hash).map_err(of_ledger)?.ok_or_else(missing)?.height;
        let block_hash = ledger.header(height).map_err(of_ledger)?.ok_or_else(missing)?.hash();
        let landed = Landed { hash, height, block_hash };
        Ok(receipt(manifest, file, order, landed, lease_until_epoch))
    }

    fn receipt(
        &self,
        manifest: &FileManifest,
        file: FileId,
        order: &Order,
        landed: Landed,
    ) -> Result<Receipt, ApiError> {
        let state = self.parts.chain.ledger().state();
        let lease = state.read::<Leases>(&(file, order.owner.account())).map_err(of_state)?;
        let until = lease.and_then(|lease| lease.tranches.last().map(|tranche| tranche.to));
        let until = until.ok_or_else(|| ApiError::internal(format!("file {file} has no lease though it was paid")))?;
        Ok(receipt(manifest, file, order, landed, until))
    }
}

/// A Store ready to be signed, and the deal nonce it uses, held until it has landed.
struct Ready {
    store: Store,
    nonce: crate::deal_nonces::DealNonce,
}

/// When the lease ends, if it has not yet.
fn live_until(lease: &Lease, epoch: Epoch) -> Option<Epoch> {
    lease.tranches.iter().map(|tranche| tranche.to).max().filter(|to| *to > epoch)
}

fn receipt(manifest: &FileManifest, file: FileId, order: &Order, landed: Landed, lease_until_epoch: Epoch) -> Receipt {
    Receipt {
        file_id: file,
        content_hash: manifest.content_hash,
        size: manifest.size,
        profile: order.profile.name.to_string(),
        tx_hash: landed.hash,
        height: landed.height,
        block_hash: landed.block_hash,
        lease_until_epoch,
    }
}
