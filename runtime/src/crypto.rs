//! Keys and signatures: sr25519 for accounts, services and votes; ed25519 for peer keys; the VRF of the beacon.
//!
//! This is the only file that knows schnorrkel and ed25519-dalek. A signature says what it is for: every kind of
//! message has its own [`Purpose`], and there is no way to sign bytes without naming one. Signing takes the caller's
//! randomness; nothing here draws any.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
pub use schnorrkel::context::attach_rng;
use schnorrkel::derive::{ChainCode, Derivation};
use schnorrkel::vrf::{VRFPreOut, VRFProof};
use schnorrkel::{ExpansionMode, MiniSecretKey};
use thiserror::Error;

use crate::types::BlockHash;

pub mod derive;
pub mod ss58;

/// Randomness for signing, as schnorrkel takes it. Callers bring it: the operating system's in a node, a seeded one in
/// a test.
pub use rand_core::{CryptoRng, RngCore};

/// What a signature is for; each purpose signs under a context of its own, so no signature can be used as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Transactions and upload intents, by accounts. The context is Substrate's, so that wallets can sign.
    Account,
    /// Storage commitments, by a provider's service key.
    Commitment,
    /// Votes, proposals and proposal parts, by consensus keys.
    Consensus,
    /// A validator's proof that a peer id speaks for it.
    ProofOfValidator,
}

impl Purpose {
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Account => b"substrate",
            Self::Commitment => b"piecewise/commitment/v1",
            Self::Consensus => b"piecewise/consensus/v1",
            Self::ProofOfValidator => b"piecewise/pov/v1",
        }
    }

    fn transcript(self, message: &[u8]) -> merlin::Transcript {
        schnorrkel::signing_context(self.context()).bytes(message)
    }
}

/// Context of the beacon's verifiable random function.
const VRF_CONTEXT: &[u8] = b"piecewise/vrf/v1";

/// An sr25519 public key that is not an account: a service key or a consensus key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct PublicKey([u8; 32]);

/// An account: an sr25519 public key, shown as SS58 with prefix 42.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct AccountId([u8; 32]);

/// A peer's ed25519 public key; libp2p's peer id is made from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct PeerKey([u8; 32]);

/// An sr25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct Signature([u8; 64]);

/// An ed25519 signature by a peer key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct PeerSignature([u8; 64]);

/// `pre_output[32] ‖ proof[64]` of the beacon's verifiable random function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen)]
pub struct VrfOutput([u8; 96]);

/// Bytes in, bytes out, hex display: what all fixed-size key material has in common.
macro_rules! byte_newtype {
    ($($name:ident: $length:literal),*) => {$(
        impl $name {
            /// Length in bytes.
            pub const LENGTH: usize = $length;
            /// All bytes zero.
            pub const ZERO: Self = Self([0; $length]);

            /// Takes the raw bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    )*};
}

byte_newtype!(PublicKey: 32, AccountId: 32, PeerKey: 32, Signature: 64, PeerSignature: 64, VrfOutput: 96);

/// Hex display and parsing, and serde as a `0x` string.
macro_rules! hex_text {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                pieces::hash::write_hex(&self.0, f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({}..)", stringify!($name), hex::encode(self.0.get(..4).unwrap_or_default()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = KeyTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; Self::LENGTH];
                let digits = text.strip_prefix("0x").unwrap_or(text);
                hex::decode_to_slice(digits, &mut bytes)
                    .map_err(|_| KeyTextError::Hex { name: stringify!($name), length: Self::LENGTH })?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("0x{self}"))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

hex_text!(PublicKey, Signature, PeerSignature, VrfOutput);

/// Text that is not the key it should be.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyTextError {
    /// Not hex of the right length.
    #[error("{name} is not hex of {length} bytes")]
    Hex {
        /// The type that was wanted.
        name: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// Not an SS58 address with prefix 42.
    #[error("not an SS58 address with prefix 42: {0}")]
    Address(&'static str),
    /// Not a base58 peer id of an ed25519 key.
    #[error("not a peer id of an ed25519 key")]
    PeerId,
    /// A secret that is neither a phrase, nor hex, nor a derivation path.
    #[error("not a secret: {0}")]
    Secret(&'static str),
}

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
#[error("the signature does not hold")]
pub struct BadSignature;

impl PublicKey {
    /// Checks `signature` over `message` for one purpose.
    ///
    /// # Errors
    /// [`BadSignature`] if the key is not a point, the signature is malformed, or it does not hold.
    pub fn verify(&self, purpose: Purpose, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = schnorrkel::PublicKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let signature = schnorrkel::Signature::from_bytes(&signature.0).map_err(|_| BadSignature)?;
        key.verify(purpose.transcript(message), &signature).map_err(|_| BadSignature)
    }

    /// Checks a VRF output over `input` and returns its pre-output.
    ///
    /// # Errors
    /// [`BadSignature`] if key or proof are malformed or the proof does not hold.
    pub fn verify_vrf(&self, input: &[u8], output: &VrfOutput) -> Result<[u8; 32], BadSignature> {
        let key = schnorrkel::PublicKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let (pre_output, proof) = output.0.split_at(32);
        let pre_output = VRFPreOut::from_bytes(pre_output).map_err(|_| BadSignature)?;
        let proof = VRFProof::from_bytes(proof).map_err(|_| BadSignature)?;
        let transcript = schnorrkel::signing_context(VRF_CONTEXT).bytes(input);
        key.vrf_verify(transcript, &pre_output, &proof).map_err(|_| BadSignature)?;
        Ok(pre_output.0)
    }
}

impl AccountId {
    /// The same point, as a key to verify with.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        PublicKey(self.0)
    }
}

impl PeerKey {
    /// The public half of a peer's ed25519 secret.
    #[must_use]
    pub fn of_secret(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret).verifying_key().to_bytes())
    }

    /// Checks an ed25519 signature by this peer key; strict, so that every node agrees on odd encodings.
    ///
    /// # Errors
    /// [`BadSignature`] if the key is not a point or the signature does not hold.
    pub fn verify(&self, message: &[u8], signature: &PeerSignature) -> Result<(), BadSignature> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).map_err(|_| BadSignature)
    }
}

impl PeerSignature {
    /// Signs as the peer with this ed25519 secret. Nodes sign with their swarm's key; this is for presets and tests.
    #[must_use]
    pub fn sign(secret: &[u8; 32], message: &[u8]) -> (PeerKey, Self) {
        use ed25519_dalek::Signer;
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        (PeerKey(key.verifying_key().to_bytes()), Self(key.sign(message).to_bytes()))
    }
}

/// What a peer key signs to let an account speak for it: `"piecewise/peer/v1" ‖ genesis ‖ account`.
#[must_use]
pub fn peer_binding_message(genesis: &BlockHash, account: &AccountId) -> Vec<u8> {
    [b"piecewise/peer/v1".as_slice(), genesis.as_ref(), account.as_ref()].concat()
}

/// One signature to check in a batch.
#[derive(Clone, Debug)]
pub struct SignedMessage {
    /// The signer's key.
    pub key: PublicKey,
    /// What the signature is for.
    pub purpose: Purpose,
    /// The signed bytes.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl SignedMessage {
    /// Checks this one alone.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not hold.
    pub fn verify(&self) -> Result<(), BadSignature> {
        self.key.verify(self.purpose, &self.message, &self.signature)
    }
}

/// Checks many signatures at once, in schnorrkel's deterministic form: the same batch gives the same answer everywhere.
///
/// # Errors
/// [`BadSignature`] if any one does not hold; the batch does not say which.
pub fn verify_batch(batch: &[SignedMessage]) -> Result<(), BadSignature> {
    let mut signatures = Vec::with_capacity(batch.len());
    let mut keys = Vec::with_capacity(batch.len());
    for item in batch {
        signatures.push(schnorrkel::Signature::from_bytes(&item.signature.0).map_err(|_| BadSignature)?);
        keys.push(schnorrkel::PublicKey::from_bytes(&item.key.0).map_err(|_| BadSignature)?);
    }
    let transcripts = batch.iter().map(|item| item.purpose.transcript(&item.message));
    schnorrkel::verify_batch_deterministic(transcripts, &signatures, &keys, false).map_err(|_| BadSignature)
}

/// An sr25519 key pair. The secret is wiped when dropped; `Debug` shows the public half only.
#[derive(Clone)]
pub struct KeyPair(schnorrkel::Keypair);

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.account())
    }
}

impl KeyPair {
    /// Expands a 32-byte seed as Substrate does (ed25519 mode).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mini = MiniSecretKey::from_bytes(seed).expect("32 bytes are a mini secret key");
        Self(mini.expand_to_keypair(ExpansionMode::Ed25519))
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public.to_bytes())
    }

    /// The public key as an account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    /// Signs `message` for one purpose with the caller's randomness.
    pub fn sign(&self, purpose: Purpose, message: &[u8], rng: impl RngCore + CryptoRng) -> Signature {
        let signature = self.0.sign(attach_rng(purpose.transcript(message), rng));
        Signature(signature.to_bytes())
    }

    /// Evaluates the VRF over `input`; the pre-output is the same every time, the proof is not.
    pub fn prove_vrf(&self, input: &[u8], rng: impl RngCore + CryptoRng) -> VrfOutput {
        let transcript = schnorrkel::signing_context(VRF_CONTEXT).bytes(input);
        let extra = attach_rng(merlin::Transcript::new(b"VRF"), rng);
        let (in_out, proof, _) = self.0.vrf_sign_extra(transcript, extra);
        let mut bytes = [0; 96];
        let (pre_output, rest) = bytes.split_at_mut(32);
        pre_output.copy_from_slice(&in_out.to_preout().to_bytes());
        rest.copy_from_slice(&proof.to_bytes());
        VrfOutput(bytes)
    }

    fn derive_hard(&self, chain_code: [u8; 32]) -> Self {
        let (mini, _) = self.0.hard_derive_mini_secret_key(Some(ChainCode(chain_code)), b"");
        Self(mini.expand_to_keypair(ExpansionMode::Ed25519))
    }

    fn derive_soft(&self, chain_code: [u8; 32]) -> Self {
        Self(self.0.derived_key_simple(ChainCode(chain_code), b"").0)
    }
}

#[cfg(test)]
mod tests;
