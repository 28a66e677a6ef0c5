//! Every column family, declared once: its name, what a key and a value are, what it is for.
//!
//! A value is one byte of version (1), then SCALE; only `state` holds bytes that the rules have versioned already.

use std::marker::PhantomData;

use parity_scale_codec::{Decode, DecodeAll, Encode};
use runtime::event::EventRecord;
use runtime::types::{Block, CommitCertificate, Header, Height, SignedTransaction};

use super::key::{IndexKey, MetaKey, UndecidedKey, ValueKey};
use crate::tree::{NodeId, NodeRow};

/// Version of every value written so far.
const ROW_VERSION: u8 = 1;

/// How the rows of a family are read and written; decides its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Small and seldom read, or short-lived.
    Small,
    /// Written once in ascending order; large values that compress.
    Append,
    /// Read by whole keys all over.
    Point,
    /// Read by a prefix of this many bytes.
    Prefix(usize),
}

/// A column family.
pub struct Table<K, V> {
    /// Name on disk.
    pub name: &'static str,
    /// How it is used.
    pub shape: Shape,
    row: PhantomData<fn(K) -> V>,
}

impl<K, V> Table<K, V> {
    const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, row: PhantomData }
    }
}

/// A value of a column family.
pub trait Row: Sized {
    /// The bytes on disk.
    fn to_row(&self) -> Vec<u8>;

    /// Reads what [`to_row`](Self::to_row) wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn from_row(bytes: &[u8]) -> Result<Self, String>;
}

/// The bytes on disk of a value that is SCALE behind its version.
pub fn encode_row<T: Encode + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + value.size_hint());
    bytes.push(ROW_VERSION);
    value.encode_to(&mut bytes);
    bytes
}

impl<T: Encode + Decode> Row for T {
    fn to_row(&self) -> Vec<u8> {
        encode_row(self)
    }

    fn from_row(bytes: &[u8]) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&ROW_VERSION, mut scale)) => Self::decode_all(&mut scale).map_err(|error| error.to_string()),
            Some((version, _)) => Err(format!("version {version} is unknown")),
            None => Err("it is empty".to_owned()),
        }
    }
}

/// Bytes that carry their version already: of several types, or versioned by the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned(pub Vec<u8>);

impl Row for Versioned {
    fn to_row(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn from_row(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self(bytes.to_vec()))
    }
}

macro_rules! families {
    ($($(#[$meta:meta])* $constant:ident $name:literal, $shape:expr, $key:ty => $value:ty;)*) => {
        $(
            $(#[$meta])*
            pub const $constant: Table<$key, $value> = Table::new($name, $shape);
        )*

        /// Name and shape of every family.
        pub const ALL: &[(&str, Shape)] = &[$(($constant.name, $constant.shape)),*];
    };
}

families! {
    /// What each block commits to, by height. Never pruned.
    HEADERS "headers", Shape::Append, Height => Header;
    /// The transactions of each block, by height.
    BODIES "bodies", Shape::Append, Height => Vec<SignedTransaction>;
    /// How each block from height 1 was agreed on. Never pruned.
    CERTIFICATES "certificates", Shape::Append, Height => CommitCertificate;
    /// Blocks of the next height that wait for a decision.
    UNDECIDED "undecided", Shape::Small, UndecidedKey => Block;
    /// The state at the head, by the keys of the rules.
    STATE "state", Shape::Point, Vec<u8> => Versioned;
    /// Nodes of the state's Merkle tree, by the height that made them and their path; never overwritten.
    NODES "nodes", Shape::Point, NodeId<'static> => NodeRow<'static>;
    /// Each value of the state from the height on that set it; none where it was deleted. For reads at a height.
    VALUES "values", Shape::Prefix(ValueKey::PREFIX_BYTES), ValueKey => Option<Vec<u8>>;
    /// What each block did, by height.
    EVENTS "events", Shape::Append, Height => Vec<EventRecord>;
    /// Ways to find blocks, transactions and files; each row follows from the other families.
    INDEXES "indexes", Shape::Point, IndexKey => Versioned;
    /// Format, chain, head.
    META "meta", Shape::Small, MetaKey => Versioned;
}
