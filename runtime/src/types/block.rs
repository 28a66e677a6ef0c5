//! Blocks and their headers.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::Hash;

use super::hashes::derive;
use super::{BeaconValue, BlockHash, Epoch, Height, SignedTransaction, StateRoot, ValidatorsHash, list_root};
use crate::crypto::{AccountId, VrfOutput};

/// What a block commits to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Header {
    /// Version of the rules in force.
    pub version: u32,
    /// Height; genesis is 0.
    pub height: Height,
    /// Hash of the header before; zero at genesis.
    pub parent: BlockHash,
    /// Milliseconds since the Unix epoch; greater than the parent's.
    pub timestamp_ms: u64,
    /// Epoch of this block.
    pub epoch: Epoch,
    /// Round in which the block was first proposed.
    pub round: u32,
    /// Who proposed it in that round.
    pub proposer: AccountId,
    /// Root of the state after this block.
    pub state_root: StateRoot,
    /// RFC 6962 root over the SCALE of each signed transaction.
    pub transactions_root: Hash,
    /// RFC 6962 root over the SCALE of each event record.
    pub events_root: Hash,
    /// The set that votes on this block.
    pub validators_hash: ValidatorsHash,
    /// The set that votes on the block after it.
    pub next_validators_hash: ValidatorsHash,
    /// The random beacon after this block.
    pub beacon: BeaconValue,
    /// The proposer's VRF over (genesis, parent beacon, height).
    pub vrf: VrfOutput,
}

impl Header {
    /// BLAKE3 derive-key of the header's SCALE.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_bytes(derive("piecewise block hash v1", &[&self.encode()]))
    }
}

/// A header and the transactions it commits to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// In the order of execution.
    pub transactions: Vec<SignedTransaction>,
}

impl Block {
    /// The header's hash.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// Root over the transactions as they stand here; equal to the header's in an honest block.
    #[must_use]
    pub fn transactions_root(&self) -> Hash {
        list_root(&self.transactions.iter().map(Encode::encode).collect::<Vec<_>>())
    }
}
