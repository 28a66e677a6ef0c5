//! Networks of several node processes: what they agree on, and what they survive.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where its claim breaks")]

mod agree;
mod faults;
mod sync;
mod world;
