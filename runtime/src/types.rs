//! What the chain talks about: accounts, headers, transactions, intents, commitments, certificates.
//!
//! Every type here has one SCALE encoding, frozen by a golden file in `tests/golden`.

mod block;
mod call;
mod certificate;
mod commitment;
mod hashes;
mod intent;
mod parameters;
mod text;
mod transaction;
mod validator_set;

pub use block::{Block, Header};
pub use call::{
    AccountsCall, Call, ExtendLease, Holder, ProvidersCall, RegisterProvider, ReleaseLease, StorageCall, Store,
    TransferCall, UpdateProvider,
};
pub use certificate::{CertificateError, CommitCertificate, CommitSignature, Vote, VoteKind, consensus_message};
pub use commitment::StorageCommitment;
pub(crate) use hashes::derive;
pub use hashes::{BeaconValue, BlockHash, DealId, IntentHash, StateRoot, TxHash, ValidatorsHash, list_root};
pub use intent::{SignedIntent, UploadIntent};
pub use parameters::amount_text;
pub use parameters::{
    AuditParameters, FeeParameters, LimitParameters, Parameters, PlacementParameters, PriceParameters, Profile,
    RepairParameters, RulesVersion, StakingParameters, TimeParameters,
};
pub use text::{Text, TextError};
pub(crate) use transaction::verify_account;
pub use transaction::{SignedTransaction, Transaction, account_payload, account_payload_wrapped};
pub use validator_set::{ValidatorEntry, ValidatorSet};

/// An amount of the smallest unit of the token.
pub type Balance = u128;
/// A block's height; genesis is 0.
pub type Height = u64;
/// An epoch's number; genesis starts epoch 0.
pub type Epoch = u32;
