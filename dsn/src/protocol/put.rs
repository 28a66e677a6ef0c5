//! `put`: take this piece. See [`dsn_messages::put`] for what is said.

mod client;
mod server;

pub use client::{PutError, PutStream};
pub use dsn_messages::put::{Authority, PutAnswer, PutEnd, PutOpen, PutReply, UNIT_BYTES_MAX};
pub(crate) use server::serve;

/// Bytes that a provider hashes and writes at a time, while it receives as many more.
pub const WRITE_BYTES: usize = 256 * 1024;
