//! Every table of the state: its tag, its key, its value. This file is the state's format.
//!
//! A key is one byte of table tag, then the key's fields: integers big-endian, hashes and accounts as they are, so that
//! keys sort as their fields do. A value is one byte of version (1), then SCALE. Tags are only appended.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::{ContentHash, ErasureCode, FileId, Hash, PieceHash};

use crate::crypto::{AccountId, PeerKey, PublicKey};
use crate::types::{Balance, BeaconValue, DealId, Epoch, Height, Parameters, Text, ValidatorSet};

/// A table of the state.
pub trait Table {
    /// First byte of every key.
    const TAG: u8;
    /// Name for people.
    const NAME: &'static str;
    /// The fields of a key.
    type Key: KeyFields;
    /// What a key maps to.
    type Value: Encode + Decode + DecodeWithMemTracking;

    /// The whole key.
    fn key(key: &Self::Key) -> Vec<u8> {
        let mut bytes = vec![Self::TAG];
        key.write_to(&mut bytes);
        bytes
    }
}

/// Fields of a key, in the order in which they sort.
pub trait KeyFields {
    /// Appends the fields.
    fn write_to(&self, bytes: &mut Vec<u8>);
}

macro_rules! key_integers {
    ($($type:ty),*) => {$(
        impl KeyFields for $type {
            fn write_to(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

macro_rules! key_bytes {
    ($($type:ty),*) => {$(
        impl KeyFields for $type {
            fn write_to(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(self.as_ref());
            }
        }
    )*};
}

key_integers!(u8, u16, u32, u64);
key_bytes!(AccountId, PeerKey, PublicKey, FileId, Hash, DealId);

impl KeyFields for () {
    fn write_to(&self, _: &mut Vec<u8>) {}
}

impl<A: KeyFields, B: KeyFields> KeyFields for (A, B) {
    fn write_to(&self, bytes: &mut Vec<u8>) {
        self.0.write_to(bytes);
        self.1.write_to(bytes);
    }
}

impl<A: KeyFields, B: KeyFields, C: KeyFields> KeyFields for (A, B, C) {
    fn write_to(&self, bytes: &mut Vec<u8>) {
        self.0.write_to(bytes);
        self.1.write_to(bytes);
        self.2.write_to(bytes);
    }
}

macro_rules! tables {
    ($($(#[$meta:meta])* $tag:literal $name:ident($key:ty) => $value:ty;)*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}

            impl Table for $name {
                const TAG: u8 = $tag;
                const NAME: &'static str = stringify!($name);
                type Key = $key;
                type Value = $value;
            }
        )*

        /// Tag and name of every table, in the order of the tags.
        pub const ALL: &[(u8, &str)] = &[$(($tag, stringify!($name))),*];
    };
}

tables! {
    /// Single values of the whole chain.
    0x00 ChainState(()) => Chain;
    /// All parameters.
    0x01 ParameterTable(()) => Parameters;
    /// Balances and nonces.
    0x02 Accounts(AccountId) => Account;
    /// Providers by number.
    0x03 Providers(u32) => Provider;
    /// The number of an account's provider.
    0x04 ProviderNumbers(AccountId) => u32;
    /// The number of the provider that a peer serves for.
    0x05 PeerNumbers(PeerKey) => u32;
    /// Files.
    0x06 Files(FileId) => File;
    /// Segments and who holds their pieces.
    0x07 Segments((FileId, u16)) => Segment;
    /// Leases by file and payer.
    0x08 Leases((FileId, AccountId)) => Lease;
    /// Dense table of segments, for drawing challenges.
    0x09 Slots(u64) => (FileId, u16);
    /// Files by the epoch in which they end, for sweeping.
    0x0a Ends((Epoch, FileId)) => ();
    /// Scheduled changes of a provider's rate.
    0x0b Rates((Epoch, u32)) => RateChange;
    /// Validators by account.
    0x0c Validators(AccountId) => Validator;
    /// The set that votes: 0 in this epoch, 1 in the next.
    0x0d ValidatorSets(u8) => ValidatorSet;
    /// The providers as they stood at an epoch's first block.
    0x0e Snapshots(Epoch) => Snapshot;
    /// Names: an owner, the hash of a bucket's name, the hash of a key.
    0x0f Names((AccountId, Hash, Hash)) => Name;
    /// Open challenges by number.
    0x10 Challenges(u64) => Challenge;
    /// Repair claims by their hash.
    0x11 Claims(Hash) => Claim;
    /// How many accounts pay for a file.
    0x12 LeaseCounts(FileId) => u32;
}

/// Single values of the whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Chain {
    /// When the current epoch began.
    pub epoch_start_ms: u64,
    /// Number of the next provider; never reused.
    pub next_provider: u32,
    /// Providers that are not gone.
    pub active_providers: u32,
    /// Entries of the table of slots.
    pub slots: u64,
    /// Number of the next challenge.
    pub next_challenge: u64,
    /// Paid for leases and not yet earned.
    pub escrow: Balance,
    /// Income of pieces whose holder lost them.
    pub repair_fund: Balance,
    /// Fees and dust that nobody can receive.
    pub treasury: Balance,
    /// All there is: accounts, escrow, repair fund, treasury.
    pub supply: Balance,
}

/// Balances and nonces of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Account {
    /// Can be spent.
    pub free: Balance,
    /// Bonds and deposits.
    pub reserved: Balance,
    /// Of the next signed transaction.
    pub nonce: u64,
    /// One above the highest deal nonce used; 0 = none.
    pub deal_high: u64,
    /// Bit `i`: deal nonce `deal_high - 1 - i` is used.
    pub deal_map: u128,
}

/// A storage provider.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Provider {
    /// Never reused.
    pub number: u32,
    /// Who is paid and slashed.
    pub account: AccountId,
    /// Who serves the pieces.
    pub peer_key: PeerKey,
    /// Ascending by height; the last whose height has come is in force.
    pub service_keys: Vec<ServiceKey>,
    /// Multiaddresses without the `/p2p` part.
    pub addresses: Vec<Text<128>>,
    /// Self-declared.
    pub operator: Text<64>,
    /// Self-declared.
    pub zone: Text<64>,
    /// Bytes offered.
    pub declared: u64,
    /// Bytes promised.
    pub committed: u64,
    /// Reserved balance that covers what is declared.
    pub bond: Balance,
    /// 0..=1000.
    pub score: u16,
    /// Whether leases may be extended beyond the signed epoch.
    pub auto_renew: bool,
    /// Earned per epoch.
    pub rate: Balance,
    /// Whether it takes pieces.
    pub status: ProviderStatus,
}

impl Provider {
    /// The service key in force at `height`.
    #[must_use]
    pub fn service_key_at(&self, height: Height) -> Option<PublicKey> {
        self.service_keys.iter().rev().find(|entry| entry.from_height <= height).map(|entry| entry.key)
    }
}

/// A key that signs commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct ServiceKey {
    /// The key.
    pub key: PublicKey,
    /// In force from this height.
    pub from_height: Height,
}

/// Whether a provider takes pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum ProviderStatus {
    /// Takes pieces.
    #[codec(index = 0)]
    Active,
    /// Takes none, serves what it has until it may leave.
    #[codec(index = 1)]
    Withdrawing,
    /// Left as agreed.
    #[codec(index = 2)]
    Left,
    /// Thrown out: its pieces count as lost.
    #[codec(index = 3)]
    Ejected,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct File {
    /// Version of its manifest.
    pub version: u8,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the whole, as claimed by its manifest.
    pub content_hash: ContentHash,
    /// How it is coded.
    pub code: ErasureCode,
    /// As its manifest says.
    pub media_type: Text<127>,
    /// Hash of the table of a bundle.
    pub bundle: Option<Hash>,
    /// The upload that founded it; seeds its placement.
    pub deal: DealId,
    /// The block that recorded it.
    pub stored_height: Height,
    /// Whether it can be read.
    pub status: FileStatus,
    /// How many segments it has.
    pub segments: u16,
    /// What all its pieces cost per epoch at the price of its founding.
    pub unit_price: Balance,
    /// The epoch in which its last lease ends (exclusive).
    pub ends: Epoch,
}

/// Whether a file can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum FileStatus {
    /// Enough pieces are live.
    #[codec(index = 0)]
    Alive,
    /// A segment has fewer than k live pieces.
    #[codec(index = 1)]
    Lost,
    /// Shown to be encoded wrongly.
    #[codec(index = 2)]
    Void,
}

/// A segment and who holds its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Segment {
    /// Bytes of the file in it.
    pub len: u64,
    /// Its place in the table of slots.
    pub table_slot: u64,
    /// Repair claims that failed.
    pub failed_claims: u8,
    /// One bit a piece, lowest bit of the first byte first: marked lost.
    pub lost: Vec<u8>,
    /// One a piece.
    pub holders: Vec<PieceHolder>,
    /// One a piece.
    pub piece_hashes: Vec<PieceHash>,
}

/// Who holds a piece, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct PieceHolder {
    /// Number of the provider.
    pub provider: u32,
    /// Exclusive.
    pub until_epoch: Epoch,
}

impl Segment {
    /// Whether piece `index` is marked lost.
    #[must_use]
    pub fn is_lost(&self, index: u8) -> bool {
        self.lost.get(usize::from(index / 8)).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }
}

/// What one account pays for a file.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Lease {
    /// Ascending, not overlapping; at most 16.
    pub tranches: Vec<Tranche>,
}

/// Epochs `from..to` of a lease at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Tranche {
    /// First epoch paid for.
    pub from: Epoch,
    /// Exclusive.
    pub to: Epoch,
    /// For the whole file and one epoch.
    pub unit_price: Balance,
}

/// What changes in a provider's rate when an epoch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct RateChange {
    /// Leases that start.
    pub add: Balance,
    /// Leases that end.
    pub sub: Balance,
    /// Bytes that are no longer promised.
    pub freed_bytes: u64,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Validator {
    /// The key that votes.
    pub consensus_key: PublicKey,
    /// A new key and the epoch from which it acts.
    pub next_key: Option<(PublicKey, Epoch)>,
    /// Reserved balance behind it.
    pub bond: Balance,
    /// Voting power in the next set.
    pub power: u64,
    /// May not vote before this epoch.
    pub jailed_until: Epoch,
}

/// The providers as they stood at an epoch's first block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Snapshot {
    /// Seeds the draws.
    pub beacon: BeaconValue,
    /// In order of their numbers; none of weight 0.
    pub entries: Vec<SnapshotEntry>,
}

/// One provider of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct SnapshotEntry {
    /// Number of the provider.
    pub number: u32,
    /// The snapshot's number for its operator, from 0 in order of first appearance.
    pub operator: u32,
    /// The snapshot's number for its zone, likewise.
    pub zone: u32,
    /// Sum of the weights up to and with this entry.
    pub weight_sum: u64,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Name {
    /// The bucket's name or the key, as written.
    pub text: Text<1024>,
    /// None for the bucket itself.
    pub file: Option<FileId>,
    /// Object of a bundle.
    pub object: Option<u32>,
    /// Held for the entry.
    pub deposit: Balance,
}

/// A challenge that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Challenge {
    /// Who must answer.
    pub provider: u32,
    /// The piece's file,
    pub file: FileId,
    /// segment,
    pub segment: u16,
    /// and index.
    pub index: u8,
    /// Where the first read falls.
    pub seed: Hash,
    /// When it opened.
    pub opened_ms: u64,
    /// At which height it opened.
    pub opened_height: Height,
    /// Who paid for it, if it is a demand.
    pub demanded_by: Option<AccountId>,
}

/// A repair that a provider has taken on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct Claim {
    /// Who repairs.
    pub provider: u32,
    /// The segment's file,
    pub file: FileId,
    /// and number.
    pub segment: u16,
    /// Columns to rebuild.
    pub indices: Vec<u8>,
    /// Snapshot whose draws name the new holders.
    pub snapshot_epoch: Epoch,
    /// Whether a live holder moves its piece rather than a lost one being rebuilt.
    pub moves: bool,
    /// When it opened.
    pub opened_ms: u64,
    /// At which height it opened.
    pub opened_height: Height,
}
