//! What holds for the whole workspace: its edges and its doors.
#![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

mod architecture;
mod limits;
