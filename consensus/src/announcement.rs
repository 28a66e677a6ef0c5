//! Where a validator is, in its own words: how nodes that know nobody's consensus port find those who agree.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use rand_core::OsRng;
use runtime::codec::{DecodeError, decode_bounded};
use runtime::crypto::{KeyPair, PublicKey, Purpose, Signature};
use runtime::types::{BlockHash, Text, consensus_message};
use thiserror::Error;

use crate::engine::peer;

/// Where a validator is, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Announcement {
    /// The validator's consensus key.
    pub key: PublicKey,
    /// Its consensus port, each as /ip4/HOST/tcp/PORT/p2p/PEER-ID; one to [`ADDRESSES_MAX`](Self::ADDRESSES_MAX).
    pub addresses: Vec<Text<128>>,
    /// When this node of it started, in milliseconds since 1970: of two with one key, the later one has to stop.
    pub since_ms: u64,
    /// When it said so, in milliseconds since 1970: of two, the later one counts.
    pub at_ms: u64,
    /// By the consensus key, over tag, genesis and all the rest.
    pub signature: Signature,
}

/// Why bytes are no announcement.
#[derive(Debug, Error)]
pub enum AnnouncementError {
    /// They do not decode.
    #[error("an announcement does not decode")]
    Decode(#[from] DecodeError),
    /// It has no address, or too many.
    #[error("an announcement has {0} addresses")]
    Count(usize),
    /// One is no address of a consensus port.
    #[error("an announcement has the address {0}")]
    Address(String),
    /// The signature is not the key's.
    #[error("an announcement is not signed by its key")]
    Signature,
}

impl Announcement {
    /// Addresses of a validator.
    pub const ADDRESSES_MAX: usize = 4;
    /// Bytes of an announcement.
    pub const BYTES_MAX: usize = 1024;

    /// Signs where a validator is. Addresses that are too many are left out.
    #[must_use]
    pub fn sign(genesis: &BlockHash, key: &KeyPair, mut addresses: Vec<Text<128>>, since_ms: u64, at_ms: u64) -> Self {
        addresses.truncate(Self::ADDRESSES_MAX);
        let payload = payload(genesis, &(key.public_key(), &addresses, since_ms, at_ms));
        let signature = key.sign(Purpose::Consensus, &payload, OsRng);
        Self { key: key.public_key(), addresses, since_ms, at_ms, signature }
    }

    /// Reads one that is what it says; whether its key votes is another matter.
    ///
    /// # Errors
    /// [`AnnouncementError`]: it is wrong at every node and every height.
    pub fn read(bytes: &[u8], genesis: &BlockHash) -> Result<Self, AnnouncementError> {
        let announcement: Self = decode_bounded(bytes, Self::BYTES_MAX)?;
        let count = announcement.addresses.len();
        if !(1..=Self::ADDRESSES_MAX).contains(&count) {
            return Err(AnnouncementError::Count(count));
        }
        if let Some(wrong) = announcement.addresses.iter().find(|address| peer(address.as_str()).is_err()) {
            return Err(AnnouncementError::Address(wrong.as_str().to_owned()));
        }
        let Self { key, addresses, since_ms, at_ms, signature } = &announcement;
        let payload = payload(genesis, &(*key, addresses, *since_ms, *at_ms));
        let verified = key.verify(Purpose::Consensus, &payload, signature);
        verified.map_err(|_| AnnouncementError::Signature)?;
        Ok(announcement)
    }
}

fn payload(genesis: &BlockHash, all_but_signature: &(PublicKey, &Vec<Text<128>>, u64, u64)) -> Vec<u8> {
    consensus_message(b"piecewise/announcement/v1", genesis, &all_but_signature.encode())
}
