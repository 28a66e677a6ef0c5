//! What the crate promises, from outside.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test fails by panicking, and its numbers are its own"
)]

mod bundle;
mod codewords;
mod golden;
mod hashes;
mod hostile;
mod manifest;
mod oracle;
mod proofs;
mod ranges;
mod roundtrip;
mod sizes;
mod slices;
mod spares;
mod support;
