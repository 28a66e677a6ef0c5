//! `get`: give me this range of that piece. See [`dsn_messages::get`] for what is said.

mod client;
mod server;

pub(crate) use client::request_of;
pub use client::{GetError, SliceStream};
pub(crate) use dsn_messages::get::windows;
pub use dsn_messages::get::{GetReply, GetRequest, WINDOW_BYTES, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN};
pub(crate) use server::{Found, Missing, find, give, serve};
