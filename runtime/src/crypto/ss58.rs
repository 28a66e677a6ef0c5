//! SS58 addresses (prefix 42) and libp2p peer ids as text.
//!
//! Source: the SS58 registry's specification (`base58(prefix ‖ key ‖ blake2b-512("SS58PRE" ‖ prefix ‖ key)[..2])`) and
//! libp2p's peer id specification (identity multihash of the protobuf-encoded key, base58).

use std::fmt;
use std::str::FromStr;

use blake2::{Blake2b512, Digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AccountId, KeyTextError, PeerKey};

/// Substrate's generic network prefix.
const PREFIX: u8 = 42;
const CHECKSUM_BYTES: usize = 2;
/// Multihash identity code, length 36, then the protobuf `{ type: Ed25519, data: 32 bytes }`.
const PEER_ID_HEAD: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = Blake2b512::new().chain_update(b"SS58PRE").chain_update(body).finalize();
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(hash.get(..CHECKSUM_BYTES).expect("a 64-byte hash has two bytes"));
    sum
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![PREFIX];
        bytes.extend_from_slice(self.as_bytes());
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountId({self})")
    }
}

impl FromStr for AccountId {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // An address has 48 characters; base58 takes quadratic time, so the length is checked first.
        if text.len() > 64 {
            return Err(KeyTextError::Address("too long"));
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| KeyTextError::Address("not base58"))?;
        let [prefix, key @ .., _, _] = bytes.as_slice() else {
            return Err(KeyTextError::Address("too short"));
        };
        if *prefix != PREFIX {
            return Err(KeyTextError::Address("another prefix"));
        }
        let key: [u8; 32] = key.try_into().map_err(|_| KeyTextError::Address("not 32 bytes"))?;
        if Self(key).to_string() != text {
            return Err(KeyTextError::Address("the checksum is wrong"));
        }
        Ok(Self(key))
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [PEER_ID_HEAD.as_slice(), self.as_bytes()].concat();
        f.write_str(&bs58::encode(bytes).into_string())
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

impl FromStr for PeerKey {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 64 {
            return Err(KeyTextError::PeerId);
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| KeyTextError::PeerId)?;
        let key = bytes.strip_prefix(PEER_ID_HEAD.as_slice()).ok_or(KeyTextError::PeerId)?;
        key.try_into().map(Self).map_err(|_| KeyTextError::PeerId)
    }
}

/// Serde as the text that `Display` and `FromStr` agree on.
macro_rules! serde_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_text!(AccountId, PeerKey);
