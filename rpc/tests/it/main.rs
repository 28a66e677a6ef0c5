//! The servers from outside: real sockets, and a node that lives in memory behind the ports.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod calls;
mod chunks;
mod errors;
mod files;
mod floods;
mod guard;
mod limits;
mod memory;
mod methods;
mod proofs;
mod raw;
mod samples;
mod subscriptions;
mod uploads;
mod websocket;
mod world;
