//! A provider's promise: "I hold this piece of this deal until that epoch".

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pieces::{Hash, PieceHash};

use super::{BlockHash, DealId, Epoch};
use crate::crypto::{
    AccountId, BadSignature, CryptoRng, KeyPair, PublicKey, Purpose, RngCore, Signature, SignedMessage,
};

/// Signed by a provider's service key once the piece is on disk, and counted for its cause alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct StorageCommitment {
    /// Version of this layout; 1.
    pub version: u8,
    /// The chain it is for.
    pub genesis: BlockHash,
    /// Hash of the intent, or of the repair claim, that the piece was taken for.
    pub cause: Hash,
    /// The deal whose placement named the provider.
    pub deal: DealId,
    /// Segment of the file, from 0.
    pub segment: u16,
    /// Piece of the segment, from 0.
    pub index: u8,
    /// BLAKE3 of the piece as written.
    pub piece_hash: PieceHash,
    /// Length of the piece.
    pub piece_bytes: u32,
    /// Held until this epoch begins.
    pub until_epoch: Epoch,
    /// Void unless recorded at this block time at the latest.
    pub store_by_ms: u64,
    /// Who holds it.
    pub provider: AccountId,
}

impl StorageCommitment {
    /// The one version of the layout there is.
    pub const VERSION: u8 = 1;

    /// Signs it with a service key.
    pub fn sign(&self, service: &KeyPair, rng: impl RngCore + CryptoRng) -> Signature {
        service.sign(Purpose::Commitment, &self.encode(), rng)
    }

    /// Checks `signature` under a service key.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn verify(&self, service: &PublicKey, signature: &Signature) -> Result<(), BadSignature> {
        service.verify(Purpose::Commitment, &self.encode(), signature)
    }

    /// The signature as one of a batch.
    #[must_use]
    pub fn signed_message(&self, service: PublicKey, signature: Signature) -> SignedMessage {
        SignedMessage { key: service, purpose: Purpose::Commitment, message: self.encode(), signature }
    }
}
