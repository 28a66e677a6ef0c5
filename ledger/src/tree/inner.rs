//! An inner node as serde sees it. jmt has no constructor for inner nodes that can be called from outside, but derives
//! `Deserialize`; this answers what the derived code asks for, straight from the stored children.

use jmt::storage::Node;
use serde::de::value::{Error, SeqDeserializer, U32Deserializer, U64Deserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::node::StoredChild;

/// Children that an inner node can have.
const CHILDREN_MAX: u8 = 16;
/// Position of the variant `Leaf` in jmt's type of a child.
const LEAF: u32 = 0;
/// Position of the variant `Internal`.
const INTERNAL: u32 = 1;

/// The inner node with these children.
///
/// # Errors
/// If no inner node has such children.
pub fn inner_node(children: &[StoredChild]) -> Result<Node, String> {
    let ascending = children.windows(2).all(|pair| matches!(pair, [a, b] if a.nibble < b.nibble));
    let within = children.iter().all(|child| child.nibble < CHILDREN_MAX);
    let lone_leaf = matches!(children, [child] if child.leaves == 0);
    let leaves = children.iter().try_fold(0u64, |sum, child| sum.checked_add(child.leaves.max(1)));
    match leaves {
        Some(leaves) if leaves > 0 && ascending && within && !lone_leaf => {
            let inner = Deserialize::deserialize(Part::Inner { children, leaves });
            inner.map(Node::Internal).map_err(|error| error.to_string())
        }
        _ => Err("an inner node has impossible children".to_owned()),
    }
}

/// One part of the node, as the names of jmt's types and fields go.
enum Part<'a> {
    /// `InternalNode { children, leaf_count }`
    Inner { children: &'a [StoredChild], leaves: u64 },
    /// `Children { children, num_children }`
    Children(&'a [StoredChild]),
    /// `[Option<Child>; 16]`
    Slots(&'a [StoredChild]),
    /// `Option<Child>`
    Slot(Option<&'a StoredChild>),
    /// `Child { hash, version, node_type }`
    Child(&'a StoredChild),
    /// `[u8; 32]`
    Hash(&'a [u8; 32]),
    /// `NodeType`, by the number of leaves below
    Kind(u64),
    /// `{ leaf_count }` of the variant `Internal`
    KindFields(u64),
    /// an integer
    Number(u64),
}

impl<'de> Deserializer<'de> for Part<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Inner { children, leaves } => sequence([Part::Children(children), Part::Number(leaves)], visitor),
            Self::Children(children) => {
                let count = u64::try_from(children.len()).unwrap_or(u64::MAX);
                sequence([Part::Slots(children), Part::Number(count)], visitor)
            }
            Self::Slots(children) => {
                let slot = |nibble| Part::Slot(children.iter().find(|child| child.nibble == nibble));
                sequence((0..CHILDREN_MAX).map(slot), visitor)
            }
            Self::Slot(None) => visitor.visit_none(),
            Self::Slot(Some(child)) => visitor.visit_some(Part::Child(child)),
            Self::Child(child) => {
                sequence([Part::Hash(&child.hash), Part::Number(child.height), Part::Kind(child.leaves)], visitor)
            }
            Self::Hash(hash) => visitor.visit_seq(SeqDeserializer::new(hash.iter().copied())),
            Self::Kind(leaves) => visitor.visit_enum(Kind(leaves)),
            Self::KindFields(leaves) => sequence([Part::Number(leaves)], visitor),
            Self::Number(number) => U64Deserializer::new(number).deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Part<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn sequence<'a, 'de, V: Visitor<'de>>(
    parts: impl IntoIterator<Item = Part<'a>>,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
}

/// The choice between `Leaf` and `Internal { leaf_count }`.
struct Kind(u64);

impl<'de> EnumAccess<'de> for Kind {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = if self.0 == 0 { LEAF } else { INTERNAL };
        Ok((seed.deserialize(U32Deserializer::new(variant))?, self))
    }
}

impl<'de> VariantAccess<'de> for Kind {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Part::KindFields(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        Part::KindFields(self.0).deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        Part::KindFields(self.0).deserialize_any(visitor)
    }
}
