//! Agree on blocks with Malachite.
//!
//! This crate is the only door to the consensus engine. It knows neither the ledger nor the rules: whoever starts it
//! brings an [`Application`], which makes, checks and commits blocks, and a [`WorkSignal`], which says when the next
//! block is worth making.
//!
//! ```text
//!            Application (propose, check, commit)      WorkSignal
//!                 ^ on a blocking thread                   ^
//!   +-------------|----------------------------------------|------+
//!   |  host: one arm per message, one handler per file; idles by holding `Finalized`  |
//!   +----^---------------------------------------------+----------+
//!        | AppMsg                                       | proposal parts
//!   +----|----------------------------------------------v---------+
//!   |  Malachite: rounds, votes, write-ahead log, sync, its own libp2p swarm          |
//!   |     asks our Signer (with its guard file), Verifier and codecs                  |
//!   +----^--------------------------------------------------------+
//!        | on loopback, what the port lets in: named peers' hosts always find a place
//!   consensus port
//! ```
//!
//! Laws, each with a test: a height is decided as soon as there is work and, without any, one idle time after the
//! last; a signature leaves only after the guard file knows it, and never two for one (height, round, kind), though the
//! folder be lost and the key put on another; blocks that are read for peers hold up no vote; nothing
//! from the network can take the process down; an application that fails ends the engine with a reason.

mod announcement;
mod application;
mod codec;
mod config;
mod context;
mod engine;
mod error;
mod gate;
mod guard;
mod heights;
mod history;
mod host;
mod launch;
mod log;
mod metrics;
mod newcomer;
mod peers;
mod port;
mod signing;
mod start;
mod stream;
mod types;

pub use announcement::{Announcement, AnnouncementError};
pub use application::{Application, ApplicationError, Candidate, HeadInfo, Verdict, WorkSignal};
pub use config::{ConsensusConfig, ConsensusLimits, LOG_DIRECTIVES, Timeouts, ValidatorKey, peer_key};
pub use error::{EndReason, GuardError, StartError};
pub use heights::PeerHeights;
pub use metrics::write_metrics;
pub use peers::{ConsensusPeers, PeerError};
pub use start::{ConsensusHandle, start};

/// The wire and log formats, for the tests that freeze them and the fuzzers that attack them.
#[doc(hidden)]
pub mod formats {
    pub use crate::codec::{CodecError, WireCodec, limits};
    pub use crate::context::{ChainContext, ConsensusHeight};
    pub use crate::guard::{Guard, Sealed, SignedKind};
    pub use crate::signing::ConsensusSigner;
    pub use crate::stream::{Added, PartStreams, Standing, StreamLimits, Whole, manifest, split};
    pub use crate::types::{Address, BlockRef, PartManifest, Proposal, ProposalPart, Validators, Vote};
    pub use malachite::app;
    pub use malachite_signing::{Signer, Verifier};
    pub use malachite_sync::{ValueRequest, ValueResponse};
}

/// How an engine is put together, for the tests that put one together wrongly.
#[doc(hidden)]
pub mod assembly {
    pub use crate::engine::{Plan, build, identity, settings};
    pub use crate::gate::{Listeners, open as open_gate};
    pub use crate::signing::ConsensusVerifier;
    pub use crate::start::start_with;
}
