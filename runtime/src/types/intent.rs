//! Upload intents: what an account promises to pay for before anything is sent.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pieces::ErasureCode;

use super::hashes::derive;
use super::transaction::verify_account;
use super::{Balance, BlockHash, DealId, Epoch, IntentHash, account_payload};
use crate::crypto::{AccountId, BadSignature, CryptoRng, KeyPair, Purpose, RngCore, Signature};

const TAG: &[u8] = b"piecewise/intent/v1";

/// One upload by one account: which code, how much, for how long, at what price at most.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct UploadIntent {
    /// Version of this layout; 1.
    pub version: u8,
    /// The chain it is for.
    pub genesis: BlockHash,
    /// Who pays.
    pub owner: AccountId,
    /// Within 128 of the account's `deal_high`, used once.
    pub deal_nonce: u64,
    /// How the file is coded.
    pub code: ErasureCode,
    /// The epoch whose snapshot the pieces are placed by.
    pub snapshot_epoch: Epoch,
    /// The file is not larger.
    pub max_bytes: u64,
    /// Epochs paid in advance.
    pub lease_epochs: u32,
    /// The lease does not cost more.
    pub max_price: Balance,
    /// A Store lands at this block time at the latest.
    pub store_by_ms: u64,
}

impl UploadIntent {
    /// The one version of the layout there is.
    pub const VERSION: u8 = 1;

    /// The cause that commitments under this intent name.
    #[must_use]
    pub fn hash(&self) -> IntentHash {
        IntentHash::from_bytes(derive("piecewise intent hash v1", &[&self.encode()]))
    }

    /// `derive-key("piecewise deal id v1", genesis, owner, deal_nonce)`.
    #[must_use]
    pub fn deal(&self) -> DealId {
        let fields = (self.genesis, self.owner, self.deal_nonce).encode();
        DealId::from_bytes(derive("piecewise deal id v1", &[&fields]))
    }

    /// What the owner signs: `tag ‖ genesis ‖ SCALE(intent)`.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        account_payload(TAG, &self.genesis, &self.encode())
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, pair: &KeyPair, rng: impl RngCore + CryptoRng) -> SignedIntent {
        let signature = pair.sign(Purpose::Account, &self.payload(), rng);
        SignedIntent { intent: self, signature }
    }
}

/// An intent with its owner's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct SignedIntent {
    /// What was signed.
    pub intent: UploadIntent,
    /// By the owner, over the plain or the wrapped payload.
    pub signature: Signature,
}

impl SignedIntent {
    /// Checks the signature.
    ///
    /// # Errors
    /// [`BadSignature`] if it holds over neither the plain nor the wrapped payload.
    pub fn verify(&self) -> Result<(), BadSignature> {
        verify_account(&self.intent.owner, self.intent.payload(), &self.signature)
    }
}
