//! A whole block, as proposal parts and sync bring it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::types::Block;

/// Bytes of the largest block.
const BLOCK_BYTES_MAX: usize = 1024 * 1024;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(block) = decode_bounded::<Block>(bytes, BLOCK_BYTES_MAX) {
        assert_eq!(block.encode(), bytes, "two encodings of one block");
        let _ = block.hash();
        let _ = block.transactions_root();
    }
});
