//! Formats are frozen: every encoding, key, hash and payload is compared with a file in `tests/golden`.
//!
//! `PIECEWISE_GOLDEN=write cargo test` writes the files anew; a change of theirs is a change of the chain.

mod proofs;
mod samples;
mod state;
mod types;

use std::fmt::Write;
use std::path::PathBuf;

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use runtime::codec::decode_bounded;

/// Lines of `label hex` for one file.
#[derive(Default)]
pub struct Golden(Vec<(String, Vec<u8>)>);

impl Golden {
    pub fn bytes(&mut self, label: &str, bytes: impl AsRef<[u8]>) {
        self.0.push((label.to_owned(), bytes.as_ref().to_vec()));
    }

    /// An encoding, which must also decode to the same value.
    pub fn value<T>(&mut self, label: &str, value: &T)
    where
        T: Encode + Decode + DecodeWithMemTracking + PartialEq,
    {
        let bytes = value.encode();
        assert!(decode_bounded::<T>(&bytes, bytes.len().max(1_000)).unwrap() == *value, "{label}");
        self.bytes(label, bytes);
    }

    pub fn check(self, name: &str) {
        let mut text = String::new();
        for (label, bytes) in &self.0 {
            writeln!(text, "{label} {}", hex::encode(bytes)).unwrap();
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("hex");
        if std::env::var_os("PIECEWISE_GOLDEN").is_some_and(|mode| mode == "write") {
            std::fs::write(&path, text).unwrap();
            return;
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        for (line, expected) in text.lines().zip(golden.lines()) {
            assert_eq!(line, expected, "in {name}.hex");
        }
        assert_eq!(text.lines().count(), golden.lines().count(), "lines of {name}.hex");
    }
}
