//! What a client is told when something cannot be done: one enum, one table of codes, one sentence each.

use jsonrpsee::types::ErrorObjectOwned;
use pieces::FileId;
use runtime::rule::Rule;
use runtime::types::TxHash;
use serde_json::{Value, json};
use thiserror::Error;

use crate::types::UploadFailure;

/// The numbers of `api.md`.
pub mod codes {
    /// A parameter is missing, unknown, or not what it should be.
    pub const BAD_PARAMS: i32 = -32602;
    /// Details are in the node's log only.
    pub const INTERNAL: i32 = -32603;
    /// No such thing.
    pub const NOT_FOUND: i32 = 1001;
    /// Too few pieces of a segment are live.
    pub const NOT_ENOUGH_PIECES: i32 = 1002;
    /// The ledger's rules refuse it.
    pub const REJECTED: i32 = 1003;
    /// Larger than a limit.
    pub const TOO_LARGE: i32 = 1004;
    /// No room, or a quota is reached.
    pub const FULL: i32 = 1005;
    /// Not for this client or this node.
    pub const NOT_PERMITTED: i32 = 1006;
    /// Later it may work.
    pub const TRY_AGAIN: i32 = 1007;
    /// The bytes are not those of the hash.
    pub const CONTENT_MISMATCH: i32 = 1008;
}

/// Whatever went wrong inside; logged, never shown.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a client does not get what it asked for. The text is one sentence that names the thing.
#[derive(Debug, Error)]
pub enum ApiError {
    /// -32602: a parameter is missing, unknown, or not what it should be; the text names it.
    #[error("{0}")]
    BadParams(String),
    /// 1001: the text names what there is none of.
    #[error("{0}")]
    NotFound(String),
    /// 1002: too few pieces of a segment are live.
    #[error("segment {segment} has {live} live pieces, {needed} are needed")]
    NotEnoughPieces {
        /// The segment, from 0.
        segment: u32,
        /// Pieces that could be read.
        live: u32,
        /// Pieces that are enough.
        needed: u32,
    },
    /// 1003: the ledger's rules refuse it.
    #[error("the ledger refuses it: {rule}")]
    Rejected {
        /// The rule.
        rule: Rule,
    },
    /// 1003: a transaction of the same account with the same nonce waits for a block. Not a rule of the ledger, which
    /// knows no pool; the same transaction with the next nonce would be another one.
    #[error("transaction 0x{waiting} of this account waits with this nonce already")]
    NoncePending {
        /// The one that waits.
        waiting: TxHash,
    },
    /// 1004: larger than a limit.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large, with its article: "the file".
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
    /// 1005: no room, or a quota is reached; the text says whose.
    #[error("{0}")]
    Full(String),
    /// 1006: not for this client or this node.
    #[error("{0}")]
    NotPermitted(String),
    /// 1007: later it may work.
    #[error(transparent)]
    TryAgain(#[from] TryAgain),
    /// 1008: the bytes are not those of the hash.
    #[error("the content of file 0x{file} does not match its hash")]
    ContentMismatch {
        /// The file.
        file: FileId,
    },
    /// Any of them: what an upload ended with before this client asked.
    #[error("{}", .0.message)]
    Upload(UploadFailure),
    /// -32603: details go to the log, with a number that the client is told.
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// Why a later attempt may work.
#[derive(Debug, Error)]
pub enum TryAgain {
    /// Too much at once.
    #[error("the node is overloaded: {0}")]
    Overloaded(&'static str),
    /// The node is behind the chain.
    #[error("the node is syncing")]
    Syncing,
    /// The node is about to end.
    #[error("the node is stopping")]
    Stopping,
    /// The node is alone.
    #[error("the node has no peers")]
    NoPeers,
    /// A provider does not answer.
    #[error("provider {provider} is unavailable")]
    ProviderUnavailable {
        /// Its address, or how it was addressed.
        provider: String,
    },
    /// Pieces found no provider.
    #[error("no provider takes {}", missing_pieces(*segment, pieces, providers))]
    NoProvider {
        /// Segment of the file, from 0.
        segment: u32,
        /// Pieces of the segment that nobody took.
        pieces: Vec<u8>,
        /// Who was asked and why not, in words.
        providers: Vec<(String, String)>,
    },
    /// The upload goes on, but its block was not final in time.
    #[error("upload {upload_id} is not final yet")]
    Unfinished {
        /// Names the upload.
        upload_id: String,
        /// The file, once its pieces are known.
        file_id: Option<FileId>,
        /// The transaction that records it, once there is one.
        tx_hash: Option<TxHash>,
    },
}

fn missing_pieces(segment: u32, pieces: &[u8], providers: &[(String, String)]) -> String {
    let pieces: Vec<_> = pieces.iter().map(ToString::to_string).collect();
    let asked: Vec<_> = providers.iter().map(|(provider, reason)| format!("{provider}: {reason}")).collect();
    format!("piece {} of segment {segment} ({})", pieces.join(", "), asked.join("; "))
}

impl TryAgain {
    fn data(&self) -> Value {
        match self {
            Self::Overloaded(what) => json!({ "reason": "overloaded", "what": what }),
            Self::Syncing => json!({ "reason": "syncing" }),
            Self::Stopping => json!({ "reason": "stopping" }),
            Self::NoPeers => json!({ "reason": "noPeers" }),
            Self::ProviderUnavailable { provider } => json!({ "reason": "providerUnavailable", "provider": provider }),
            Self::NoProvider { segment, pieces, providers } => {
                let asked =
                    providers.iter().map(|(provider, reason)| json!({ "provider": provider, "reason": reason }));
                let asked: Vec<_> = asked.collect();
                json!({ "reason": "noProvider", "segment": segment, "pieces": pieces, "providers": asked })
            }
            Self::Unfinished { upload_id, file_id, tx_hash } => {
                let mut data = json!({ "reason": "unfinished", "uploadId": upload_id });
                if let (Some(fields), Some(file)) = (data.as_object_mut(), file_id) {
                    fields.insert("fileId".into(), json!(file));
                }
                if let (Some(fields), Some(hash)) = (data.as_object_mut(), tx_hash) {
                    fields.insert("txHash".into(), json!(hash));
                }
                data
            }
        }
    }
}

impl ApiError {
    /// An error of the node itself; the client sees none of it.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// The number in `api.md`.
    #[must_use]
    pub const fn code(&self) -> i32 {
        match self {
            Self::BadParams(_) => codes::BAD_PARAMS,
            Self::NotFound(_) => codes::NOT_FOUND,
            Self::NotEnoughPieces { .. } => codes::NOT_ENOUGH_PIECES,
            Self::Rejected { .. } | Self::NoncePending { .. } => codes::REJECTED,
            Self::TooLarge { .. } => codes::TOO_LARGE,
            Self::Full(_) => codes::FULL,
            Self::NotPermitted(_) => codes::NOT_PERMITTED,
            Self::TryAgain(_) => codes::TRY_AGAIN,
            Self::ContentMismatch { .. } => codes::CONTENT_MISMATCH,
            Self::Upload(failure) => failure.code,
            Self::Internal(_) => codes::INTERNAL,
        }
    }

    /// `data` beside code and message, where it helps.
    fn data(&self) -> Option<Value> {
        match self {
            Self::NotEnoughPieces { segment, live, needed } => {
                Some(json!({ "segment": segment, "live": live, "needed": needed }))
            }
            Self::Rejected { rule } => Some(json!({ "rule": rule.name() })),
            Self::NoncePending { waiting } => Some(json!({ "rule": "noncePending", "txHash": waiting })),
            Self::TooLarge { limit, .. } => Some(json!({ "limit": limit })),
            Self::TryAgain(reason) => Some(reason.data()),
            Self::ContentMismatch { file } => Some(json!({ "fileId": file })),
            Self::Upload(failure) => failure.data.clone(),
            Self::BadParams(_) | Self::NotFound(_) | Self::Full(_) | Self::NotPermitted(_) | Self::Internal(_) => None,
        }
    }

    /// The error as the client sees it. An internal one is logged here, once, under the number that the client gets.
    #[must_use]
    pub fn into_object(self) -> ErrorObjectOwned {
        let code = self.code();
        let message = self.to_string();
        let data = match self {
            Self::Internal(cause) => Some(json!({ "logId": log_internal(&*cause) })),
            other => other.data(),
        };
        ErrorObjectOwned::owned(code, message, data)
    }
}

impl From<ApiError> for UploadFailure {
    fn from(error: ApiError) -> Self {
        let object = error.into_object();
        let data = object.data().and_then(|data| serde_json::from_str(data.get()).ok());
        Self { code: object.code(), message: object.message().to_owned(), data }
    }
}

impl From<ApiError> for ErrorObjectOwned {
    fn from(error: ApiError) -> Self {
        error.into_object()
    }
}

/// Logs the whole chain of causes and returns the number under which it is found.
fn log_internal(cause: &(dyn std::error::Error + Send + Sync)) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // The process id keeps numbers of one log apart after a restart.
    let id = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut chain = cause.to_string();
    let mut source = cause.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!(log_id = %id, cause = %chain, "internal error in an rpc call");
    id
}
