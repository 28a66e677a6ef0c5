//! Decide what a block changes: the rules of the chain as a pure state machine.

pub mod crypto;
pub mod event;
pub mod rule;
pub mod tables;
pub mod types;
