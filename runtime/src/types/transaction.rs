//! Transactions: what accounts ask the chain to do, and what they sign for it.

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};

use super::hashes::derive;
use super::{Balance, BlockHash, Call, TxHash};
use crate::crypto::{AccountId, BadSignature, CryptoRng, KeyPair, Purpose, RngCore, Signature, SignedMessage};

const TAG: &[u8] = b"piecewise/transaction/v1";

/// A call and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum Transaction {
    /// Pays a fee and uses a nonce.
    #[codec(index = 0)]
    Signed {
        /// Version of this layout; 1.
        version: u8,
        /// Who pays and signs.
        signer: AccountId,
        /// The account's next nonce.
        nonce: u64,
        /// Paid to the proposer on top of the fee.
        tip: Balance,
        /// Not valid in a block whose time is later; 0 = never expires.
        expires_at_ms: u64,
        /// What to do.
        call: Call,
    },
    /// Answers to open challenges, evidence and repairs' ends: no nonce and no fee.
    #[codec(index = 1)]
    Free {
        /// Version of this layout; 1.
        version: u8,
        /// Who signs.
        signer: AccountId,
        /// What to do.
        call: Call,
    },
}

impl Transaction {
    /// The one version of the layout there is.
    pub const VERSION: u8 = 1;

    /// Who signs.
    #[must_use]
    pub const fn signer(&self) -> AccountId {
        match self {
            Self::Signed { signer, .. } | Self::Free { signer, .. } => *signer,
        }
    }

    /// What to do.
    #[must_use]
    pub const fn call(&self) -> &Call {
        match self {
            Self::Signed { call, .. } | Self::Free { call, .. } => call,
        }
    }

    /// The nonce, of a signed one.
    #[must_use]
    pub const fn nonce(&self) -> Option<u64> {
        match self {
            Self::Signed { nonce, .. } => Some(*nonce),
            Self::Free { .. } => None,
        }
    }

    /// The layout's version as sent.
    #[must_use]
    pub const fn version(&self) -> u8 {
        match self {
            Self::Signed { version, .. } | Self::Free { version, .. } => *version,
        }
    }

    /// The transaction's name: the same however often it is signed.
    #[must_use]
    pub fn hash(&self) -> TxHash {
        TxHash::from_bytes(derive("piecewise transaction hash v1", &[&self.encode()]))
    }

    /// What the account signs: `tag ‖ genesis ‖ SCALE(transaction)`.
    #[must_use]
    pub fn payload(&self, genesis: &BlockHash) -> Vec<u8> {
        account_payload(TAG, genesis, &self.encode())
    }

    /// Signs it.
    #[must_use]
    pub fn sign(self, genesis: &BlockHash, pair: &KeyPair, rng: impl RngCore + CryptoRng) -> SignedTransaction {
        let signature = pair.sign(Purpose::Account, &self.payload(genesis), rng);
        SignedTransaction { transaction: self, signature }
    }
}

/// A transaction with its signature beside it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct SignedTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// By the signer, over the plain or the wrapped payload.
    pub signature: Signature,
}

impl SignedTransaction {
    /// The transaction's hash; the signature is not part of it.
    #[must_use]
    pub fn hash(&self) -> TxHash {
        self.transaction.hash()
    }

    /// Checks the signature, over the plain payload first, then as browser wallets wrap it.
    ///
    /// # Errors
    /// [`BadSignature`] if neither holds.
    pub fn verify(&self, genesis: &BlockHash) -> Result<(), BadSignature> {
        verify_account(&self.transaction.signer(), self.transaction.payload(genesis), &self.signature)
    }

    /// The signature as one of a batch, over the plain payload.
    #[must_use]
    pub fn signed_message(&self, genesis: &BlockHash) -> SignedMessage {
        SignedMessage {
            key: self.transaction.signer().public_key(),
            purpose: Purpose::Account,
            message: self.transaction.payload(genesis),
            signature: self.signature,
        }
    }
}

/// `tag ‖ genesis ‖ body`: everything an account signs has this shape.
#[must_use]
pub fn account_payload(tag: &[u8], genesis: &BlockHash, body: &[u8]) -> Vec<u8> {
    [tag, genesis.as_ref(), body].concat()
}

/// The payload as browser wallets sign raw bytes: `<Bytes>payload</Bytes>`.
#[must_use]
pub fn account_payload_wrapped(payload: &[u8]) -> Vec<u8> {
    [b"<Bytes>".as_slice(), payload, b"</Bytes>"].concat()
}

/// Checks an account's signature over a payload, plain or wrapped.
pub(crate) fn verify_account(account: &AccountId, payload: Vec<u8>, signature: &Signature) -> Result<(), BadSignature> {
    let key = account.public_key();
    key.verify(Purpose::Account, &payload, signature)
        .or_else(|_| key.verify(Purpose::Account, &account_payload_wrapped(&payload), signature))
}
