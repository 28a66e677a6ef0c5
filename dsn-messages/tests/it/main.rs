//! Layouts and limits of what peers say.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod frames;
mod golden;
mod pages;
mod spec;
