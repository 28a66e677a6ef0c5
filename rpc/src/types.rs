//! The JSON of `api.md`: camelCase, amounts as decimal strings, sizes as numbers, bytes as `0x` hex.
//!
//! Objects that clients send refuse fields they do not know.

mod account;
mod call;
mod chain;
mod hex;
mod lease;
mod proof;
mod provider;
mod rendered;
mod storage;
mod system;
mod upload;

pub use account::{AccountInfo, NextIndex, PendingInfo, PrepareQuery, Prepared, Submitted};
pub use call::{CallArgs, CallInfo};
pub use chain::{
    BlockId, BlockInfo, CertificateInfo, CertificateSignature, HeaderInfo, TransactionInfo, TransactionPlace,
    TransactionResult, TransactionStatus,
};
pub use hex::Hex;
pub use lease::{Extended, FileHealth, LeaseOptions, Released, SegmentHealth};
pub use proof::{AgreedInfo, EntryInfo, ProofFieldError, ProofInfo, ProvenValue};
pub use provider::{ProviderInfo, ProviderState, ServiceKeyInfo, ValidatorInfo};
pub use rendered::Rendered;
pub use storage::{
    ByteRange, CodeInfo, CommitmentInfo, FileInfo, FileName, FilesQuery, LeaseInfo, LocateQuery, Located, LocatedPiece,
    LocatedSegment, PieceStatus, Quote, QuoteQuery, Receipt, ResumeKey, RetrievedData, SubmitOptions,
};
pub use system::{Health, Page, PeerInfo, SyncState};
pub use upload::{BeginUpload, BegunUpload, Done, UploadFailure, UploadReceived, UploadStage, UploadStatus};
