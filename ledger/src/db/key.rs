//! Keys on disk: fixed-size fields one behind the other, integers big-endian, so that rows sort as their fields do.

use pieces::{ContentHash, FileId};
use runtime::crypto::AccountId;
use runtime::types::{BlockHash, Height, TxHash};

/// A key of a column family.
pub trait RowKey {
    /// The bytes on disk.
    fn to_bytes(&self) -> Vec<u8>;
}

/// A key that is read back from disk.
pub trait ReadKey: RowKey + Sized {
    /// Reads what [`to_bytes`](RowKey::to_bytes) wrote; none if it is anything else.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// Takes the first `N` bytes off `bytes`.
pub fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (field, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*field)
}

impl RowKey for Vec<u8> {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

impl RowKey for Height {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

/// An undecided block: height, the round in which it was seen, its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndecidedKey {
    pub height: Height,
    pub round: u32,
    pub hash: BlockHash,
}

impl RowKey for UndecidedKey {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.height.to_be_bytes()[..], &self.round.to_be_bytes(), self.hash.as_ref()].concat()
    }
}

impl ReadKey for UndecidedKey {
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let height = Height::from_be_bytes(take(&mut bytes)?);
        let round = u32::from_be_bytes(take(&mut bytes)?);
        let hash = BlockHash::from_bytes(take(&mut bytes)?);
        bytes.is_empty().then_some(Self { height, round, hash })
    }
}

/// A value of the state as it was from a height on: the key's hash, then the height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueKey {
    pub key_hash: [u8; 32],
    pub height: Height,
}

impl ValueKey {
    /// Bytes of the key's hash, by which rows are found.
    pub const PREFIX_BYTES: usize = 32;
}

impl RowKey for ValueKey {
    fn to_bytes(&self) -> Vec<u8> {
        [&self.key_hash[..], &self.height.to_be_bytes()].concat()
    }
}

impl ReadKey for ValueKey {
    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let key_hash = take(&mut bytes)?;
        let height = Height::from_be_bytes(take(&mut bytes)?);
        bytes.is_empty().then_some(Self { key_hash, height })
    }
}

/// A row of the indexes; the first byte says which index. Tags are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKey {
    /// 0: where a transaction is; the value is height and position, SCALE `(u64, u32)`.
    Transaction(TxHash),
    /// 1: the height of a block; SCALE `u64`.
    Block(BlockHash),
    /// 2: a file that an account has a lease on; no value.
    Owner(AccountId, FileId),
    /// 3: a living file that claims a content hash; no value.
    Content(ContentHash, FileId),
    /// 4: a segment of a file with a piece held by a provider; no value.
    Holder(u32, FileId, u16),
    /// 5: the transaction that founded a file; SCALE `TxHash`.
    Founder(FileId),
}

impl IndexKey {
    /// All rows of an owner begin so.
    pub fn owner_prefix(owner: &AccountId) -> Vec<u8> {
        [&[2], owner.as_ref()].concat()
    }

    /// All rows of a content hash begin so.
    pub fn content_prefix(content: &ContentHash) -> Vec<u8> {
        [&[3], content.as_ref()].concat()
    }

    /// All rows of a provider begin so.
    pub fn holder_prefix(provider: u32) -> Vec<u8> {
        [&[4][..], &provider.to_be_bytes()].concat()
    }
}

impl RowKey for IndexKey {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Transaction(hash) => [&[0], hash.as_ref()].concat(),
            Self::Block(hash) => [&[1], hash.as_ref()].concat(),
            Self::Owner(owner, file) => [&[2], owner.as_ref(), file.as_ref()].concat(),
            Self::Content(content, file) => [&[3], content.as_ref(), file.as_ref()].concat(),
            Self::Holder(provider, file, segment) => {
                [&[4], &provider.to_be_bytes()[..], file.as_ref(), &segment.to_be_bytes()].concat()
            }
            Self::Founder(file) => [&[5], file.as_ref()].concat(),
        }
    }
}

impl ReadKey for IndexKey {
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, mut rest) = bytes.split_first()?;
        let key = match tag {
            0 => Self::Transaction(TxHash::from_bytes(take(&mut rest)?)),
            1 => Self::Block(BlockHash::from_bytes(take(&mut rest)?)),
            2 => Self::Owner(AccountId::from_bytes(take(&mut rest)?), FileId::from_bytes(take(&mut rest)?)),
            3 => Self::Content(ContentHash::from_bytes(take(&mut rest)?), FileId::from_bytes(take(&mut rest)?)),
            4 => Self::Holder(
                u32::from_be_bytes(take(&mut rest)?),
                FileId::from_bytes(take(&mut rest)?),
                u16::from_be_bytes(take(&mut rest)?),
            ),
            5 => Self::Founder(FileId::from_bytes(take(&mut rest)?)),
            _ => return None,
        };
        rest.is_empty().then_some(key)
    }
}

/// The single values of the database, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// Version of the format of the whole database; SCALE `u32`.
    Format,
    /// Which chain this is; SCALE `BlockHash`.
    Genesis,
    /// Height of the last committed block; SCALE `u64`.
    Head,
}

impl RowKey for MetaKey {
    fn to_bytes(&self) -> Vec<u8> {
        let name: &[u8] = match self {
            Self::Format => b"format",
            Self::Genesis => b"genesis",
            Self::Head => b"head",
        };
        name.to_vec()
    }
}
