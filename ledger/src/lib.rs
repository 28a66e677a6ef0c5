//! Keep blocks, authenticated state and indexes on one RocksDB.
//!
//! ```text
//!  Genesis --open--> Ledger --state()--> StateSnapshot --(the rules)--> Executed
//!                      ^                                                    |
//!                      |                                            changes |
//!                      |        header: state_root <-- Preview <--preview()-+
//!                      |                                  |
//!                      +--commit(block, executed, preview, certificate)
//!                         one synced batch: header, body, certificate, events, state, tree, indexes, height
//! ```
//!
//! # Laws
//! - **Whole heights.** A height is one synced write: whenever the process dies, the ledger reopens at a whole height.
//! - **Written, then believed.** The head in memory moves after the write; a write that fails ends all writing.
//! - **Only on the head.** A block, a preview or an undecided block that stands on anything else is refused.
//! - **A snapshot stands still.** What a [`StateSnapshot`] answers does not depend on what is committed meanwhile.
//! - **Every height stays readable.** Values and tree nodes are added, never overwritten.
//! - **Indexes follow.** Every index row follows from blocks and state.
//! - **Seen before told.** An undecided block is synced before [`Ledger::remember`] returns.
//!
//! The [`mempool`] holds transactions that wait for a block; it is memory behind a lock, and a file if it is kept.

mod chain;
mod commit;
mod db;
mod error;
mod index;
pub mod mempool;
mod opening;
mod preview;
mod proof;
mod reader;
mod state;
mod tree;
mod undecided;
mod versions;

pub use chain::{Head, Ledger};
pub use error::{DatabaseError, LedgerError, OpenError};
pub use mempool::{AdmitError, Mempool, MempoolLimits};
pub use preview::Preview;
pub use reader::{PAGE_ITEMS_MAX, Page, TransactionRecord};
pub use state::StateSnapshot;
pub use tree::key_hash;
pub use undecided::UNDECIDED_BLOCKS_MAX;
