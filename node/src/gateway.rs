//! Files in: stream -> spool -> intent -> place -> put -> Store -> final.
//!
//! ```text
//! body -> spool -> segments, each as soon as it is here: intent, placement, n puts
//!           whole -> content hash: does the ledger have a file with it?
//!   perhaps: encode -> FileId alive?  put missing pieces back; add a lease unless this account has one
//!   no:      the last segments, Store with all commitments
//! -> final block -> receipt
//! ```
//!
//! A body is spooled whole: its columns can be coded again for other providers, and a new deal can follow one whose time
//! is up, without the client.

mod deal;
mod giving_back;
mod heal;
mod journal;
mod kept;
mod port;
mod receive;
mod upload;
mod uploads;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::SystemTime;

use futures::future::try_join;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use pieces::{ContentHash, MediaType};
use rpc::ApiError;
use rpc::ports::{Announced, ByteStream, Upload};
use rpc::types::{SubmitOptions, UploadStatus};
use runtime::crypto::{AccountId, KeyPair};
use runtime::types::Profile;
use tokio::sync::{Semaphore, watch};

use crate::chain::Chain;
use crate::deal_nonces::DealNonces;
use crate::errors::of_state;
use crate::keystore::Keystore;
use crate::labels::Labels;
use crate::metrics::UploadMetrics;
use crate::spool::Body;
use crate::submitter::Submitter;
use crate::traffic::Traffic;
pub use giving_back::LocalStores;
use giving_back::is_full;
use receive::receive;
use upload::Job;
use uploads::Uploads;

/// Uploads that are stored at once; others are told to come again. An upload takes its place when its body is here, so
/// that slow clients keep nobody out.
const UPLOADS_MAX: usize = 256;
/// Segments that are sent at once: enough to keep disks and processors busy.
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
    /// The providers of this node.
    pub local: LocalStores,
    /// Counters of uploads.
    pub metrics: UploadMetrics,
    /// Folder of bodies that are gone with the process.
    pub spool: PathBuf,
    /// Folder of uploads that survive a crash.
    pub uploads: PathBuf,
}

struct Inner {
    parts: GatewayParts,
    nonces: DealNonces,
    slots: Arc<Semaphore>,
    sending: Semaphore,
    /// One upload of the same bytes by an account is recorded at a time: the second finds the first one's lease.
    turns: Mutex<HashMap<(AccountId, ContentHash), Turn>>,
    uploads: Uploads,
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
    file_bytes_max: u64,
    media_type: MediaType,
    name: Option<String>,
}

impl Gateway {
    /// A gateway that goes on with the uploads whose bytes were all here before the node stopped.
    pub fn start(parts: GatewayParts) -> anyhow::Result<Self> {
        let inner = Arc::new(Inner {
            parts,
            nonces: DealNonces::default(),
            slots: Arc::new(Semaphore::new(UPLOADS_MAX)),
            sending: Semaphore::new(SENDING_MAX),
            turns: Mutex::default(),
            uploads: Uploads::default(),
        });
        inner.recover()?;
        Ok(Self { inner })
    }

    /// The account that pays when a client names none.
    pub fn account(&self) -> Option<AccountId> {
        self.inner.parts.keystore.gateway_account()
    }

    /// Takes a body and stores it; the work goes on by itself.
    pub async fn submit(
        &self,
        body: ByteStream,
        options: SubmitOptions,
        announced: Announced,
    ) -> Result<Upload, ApiError> {
        let inner = self.inner.clone();
        let traffic = inner.parts.traffic.clone();
        let body = body.inspect(move |chunk| traffic.receive(chunk.as_ref().map_or(0, bytes::Bytes::len))).boxed();
        if options.resume_key.is_some() {
            return inner.submit_kept(body, options, announced).await;
        }
        if announced.offset > 0 {
            return Err(ApiError::BadParams(
                "resumeKey: nothing is here that the rest of a file could go behind".into(),
            ));
        }
        let size = announced.size;
        let order = inner.order(&options)?;
        inner.check_announced(&inner.parts.spool, &order.profile.code, size)?;
        let id = new_id()?;
        let status = watch::Sender::new(UploadStatus { upload_id: id.clone(), ..UploadStatus::default() });
        let progress = status.subscribe();
        let job = Job {
            order,
            size,
            body: Body::passing(&inner.parts.spool),
            status: status.clone(),
            journal: None,
            deals: AtomicU32::new(0),
        };
        let task = tokio::spawn({
            let inner = inner.clone();
            async move {
                let counted = inner.parts.metrics.begin(job.status.subscribe());
                let mut deal = None;
                let stored = try_join(inner.run(&job, &mut deal), receive(body, &job, &inner.slots));
                let stored = counted.until(stored).await;
                if stored.as_ref().is_err_and(is_full) {
                    inner.give_back(&job, &mut deal).await;
                }
                inner.uploads.ended(&job.status, stored.map(|(receipt, _slot)| receipt))
            }
        });
        inner.uploads.began(&id, &status, task.abort_handle());
        let receipt = async move { task.await.map_err(|_| uploads::cancelled())? };
        Ok(Upload { id, progress, receipt: receipt.boxed() })
    }
}

/// A name that sorts behind those of uploads that began before, and that nobody guesses.
fn new_id() -> Result<String, ApiError> {
    /// Two in one millisecond are told apart.
    static LAST_MS: AtomicU64 = AtomicU64::new(0);
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| ApiError::internal(error.to_string()))?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
    let behind = |last: u64| Some(now_ms.max(last.saturating_add(1)));
    let last_ms = LAST_MS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, behind).unwrap_or(now_ms);
    let began_ms = now_ms.max(last_ms.saturating_add(1)).to_be_bytes();
    // The first two of eight bytes are zero for some thousand years.
    for (byte, of_time) in id.iter_mut().zip(began_ms.iter().skip(2)) {
        *byte = *of_time;
    }
    Ok(hex::encode(id))
}

/// Whether a text could be the name of an upload.
fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Inner {
    fn order(&self, options: &SubmitOptions) -> Result<Order, ApiError> {
        let parameters = self.parts.chain.parameters().map_err(of_state)?;
        let name = options.profile.as_deref();
        let profile = parameters
            .profile(name)
            .ok_or_else(|| ApiError::BadParams(format!("the chain has no profile {:?}", name.unwrap_or("at all"))))?;
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
            file_bytes_max: parameters.file_bytes_max(profile),
            media_type: options.media_type.clone().unwrap_or_default(),
            name: options.name.as_ref().map(|name| name.as_str().to_owned()),
        })
    }

    fn turn(&self, owner: AccountId, content: ContentHash) -> Turn {
        self.turns.lock().entry((owner, content)).or_default().clone()
    }

    /// Forgets turns that nobody waits for.
    fn turn_is_over(&self, turn: Turn) {
        drop(turn);
        self.turns.lock().retain(|_, waiting| Arc::strong_count(waiting) > 1);
    }
}
