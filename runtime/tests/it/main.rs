//! The laws of the rules, one file each.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod beacon;
mod codec;
mod deals;
mod determinism;
mod epochs;
mod genesis;
mod golden;
mod headers;
mod laws;
mod leases;
mod light;
mod money;
mod placement;
mod proposal;
mod releases;
mod rollback;
mod rules;
mod state;
mod sweep;
mod walk;
