//! What the ledger promises, from outside.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a test fails by panicking, and its numbers are its own"
)]

mod blocks;
mod concurrency;
mod crash;
mod indexes;
mod mempool;
mod model;
mod opening;
mod proofs;
mod support;
mod undecided;
