//! Proofs as clients pass them on: the parts of [`runtime::light::Proof`], each as hex of its SCALE.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::codec::{DecodeError, decode_bounded};
use runtime::light::{Agreed, Entry, PROOF_BYTES_MAX, Proof};
use runtime::types::{Height, SignedTransaction};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Hex;
use crate::limits::TRANSACTION_BYTES_MAX;

/// Everything between a trusted hash and what is shown beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProofInfo {
    /// Version of the layout.
    pub version: u8,
    /// The header of block 0, whose hash is the genesis hash.
    pub genesis: Hex,
    /// The header of the block after which the state is proven.
    pub header: Hex,
    /// The precommits for it; none for block 0, and then there are no validators either.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<Hex>,
    /// The set that voted on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub validators: Option<Hex>,
    /// The trusted block, if it is not block 0, and each since that names other validators.
    pub handoffs: Vec<AgreedInfo>,
    /// Ascending by key.
    pub entries: Vec<EntryInfo>,
    /// The signed transaction that recorded the commitments shown, if any are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction: Option<Hex>,
}

/// A header and how it was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreedInfo {
    /// The header.
    pub header: Hex,
    /// The precommits for it.
    pub certificate: Hex,
    /// The set that voted on it.
    pub validators: Hex,
}

/// What the state says of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryInfo {
    /// Table tag and fields.
    pub key: Hex,
    /// As it is stored; `null` if the key has none.
    pub value: Option<Hex>,
    /// From the key to the state's root.
    pub path: Hex,
}

/// A value of the state, proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenValue {
    /// Table tag and fields.
    pub key: Hex,
    /// As it is stored; `null` if the key has none.
    pub value: Option<Hex>,
    /// After the block of this height.
    pub height: Height,
    /// Shows it.
    pub proof: ProofInfo,
}

/// A field of a proof that does not hold what it should.
#[derive(Debug, Error)]
pub enum ProofFieldError {
    /// Not the SCALE of it.
    #[error("proof.{field} is malformed")]
    Malformed {
        /// Which field.
        field: String,
        /// Why not.
        source: DecodeError,
    },
    /// Of certificate and validators there is one and not the other.
    #[error("proof: certificate and validators go together")]
    Half,
}

impl From<&Proof> for ProofInfo {
    fn from(proof: &Proof) -> Self {
        let block = proof.block.as_ref();
        Self {
            version: proof.version,
            genesis: Hex(proof.genesis.encode()),
            header: Hex(proof.header().encode()),
            certificate: block.map(|block| Hex(block.certificate.encode())),
            validators: block.map(|block| Hex(block.validators.encode())),
            handoffs: proof.handoffs.iter().map(AgreedInfo::from).collect(),
            entries: proof.entries.iter().map(EntryInfo::from).collect(),
            transaction: None,
        }
    }
}

impl From<&Agreed> for AgreedInfo {
    fn from(agreed: &Agreed) -> Self {
        Self {
            header: Hex(agreed.header.encode()),
            certificate: Hex(agreed.certificate.encode()),
            validators: Hex(agreed.validators.encode()),
        }
    }
}

impl From<&Entry> for EntryInfo {
    fn from(entry: &Entry) -> Self {
        Self { key: Hex(entry.key.clone()), value: entry.value.clone().map(Hex), path: Hex(entry.path.encode()) }
    }
}

impl ProofInfo {
    /// The proof that it shows. Whether it holds is another question: see [`Proof::verify`].
    ///
    /// # Errors
    /// [`ProofFieldError`] names the field that is malformed.
    pub fn decode(&self) -> Result<Proof, ProofFieldError> {
        let genesis: runtime::types::Header = decode("genesis", &self.genesis, PROOF_BYTES_MAX)?;
        let header = decode("header", &self.header, PROOF_BYTES_MAX)?;
        let block = match (&self.certificate, &self.validators) {
            (Some(certificate), Some(validators)) => Some(Agreed {
                header,
                certificate: decode("certificate", certificate, PROOF_BYTES_MAX)?,
                validators: decode("validators", validators, PROOF_BYTES_MAX)?,
            }),
            // Nobody votes on block 0, so it is block 0 that is shown twice.
            (None, None) if header == genesis => None,
            _ => return Err(ProofFieldError::Half),
        };
        let handoffs = self.handoffs.iter().enumerate().map(|(at, handoff)| handoff.decode(at));
        let entries = self.entries.iter().enumerate().map(|(at, entry)| entry.decode(at));
        Ok(Proof {
            version: self.version,
            genesis,
            handoffs: handoffs.collect::<Result<_, _>>()?,
            block,
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// The transaction that it shows, if it shows one.
    ///
    /// # Errors
    /// [`ProofFieldError`] if it is malformed.
    pub fn decode_transaction(&self) -> Result<Option<SignedTransaction>, ProofFieldError> {
        self.transaction.as_ref().map(|bytes| decode("transaction", bytes, TRANSACTION_BYTES_MAX)).transpose()
    }
}

impl AgreedInfo {
    fn decode(&self, at: usize) -> Result<Agreed, ProofFieldError> {
        let field = |name| format!("handoffs[{at}].{name}");
        Ok(Agreed {
            header: decode(field("header"), &self.header, PROOF_BYTES_MAX)?,
            certificate: decode(field("certificate"), &self.certificate, PROOF_BYTES_MAX)?,
            validators: decode(field("validators"), &self.validators, PROOF_BYTES_MAX)?,
        })
    }
}

impl EntryInfo {
    fn decode(&self, at: usize) -> Result<Entry, ProofFieldError> {
        Ok(Entry {
            key: self.key.0.clone(),
            value: self.value.as_ref().map(|Hex(value)| value.clone()),
            path: decode(format!("entries[{at}].path"), &self.path, PROOF_BYTES_MAX)?,
        })
    }
}

fn decode<T>(field: impl Into<String>, Hex(bytes): &Hex, max_bytes: usize) -> Result<T, ProofFieldError>
where
    T: Decode + DecodeWithMemTracking,
{
    decode_bounded(bytes, max_bytes).map_err(|source| ProofFieldError::Malformed { field: field.into(), source })
}
