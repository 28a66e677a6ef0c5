//! Decide what a block changes: the rules of the chain as a pure state machine.
//!
//! ```text
//!   parent header, state after it (state::StateView)
//!        |                  transactions (types::SignedTransaction)
//!        v                        |
//!   execute::Proposal  <----------+      epoch    snapshot, settlement, sweep     once a block
//!        |   fee and nonce               call     accounts, providers, storage    in a layer that rolls back
//!        v                               placement, terms, fees, deals            pure; clients use them too
//!   execute::Executed { changes, events, header but for the state's root }
//! ```
//!
//! [`execute::execute_block`] does for who checks a block what [`execute::Proposal`] does for who makes it.
//! [`validate`] says whether a transaction may wait for a block; [`genesis`] makes block 0.
//!
//! # Laws
//! - **Pure.** No clock, disk, network, threads or randomness; no floats, no map without order. The same block on the
//!   same state gives the same changes everywhere.
//! - **Supply is conserved.** Accounts, escrow, repair fund and treasury together are what genesis made.
//! - **The escrow is exact.** It holds what the scheduled rates of all providers will pay, to the unit.
//! - **Nothing is negative**, and no provider has committed to more than it declares.
//! - **One holder** for each (file, segment, index).
//! - **A call fails whole.** It keeps its fee and its nonce, and leaves one event.
//! - **Formats are frozen** by the files in `tests/golden`; tags and indices are only appended.
//!
//! A rule that is broken is a [`rule::Rule`]; a state that cannot be read, or that no rule can have written, is a
//! [`state::StateError`], and whoever meets one must stop.

pub mod beacon;
mod call;
pub mod codec;
pub mod crypto;
pub mod deals;
mod epoch;
pub mod event;
pub mod execute;
pub mod fees;
pub mod genesis;
mod leases;
pub mod light;
pub mod placement;
mod rates;
pub mod rule;
mod settlement;
mod slots;
mod snapshot;
pub mod state;
mod sweep;
pub mod tables;
pub mod terms;
#[doc(hidden)]
pub mod testkit;
pub mod types;
pub mod validate;

pub use snapshot::WEIGHT_UNIT_BYTES;
