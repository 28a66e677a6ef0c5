//! What the storage network asks the ledger before it takes a piece.

use crate::protocol::put::PutOpen;
use crate::store::UnrecordedQuota;
use dsn_messages::Refusal;
use pieces::PieceHash;
use runtime::crypto::Signature;
use runtime::types::{DealId, Epoch, StorageCommitment};

/// Decides which pieces this provider takes, and signs for them. Implemented over the ledger.
///
/// Both methods may block; they are called on blocking threads.
pub trait Admission: Send + Sync + 'static {
    /// Whether to take this piece, and what for. Cheapest checks first: anybody may ask.
    ///
    /// # Errors
    /// The [`Refusal`] that is sent to the peer.
    fn admit(&self, open: &PutOpen) -> Result<Admitted, Refusal>;

    /// Signs a commitment with the provider's service key. Called only once the piece is synced to disk.
    fn sign(&self, commitment: &StorageCommitment) -> Signature;
}

/// A piece that will be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The deal it belongs to: with segment and index its key in the store.
    pub deal: DealId,
    /// What is answered once it is on disk.
    pub kind: AdmittedKind,
    /// How much may lie here that no block records yet, if it counts among that.
    pub quota: Option<UnrecordedQuota>,
}

/// What is answered for a piece that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmittedKind {
    /// A new piece: this commitment, with hash and length of what was written filled in, and signed.
    Commit(StorageCommitment),
    /// A piece that the ledger already records here: stored again, nothing is signed.
    Restore {
        /// The recorded hash; other bytes are refused.
        piece_hash: PieceHash,
        /// The epoch until which the ledger says it is held.
        until_epoch: Epoch,
    },
}
