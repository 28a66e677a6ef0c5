//! A signed transaction, as `author_submitTransaction` and the gossip take it: whatever decodes has that one encoding,
//! and can be named, priced and checked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::types::{BlockHash, SignedTransaction};

/// Bytes of the largest transaction.
const TRANSACTION_BYTES_MAX: usize = 512 * 1024;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = decode_bounded::<SignedTransaction>(bytes, TRANSACTION_BYTES_MAX) {
        assert_eq!(signed.encode(), bytes, "two encodings of one transaction");
        let _ = signed.hash();
        let _ = signed.verify(&BlockHash::ZERO);
    }
});
