//! Check what the chain says without a node: a proof carries everything from a trusted block hash to single values.
//!
//! ```text
//!  trusted hash -> block 0, or a block of the proof       names the set that votes next
//!       -> handoffs: certified by that set, each names another set
//!            -> the block: certified by the last set      names the root of its state
//!                 -> entries: a Merkle path each          a value, or that there is none
//! ```
//!
//! Values come out of a [`ProvenState`] alone, and nothing makes one but [`Proof::verify`]. There is no clock here: how
//! old a set may be and still be believed is for the caller to judge, by [`ProvenState::first_handoff_ms`].

use std::collections::BTreeMap;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use thiserror::Error;

use crate::codec::{DecodeError, decode_bounded};
use crate::state::{StateError, StateView};
use crate::types::{BlockHash, CertificateError, CommitCertificate, Header, Height, ValidatorSet, ValidatorsHash};
use crate::validate::check_decided;

mod path;

pub use path::{EMPTY, Leaf, Path, PathError, inner_hash, key_hash};

/// Most bytes of a proof's SCALE: a page of `storage_locate` on the largest networks takes half of it.
pub const PROOF_BYTES_MAX: usize = 4 << 20;
/// Most bytes of a state key that is proven; the longest of any table is far below.
pub const KEY_BYTES_MAX: usize = 1024;

/// What the state after one block says of some keys, and why that is to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Proof {
    /// Version of this layout; 1.
    pub version: u8,
    /// The header of block 0: its hash names the chain, and every vote is for that chain alone.
    pub genesis: Header,
    /// Ascending: each block since the trusted one whose header names another set than the one that voted on it. May
    /// begin with the trusted block itself.
    pub handoffs: Vec<Agreed>,
    /// The block after which the state is proven; none for block 0, on which nobody voted.
    pub block: Option<Agreed>,
    /// Ascending by key, each key once.
    pub entries: Vec<Entry>,
}

/// A header and how it was agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Agreed {
    /// The header.
    pub header: Header,
    /// Precommits of more than two thirds of the set.
    pub certificate: CommitCertificate,
    /// The set that voted: the one of the header's `validators_hash`.
    pub validators: ValidatorSet,
}

/// What the state says of one key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Entry {
    /// Table tag and fields.
    pub key: Vec<u8>,
    /// As it is stored, version byte included; none if the key has no value.
    pub value: Option<Vec<u8>>,
    /// From the key to the state's root.
    pub path: Path,
}

/// What is believed before anything is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The hash of block 0.
    Genesis(BlockHash),
    /// A later block, known from somewhere else.
    Block {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
    },
}

/// Why a proof shows nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// A layout that is not known.
    #[error("version {0} of proofs is not known")]
    Version(u8),
    /// What should be block 0 is not.
    #[error("the chain's first header has height {0}")]
    NotGenesis(Height),
    /// Of another chain.
    #[error("the proof is of the chain of genesis 0x{found}, not of 0x{trusted}")]
    OtherGenesis {
        /// The proof's chain.
        found: BlockHash,
        /// The one that is trusted.
        trusted: BlockHash,
    },
    /// The trusted block is not part of the proof.
    #[error("the proof does not lead through block {height}; ask for it with \"trusted\": {height}")]
    NoTrustedBlock {
        /// Height of the trusted block.
        height: Height,
    },
    /// Another block than the trusted one.
    #[error("block {height} is 0x{found}, not 0x{trusted}")]
    OtherBlock {
        /// The height.
        height: Height,
        /// The proof's block.
        found: BlockHash,
        /// The one that is trusted.
        trusted: BlockHash,
    },
    /// Blocks that do not ascend.
    #[error("block {height} comes after block {before}")]
    Order {
        /// The later one in the proof.
        height: Height,
        /// The one before it.
        before: Height,
    },
    /// Voted on by a set that nobody handed over to.
    #[error("block {height} was voted on by validators that the block before it in the proof does not name")]
    Validators {
        /// The block.
        height: Height,
    },
    /// The certificate is not of this header.
    #[error("the certificate of block {height} is of another header")]
    OtherCertificate {
        /// The block.
        height: Height,
    },
    /// The certificate does not show agreement.
    #[error("the certificate of block {height} does not hold")]
    Certificate {
        /// The block.
        height: Height,
        /// Why not.
        source: CertificateError,
    },
    /// A key twice, or keys that do not ascend.
    #[error("key 0x{} is out of order", hex::encode(.key))]
    KeyOrder {
        /// The key.
        key: Vec<u8>,
    },
    /// A key that no table has.
    #[error("a key of {bytes} bytes is longer than {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A value that the state's root does not bear out.
    #[error("key 0x{} is not proven", hex::encode(.key))]
    Entry {
        /// The key.
        key: Vec<u8>,
        /// Why not.
        source: PathError,
    },
}

impl Proof {
    /// The one version of the layout there is.
    pub const VERSION: u8 = 1;

    /// Reads a proof from outside.
    ///
    /// # Errors
    /// [`DecodeError`] if it is longer than [`PROOF_BYTES_MAX`] or not the SCALE of a proof.
    pub fn decode_bounded(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_bounded(bytes, PROOF_BYTES_MAX)
    }

    /// Hash of block 0: which chain the proof says it is of.
    #[must_use]
    pub fn genesis_hash(&self) -> BlockHash {
        self.genesis.hash()
    }

    /// The header of the block after which the state is proven.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.block.as_ref().map_or(&self.genesis, |block| &block.header)
    }

    /// Checks everything, from what is trusted down to each value.
    ///
    /// # Errors
    /// [`ProofError`] names the first thing that does not hold.
    pub fn verify(&self, trust: &Trust) -> Result<ProvenState, ProofError> {
        if self.version != Self::VERSION {
            return Err(ProofError::Version(self.version));
        }
        if self.genesis.height != 0 {
            return Err(ProofError::NotGenesis(self.genesis.height));
        }
        let genesis = self.genesis_hash();
        let chain: Vec<&Agreed> = self.handoffs.iter().chain(&self.block).collect();
        let (from, mut trusted) = self.begin(&chain, genesis, trust)?;
        let mut before = 0;
        for (at, agreed) in chain.iter().enumerate() {
            let height = agreed.header.height;
            if height <= before {
                return Err(ProofError::Order { height, before });
            }
            before = height;
            if at >= from {
                agreed.verify(&genesis, trusted)?;
                trusted = agreed.header.next_validators_hash;
            }
        }
        let header = self.header().clone();
        if header.height < before {
            return Err(ProofError::Order { height: header.height, before });
        }
        let entries = self.proven_entries(&header)?;
        let first_handoff_ms = match trust {
            Trust::Genesis(_) | Trust::Block { height: 0, .. } => self.first_handoff_ms(),
            Trust::Block { .. } => None,
        };
        Ok(ProvenState { genesis, header, entries, first_handoff_ms })
    }

    /// From which block of the chain on votes are checked, and the set that must have voted on it.
    fn begin(
        &self,
        chain: &[&Agreed],
        genesis: BlockHash,
        trust: &Trust,
    ) -> Result<(usize, ValidatorsHash), ProofError> {
        match *trust {
            Trust::Genesis(trusted) | Trust::Block { height: 0, hash: trusted } => {
                if genesis != trusted {
                    return Err(ProofError::OtherGenesis { found: genesis, trusted });
                }
                Ok((0, self.genesis.next_validators_hash))
            }
            Trust::Block { height, hash: trusted } => {
                let at = chain.iter().position(|agreed| agreed.header.height == height);
                let (at, agreed) = at
                    .and_then(|at| chain.get(at).map(|agreed| (at, agreed)))
                    .ok_or(ProofError::NoTrustedBlock { height })?;
                let found = agreed.header.hash();
                if found != trusted {
                    return Err(ProofError::OtherBlock { height, found, trusted });
                }
                // The trusted block's own votes are checked too: they say which chain this is.
                Ok((at, agreed.header.validators_hash))
            }
        }
    }

    fn first_handoff_ms(&self) -> Option<u64> {
        let mut headers = self.handoffs.iter().map(|handoff| &handoff.header);
        headers.find(|header| header.next_validators_hash != header.validators_hash).map(|header| header.timestamp_ms)
    }

    fn proven_entries(&self, header: &Header) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, ProofError> {
        let mut proven = BTreeMap::new();
        for Entry { key, value, path } in &self.entries {
            if key.len() > KEY_BYTES_MAX {
                return Err(ProofError::KeyTooLong { bytes: key.len() });
            }
            if proven.last_key_value().is_some_and(|(last, _)| last >= key) {
                return Err(ProofError::KeyOrder { key: key.clone() });
            }
            path.verify(&header.state_root, key, value.as_deref())
                .map_err(|source| ProofError::Entry { key: key.clone(), source })?;
            proven.insert(key.clone(), value.clone());
        }
        Ok(proven)
    }
}

impl Agreed {
    /// Checks that more than two thirds of the trusted set voted for the header.
    fn verify(&self, genesis: &BlockHash, trusted: ValidatorsHash) -> Result<(), ProofError> {
        let height = self.header.height;
        if self.header.validators_hash != trusted || self.validators.hash() != trusted {
            return Err(ProofError::Validators { height });
        }
        check_decided(&self.header, &self.certificate).map_err(|_| ProofError::OtherCertificate { height })?;
        self.certificate.verify(genesis, &self.validators).map_err(|source| ProofError::Certificate { height, source })
    }
}

/// The part of a state that a proof has shown; everything else is unknown, not absent.
#[derive(Clone, Debug)]
pub struct ProvenState {
    genesis: BlockHash,
    header: Header,
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    first_handoff_ms: Option<u64>,
}

impl ProvenState {
    /// The chain it is of.
    #[must_use]
    pub const fn genesis(&self) -> BlockHash {
        self.genesis
    }

    /// The block after which this is the state.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Block time of the first change of validators since block 0, if trust began there and led over one. Validators
    /// whose bond is long free again lose nothing by voting for another history.
    #[must_use]
    pub const fn first_handoff_ms(&self) -> Option<u64> {
        self.first_handoff_ms
    }
}

impl StateView for ProvenState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let unknown = || StateError(format!("the proof says nothing of key 0x{}", hex::encode(key)));
        self.entries.get(key).cloned().ok_or_else(unknown)
    }

    fn next_key(&self, _: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Err(StateError("a proof says nothing of ranges of keys".into()))
    }
}
