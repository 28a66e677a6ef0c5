//! Peers over real sockets, stores on real disks.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod discovery;
mod durability;
mod faults;
mod faulty;
mod floods;
mod gossip;
mod hostile;
mod intruders;
mod loads;
mod netted;
mod network;
#[path = "../../../dsn-messages/tests/it/pages.rs"]
mod pages;
mod proxy;
mod quotas;
mod reach;
mod remembering;
mod scrub;
mod sharing;
mod siege;
mod spec;
mod stores;
mod support;
mod transfer;
mod transports;
mod uploads;
