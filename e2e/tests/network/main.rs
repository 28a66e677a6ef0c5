//! Networks of several node processes: what they agree on, and what they survive.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where its claim breaks")]

mod agree;
mod discovery;
mod faults;
mod hostile;
#[path = "../../../dsn/tests/it/intruders.rs"]
mod intruders;
mod namespaces;
mod popular;
mod restored;
mod router;
mod scores;
mod strangers;
mod sync;
mod testnet;
mod world;
