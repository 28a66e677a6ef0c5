//! Say what peers of the storage network say to each other.
//!
//! Every protocol is one request on a stream of its own:
//!
//! | protocol | asks | answers |
//! |---|---|---|
//! | [`put`] | take this piece | a signed commitment, once it is on disk |
//! | [`mod@get`] | give me this range of that piece | verified slices |
//! | [`share`] | the same; I pass on what I read | verified slices, or others who read it |
//! | [`have`] | which of these pieces do you hold? | one bit for each |
//!
//! Messages are SCALE in [frames](frame) of four bytes of length, big endian, and the message. The layouts are frozen by
//! golden files. This crate is pure: it neither reads nor writes, so that fuzzing it builds no network and no database.
//!
//! # Laws
//! - **Bounded before it is decoded.** A frame's length is checked before a byte of its message is kept, and no message
//!   takes more memory than eight times its limit.
//! - **One encoding.** What decodes encodes to the very same bytes.

pub mod frame;
pub mod get;
pub mod have;
pub mod put;
mod refusal;
pub mod share;

pub use frame::{FrameError, FrameReader, Message, frame};
pub use refusal::{REFUSAL_TEXT_BYTES, Refusal, RefusalCode};
