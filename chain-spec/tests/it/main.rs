//! What the chain specs promise.
#![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

mod presets;
mod refusals;
