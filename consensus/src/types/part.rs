//! Proposal parts: a block in pieces small enough to gossip.
//!
//! The proposer signs a manifest, which names the block and the hash of every part, once; each part carries the
//! manifest and that signature. So any part can be checked by itself, in any order, a block costs one signature
//! check, and whoever has the block and the signature can send the original parts again.

use malachite::app::types::core;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::crypto::{AccountId, Signature};
use runtime::types::{BlockHash, Height, consensus_message};

use crate::context::ChainContext;

/// BLAKE3 of one part's bytes.
pub type PartDigest = [u8; 32];

/// What the proposer signs about a block's parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, DecodeWithMemTracking)]
pub struct PartManifest {
    /// Height of the block.
    pub height: Height,
    /// Round in which the block was first proposed.
    pub round: u32,
    /// Who proposed it.
    pub proposer: AccountId,
    /// Hash of its header.
    pub block_hash: BlockHash,
    /// Bytes of its SCALE.
    pub block_bytes: u32,
    /// Bytes of each part but the last.
    pub part_bytes: u32,
    /// Hash of each part's bytes, in order.
    pub digests: Vec<PartDigest>,
}

impl PartManifest {
    /// What the proposer's consensus key signs.
    #[must_use]
    pub fn payload(&self, genesis: &BlockHash) -> Vec<u8> {
        consensus_message(b"piecewise/part/v1", genesis, &self.encode())
    }

    /// How many bytes the part at `index` has; none if there is no such part or the sizes contradict one another.
    #[must_use]
    pub fn part_len(&self, index: u16) -> Option<usize> {
        let count = self.block_bytes.checked_add(self.part_bytes)?.checked_sub(1)?.checked_div(self.part_bytes)?;
        if u32::try_from(self.digests.len()) != Ok(count) || u32::from(index) >= count {
            return None;
        }
        let before = u32::from(index).checked_mul(self.part_bytes)?;
        let len = self.block_bytes.checked_sub(before)?.min(self.part_bytes);
        usize::try_from(len).ok()
    }
}

/// One part of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct ProposalPart {
    /// What the proposer says of all parts.
    pub manifest: PartManifest,
    /// The proposer's signature over it.
    pub signature: Signature,
    /// Which part this is.
    pub index: u16,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl core::ProposalPart<ChainContext> for ProposalPart {
    fn is_first(&self) -> bool {
        self.index == 0
    }

    fn is_last(&self) -> bool {
        usize::from(self.index).checked_add(1) == Some(self.manifest.digests.len())
    }
}
