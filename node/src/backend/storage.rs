//! Files: where they are, what is known of them, what they cost.

mod answers;
mod health;
mod locate;

pub use answers::Answers;
pub use locate::locate;

use async_trait::async_trait;
use pieces::{ErasureCode, FileId};
use rpc::ApiError;
use rpc::downloads::Reader;
use rpc::ports::{Announced, ByteStream, Retrieved, Storage, Upload};
use rpc::types::{
    ByteRange, CodeInfo, Extended, FileHealth, FileInfo, FilesQuery, LeaseInfo, LocateQuery, Located, Page, Quote,
    QuoteQuery, Released, Rendered, SubmitOptions,
};
use runtime::fees::fee;
use runtime::state::{StateView, decode_value, prefix_end};
use runtime::tables::{File, Leases, Table};
use runtime::terms::lease_price;
use runtime::types::{Parameters, Profile, SignedTransaction, Store};

use super::StorageBackend;
use crate::directory::live_file;
use crate::errors::{of_ledger, of_state};

/// Items of a page unless the client says otherwise.
const PAGE_ITEMS: usize = 100;
/// Leases of a file that are shown; more would be somebody's joke.
const LEASES_SHOWN_MAX: usize = 1_000;

impl StorageBackend {
    pub(super) fn known_file(&self, id: &FileId) -> Result<File, ApiError> {
        let state = self.chain.ledger().state();
        let epoch = state.head().header.epoch;
        let file = live_file(&state, id, epoch).map_err(of_state)?;
        file.ok_or_else(|| ApiError::NotFound(format!("there is no file 0x{id}")))
    }

    fn info(&self, id: FileId, file: File) -> Result<FileInfo, ApiError> {
        let media_type = Some(file.media_type.as_str()).filter(|text| !text.is_empty());
        Ok(FileInfo {
            file_id: id,
            content_hash: file.content_hash,
            size: file.size,
            media_type: media_type.and_then(|text| text.parse().ok()),
            code: file.code.into(),
            segments: file.segments.into(),
            height: file.stored_height,
            leases: self.leases(&id)?,
            names: self.labels.of(&id),
        })
    }

    fn leases(&self, id: &FileId) -> Result<Vec<LeaseInfo>, ApiError> {
        let state = self.chain.ledger().state();
        let prefix = [&[Leases::TAG], id.as_ref()].concat();
        let (mut from, until) = (prefix.clone(), prefix_end(&prefix));
        let mut leases = Vec::new();
        while leases.len() < LEASES_SHOWN_MAX {
            let Some(key) = state.next_key(&from, &until).map_err(of_state)? else { break };
            let payer = key.get(prefix.len()..).and_then(|bytes| bytes.try_into().ok());
            let payer = payer.map(runtime::crypto::AccountId::from_bytes);
            let value = state.get(&key).map_err(of_state)?;
            if let (Some(payer), Some(value)) = (payer, value) {
                let lease = decode_value::<Leases>(&value).map_err(of_state)?;
                let tranches = lease.tranches.iter();
                leases.extend(tranches.map(|tranche| LeaseInfo { payer, from: tranche.from, to: tranche.to }));
            }
            from = key;
            from.push(0);
        }
        Ok(leases)
    }

    fn profile<'a>(parameters: &'a Parameters, name: Option<&str>) -> Result<&'a Profile, ApiError> {
        let missing = || ApiError::BadParams(format!("the chain has no profile {}", name.unwrap_or("at all")));
        parameters.profile(name).ok_or_else(missing)
    }
}

#[async_trait]
impl Storage for StorageBackend {
    async fn submit(&self, body: ByteStream, options: SubmitOptions, announced: Announced) -> Result<Upload, ApiError> {
        self.gateway.submit(body, options, announced).await
    }

    async fn locate(&self, file: FileId, query: LocateQuery) -> Result<Rendered<Located>, ApiError> {
        self.located(file, query)
    }

    async fn retrieve(&self, file: FileId, range: Option<ByteRange>, reader: Reader) -> Result<Retrieved, ApiError> {
        self.fetch.retrieve(file, range, reader).await
    }

    fn read_bytes_max(&self, code: CodeInfo) -> u64 {
        dsn::read_bytes_max(&ErasureCode::new(code.k, code.n, code.unit))
    }

    async fn file(&self, file: FileId) -> Result<FileInfo, ApiError> {
        self.info(file, self.known_file(&file)?)
    }

    async fn files(&self, query: FilesQuery) -> Result<Page<FileInfo>, ApiError> {
        let ledger = self.chain.ledger();
        let cursor: Option<FileId> = match &query.cursor {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| ApiError::BadParams(format!("cursor: {text} is not one")))?),
        };
        let limit = query.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_ITEMS);
        let page = match (&query.content_hash, query.owner.or_else(|| self.gateway.account())) {
            (Some(content), _) => ledger.files_by_content(content, cursor.as_ref(), limit).map_err(of_ledger)?,
            (None, Some(owner)) => ledger.files_by_owner(&owner, cursor.as_ref(), limit).map_err(of_ledger)?,
            (None, None) => return Ok(Page { items: Vec::new(), cursor: None }),
        };
        let state = ledger.state();
        let epoch = state.head().header.epoch;
        let mut items = Vec::with_capacity(page.items.len());
        for id in page.items {
            let Some(file) = live_file(&state, &id, epoch).map_err(of_state)? else { continue };
            let info = self.info(id, file)?;
            // With both given, a file must be of the owner and claim the content.
            if query.content_hash.is_none() || query.owner.is_none_or(|owner| pays(&info, owner)) {
                items.push(info);
            }
        }
        Ok(Page { items, cursor: page.cursor.map(|id| format!("0x{id}")) })
    }

    async fn quote(&self, query: QuoteQuery) -> Result<Quote, ApiError> {
        let parameters = self.chain.parameters().map_err(of_state)?;
        let profile = Self::profile(&parameters, query.profile.as_deref())?;
        let limit = parameters.file_bytes_max(profile);
        if query.size > limit {
            return Err(ApiError::TooLarge { what: "the file", limit });
        }
        let epochs = query.lease_epochs.unwrap_or(parameters.prices.default_lease_epochs);
        let longest = parameters.prices.max_lease_epochs;
        if !(1..=longest).contains(&epochs) {
            return Err(ApiError::BadParams(format!("leaseEpochs: a lease has 1 to {longest} epochs")));
        }
        let (code, piece_bytes_max) = (profile.code, parameters.limits.piece_bytes);
        let price = lease_price(&parameters.prices, &code, query.size, piece_bytes_max, epochs);
        let price = price.ok_or_else(|| ApiError::BadParams("the lease's price does not fit".into()))?;
        let (bytes, signatures) = store_size(&code, query.size, piece_bytes_max);
        // Entries under a lease hold no deposit: the lease pays for them.
        Ok(Quote { price, deposit: 0, fee: fee(&parameters.fees, bytes, signatures) })
    }

    async fn extend(&self, file: FileId, lease_epochs: u32) -> Result<Extended, ApiError> {
        self.extended(file, lease_epochs).await
    }

    async fn release(&self, file: FileId) -> Result<Released, ApiError> {
        self.released(file).await
    }

    async fn health(&self, file: FileId) -> Result<FileHealth, ApiError> {
        self.health_of(file)
    }

    async fn file_bytes_max(&self, profile: Option<&str>) -> Result<u64, ApiError> {
        let parameters = self.chain.parameters().map_err(of_state)?;
        Ok(parameters.file_bytes_max(Self::profile(&parameters, profile)?))
    }
}

fn pays(info: &FileInfo, owner: runtime::crypto::AccountId) -> bool {
    info.leases.iter().any(|lease| lease.payer == owner)
}

/// Encoded bytes of a file's Store, a few more at most, and the signatures checked for it.
fn store_size(code: &pieces::ErasureCode, size: u64, piece_bytes_max: u32) -> (u32, u32) {
    let segments = code.segment_count(size, piece_bytes_max);
    let pieces = segments.saturating_mul(u64::from(code.n));
    // A holder is a slot and a signature, a piece its hash; a segment has its length and two counts.
    let holder_bytes = u64::try_from(std::mem::size_of::<u8>() + runtime::crypto::Signature::LENGTH).unwrap_or(0);
    let piece_bytes = holder_bytes + u64::try_from(pieces::PieceHash::LENGTH).unwrap_or(0);
    let fixed = 512;
    let bytes = fixed + pieces.saturating_mul(piece_bytes) + segments.saturating_mul(12);
    (u32::try_from(bytes).unwrap_or(u32::MAX), u32::try_from(pieces.saturating_add(2)).unwrap_or(u32::MAX))
}

/// The Store call of a transaction, if it is one.
pub fn store_of(transaction: &SignedTransaction) -> Option<&Store> {
    use runtime::types::{Call, StorageCall};
    match transaction.transaction.call() {
        Call::Storage(StorageCall::Store(store)) => Some(store),
        _ => None,
    }
}
