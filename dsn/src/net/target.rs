//! Whom to talk to.

use super::error::OpenError;
use libp2p::{Multiaddr, PeerId, identity};
use runtime::crypto::PeerKey;
use std::fmt;

/// Most addresses of one peer that are tried.
pub const ADDRESSES_MAX: usize = 8;

/// A peer and where it may be reached, as its provider's record on the ledger says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerTarget {
    /// Its ed25519 key; whoever answers has to prove it.
    pub peer_key: PeerKey,
    /// Its addresses; the first [`ADDRESSES_MAX`] are tried.
    pub addresses: Vec<Multiaddr>,
}

impl PeerTarget {
    /// A peer with the addresses among `addresses` that can be read.
    pub fn new<A: AsRef<str>>(peer_key: PeerKey, addresses: impl IntoIterator<Item = A>) -> Self {
        let addresses = addresses.into_iter().filter_map(|text| text.as_ref().parse().ok()).collect();
        Self { peer_key, addresses }
    }

    /// The peer id that libp2p makes of the key.
    ///
    /// # Errors
    /// [`OpenError::Key`] if the key is not a point of the curve.
    pub(crate) fn peer_id(&self) -> Result<PeerId, OpenError> {
        let key = identity::ed25519::PublicKey::try_from_bytes(self.peer_key.as_bytes())
            .map_err(|_| OpenError::Key { peer: self.to_string() })?;
        Ok(identity::PublicKey::from(key).to_peer_id())
    }
}

/// The peer id, or the key in hex if it is not a key.
impl fmt::Display for PeerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match identity::ed25519::PublicKey::try_from_bytes(self.peer_key.as_bytes()) {
            Ok(key) => write!(f, "{}", identity::PublicKey::from(key).to_peer_id()),
            Err(_) => f.write_str(&hex::encode(self.peer_key.as_bytes())),
        }
    }
}
