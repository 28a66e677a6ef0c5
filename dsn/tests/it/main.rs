//! Peers over real sockets, stores on real disks.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod durability;
mod hostile;
mod loads;
mod network;
mod stores;
mod support;
mod transfer;
mod transports;
mod uploads;
