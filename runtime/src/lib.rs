//! Decide what a block changes: the rules of the chain as a pure state machine.
//!
//! ```text
//! (parameters, state before, block) -> (changes, events)
//! ```

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
