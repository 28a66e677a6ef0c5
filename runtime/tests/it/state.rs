//! The overlay agrees with a map that is copied at every transaction.

use std::collections::BTreeMap;

use pieces::FileId;
use proptest::prelude::*;
use runtime::state::{Changes, MemoryState, Overlay, ReadTables, StateView, decode_value, encode_value, prefix_end};
use runtime::tables::{LeaseCounts, Table};

#[derive(Clone, Debug)]
enum Op {
    Write(u8, u32),
    Remove(u8),
    Begin,
    Keep,
    RollBack,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..12u8, any::<u32>()).prop_map(|(key, value)| Op::Write(key, value)),
        3 => (0..12u8).prop_map(Op::Remove),
        1 => Just(Op::Begin),
        1 => Just(Op::Keep),
        1 => Just(Op::RollBack),
    ]
}

fn id(key: u8) -> FileId {
    FileId::from_bytes([key; 32])
}

proptest! {
    #[test]
    fn an_overlay_agrees_with_a_map(
        base in prop::collection::btree_map(0..12u8, any::<u32>(), 0..8),
        ops in prop::collection::vec(op(), 0..40),
    ) {
        let changes: Changes =
            base.iter().map(|(key, value)| (LeaseCounts::key(&id(*key)), Some(encode_value(value)))).collect();
        let below = MemoryState::from(changes);
        let mut overlay = Overlay::new(&below);
        let (mut kept, mut open): (BTreeMap<u8, u32>, Option<BTreeMap<u8, u32>>) = (base, None);
        for op in ops {
            let top = open.as_mut().unwrap_or(&mut kept);
            match op {
                Op::Write(key, value) => {
                    overlay.write::<LeaseCounts>(&id(key), &value);
                    top.insert(key, value);
                }
                Op::Remove(key) => {
                    overlay.remove::<LeaseCounts>(&id(key));
                    top.remove(&key);
                }
                Op::Begin => {
                    overlay.begin();
                    kept = open.take().unwrap_or(kept);
                    open = Some(kept.clone());
                }
                Op::Keep => {
                    overlay.keep();
                    kept = open.take().unwrap_or(kept);
                }
                Op::RollBack => {
                    overlay.roll_back();
                    open = None;
                }
            }
            let model = open.as_ref().unwrap_or(&kept);
            for key in 0..12 {
                prop_assert_eq!(overlay.read::<LeaseCounts>(&id(key)).unwrap(), model.get(&key).copied());
            }
            // Every key from every start, in order.
            let until = prefix_end(&[LeaseCounts::TAG]);
            for from in 0..12 {
                let next = overlay.next_key(&LeaseCounts::key(&id(from)), &until).unwrap();
                let expected = model.range(from..).next().map(|(key, _)| LeaseCounts::key(&id(*key)));
                prop_assert_eq!(next, expected);
            }
        }
        let changes = overlay.finish().unwrap();
        for (key, value) in &changes {
            prop_assert!(value.is_some() || below.get(key).unwrap().is_some(), "removes what was never there");
        }
        let mut after = below.clone();
        after.apply(&changes);
        let model = open.unwrap_or(kept);
        let expected = model.iter().map(|(key, value)| (LeaseCounts::key(&id(*key)), encode_value(value)));
        prop_assert_eq!(
            after.entries().map(|(key, value)| (key.to_vec(), value.to_vec())).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
    }
}

#[test]
fn values_of_another_version_or_shape_are_refused() {
    assert_eq!(decode_value::<LeaseCounts>(&encode_value(&7u32)), Ok(7));
    for bytes in [vec![], vec![2, 7, 0, 0, 0], vec![1, 7, 0, 0], vec![1, 7, 0, 0, 0, 0]] {
        assert!(decode_value::<LeaseCounts>(&bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_prefix_ends_where_the_next_begins() {
    assert_eq!(prefix_end(&[1, 2]), [1, 3]);
    assert_eq!(prefix_end(&[1, 0xff, 0xff]), [2]);
    assert!(prefix_end(&[0xff]).is_empty());
}
