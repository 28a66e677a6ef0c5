//! Decoding is bounded: no bytes from outside take more time or memory than their length and their limit allow.

use parity_scale_codec::{Compact, Decode, DecodeWithMemTracking, Encode};
use proptest::prelude::*;
use runtime::codec::{DecodeError, decode_bounded};
use runtime::testkit::{Kit, Simulation};
use runtime::types::{Block, SignedTransaction};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
struct Nested(Vec<Nested>);

fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = vec![4; depth];
    bytes.push(0);
    bytes
}

#[test]
fn a_length_of_a_billion_in_four_bytes_is_refused() {
    let bomb = Compact((1u32 << 30) - 1).encode();
    assert_eq!(bomb.len(), 4);
    assert!(matches!(decode_bounded::<Vec<u8>>(&bomb, 1024), Err(DecodeError::Malformed(_))));
    assert!(matches!(decode_bounded::<Vec<[u8; 64]>>(&bomb, 1024), Err(DecodeError::Malformed(_))));
    assert!(matches!(decode_bounded::<Vec<SignedTransaction>>(&bomb, 1 << 20), Err(DecodeError::Malformed(_))));
}

#[test]
fn what_unfolds_to_more_than_eight_times_the_limit_is_refused() {
    // One byte of SCALE, 24 bytes of heap.
    let bytes = vec![Vec::<u8>::new(); 1000].encode();
    assert!(matches!(decode_bounded::<Vec<Vec<u8>>>(&bytes, 1002), Err(DecodeError::Malformed(_))));
    assert!(decode_bounded::<Vec<Vec<u8>>>(&bytes, 4000).is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    assert!(decode_bounded::<Nested>(&nested(15), 1 << 20).is_ok());
    assert!(matches!(decode_bounded::<Nested>(&nested(16), 1 << 20), Err(DecodeError::Malformed(_))));
    assert!(matches!(decode_bounded::<Nested>(&nested(1_000_000), 1 << 20), Err(DecodeError::Malformed(_))));
}

#[test]
fn leftover_bytes_and_long_inputs_are_refused() {
    assert_eq!(decode_bounded::<u32>(&[1, 0, 0, 0], 4), Ok(1));
    assert_eq!(decode_bounded::<u32>(&[1, 0, 0, 0, 0], 8), Err(DecodeError::LeftOver { count: 1 }));
    assert_eq!(decode_bounded::<u32>(&[1, 0, 0, 0, 0], 4), Err(DecodeError::TooLong { max: 4, actual: 5 }));
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_refused() {
    assert!(decode_bounded::<Vec<u8>>(&[0x04, 7], 10).is_ok());
    assert!(matches!(decode_bounded::<Vec<u8>>(&[0x05, 0x00, 7], 10), Err(DecodeError::Malformed(_))));
}

#[test]
fn the_largest_honest_block_fits_its_own_bound() {
    let mut simulation = Simulation::new(Kit::dev());
    let mut transactions = Vec::new();
    for nonce in 0..20 {
        let store = crate::rules::storage::file(&mut simulation, nonce);
        transactions.push(simulation.kit.sign_store(&runtime::testkit::key("Alice"), nonce, store));
    }
    let executed = simulation.propose(simulation.head.timestamp_ms + 1, &transactions);
    let block = executed.block(runtime::types::StateRoot::ZERO);
    let bytes = block.encode();
    assert_eq!(decode_bounded::<Block>(&bytes, bytes.len()), Ok(block));
}

proptest! {
    #[test]
    fn any_bytes_decode_or_do_not_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(transaction) = decode_bounded::<SignedTransaction>(&bytes, 400) {
            prop_assert_eq!(transaction.encode(), bytes.clone());
        }
        if let Ok(block) = decode_bounded::<Block>(&bytes, 400) {
            prop_assert_eq!(block.encode(), bytes);
        }
    }
}
