//! Peers over real sockets, stores on real disks.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod durability;
mod faults;
mod faulty;
mod hostile;
mod loads;
mod network;
mod proxy;
mod quotas;
mod scrub;
mod sharing;
mod stores;
mod support;
mod transfer;
mod transports;
mod uploads;
