//! Claims about agreement: real engines, real signatures, an application in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![allow(missing_docs, reason = "tests say what they claim in their names")]

mod announcements;
mod byzantine;
mod codecs;
mod ending;
mod golden;
mod guard;
mod many;
mod network;
#[path = "../../../dsn-messages/tests/it/pages.rs"]
mod pages;
mod quiet;
mod sample;
mod single;
mod spec;
mod strangers;
mod streams;
mod support;
