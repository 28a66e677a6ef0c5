//! Move pieces between peers and keep them on disk.
//!
//! ```text
//!  gateway                                                   provider
//!  upload_segment --put: units--> PieceService --admit?--> Admission (the ledger's rules, by the node)
//!        |                              | bytes hashed as they are written
//!        |                              v
//!        |<-- StorageCommitment --- PieceStore: file, fsync, rename, fsync folder, synced row; only then signed
//!
//!  reader                                                    any k of n providers
//!  SegmentReader <--get: verified windows-- PieceService <-- PieceStore
//!        |            (a lying peer is dropped, a parity column takes over at the same stripe)
//!        |----> PieceCache --get--> other readers, whom the holder names to each other (share)
//!        v
//!  stripes in order                          have: which of these pieces do you hold?
//! ```
//!
//! # The network around a peer
//! [`NetworkConfig`] turns on the ways to find peers and to be reached, each by itself: boot nodes, the table of peers,
//! the same link, rendezvous points, the file of an earlier run; port mapping, relays. Peers are kept once identify says
//! that they are of this chain. Transactions are passed on once [`TransactionGossip`] has judged them.
//!
//! # Laws
//! - **Bytes before words.** A commitment is signed only once its piece, the folder and the index row are synced.
//! - **Verified first.** No byte of a `get` is handed out before it was hashed up to the piece it was asked by.
//! - **Everything is bounded.** Frames, units, windows, streams, connections, queues and waits have named limits.
//! - **A lost file is a lost row.** Whatever happens to the folder, the store opens and says what it still holds.
//! - **One chain.** Protocol names carry the genesis hash: peers of other chains cannot even open a stream.
//!
//! This is the only crate that knows libp2p, apart from the one Malachite brings for itself.

pub mod admission;
pub mod cache;
pub mod download;
pub mod net;
mod pace;
pub mod protocol;
pub mod scores;
pub mod service;
pub mod store;
pub mod upload;

pub use admission::{Admission, Admitted, AdmittedKind};
pub use cache::{CACHE_BYTES, CacheError, CacheLimits, PieceCache};
pub use download::{DownloadError, Holder, Segment, SegmentReader, Stripes, read_bytes_max};
pub use dsn_messages::{FrameError, Refusal, RefusalCode};
pub use libp2p::Multiaddr;
pub use net::{
    ANNOUNCEMENT_BYTES_MAX, Acceptance, AlreadyServing, FoundBy, GossipError, Judged, KnownPeer, Neighbours,
    NetworkConfig, NetworkCounts, NetworkIntervals, NetworkLimits, OpenError, Peer, PeerConfig, PeerInfo, PeerLimits,
    PeerTarget, StartError, Timeouts, TransactionGossip, is_relayed,
};
pub use protocol::get::{GetError, SliceStream};
pub use protocol::have::{HAVE_HASHES_MAX, HaveError, Kept};
pub use protocol::put::{Authority, PutAnswer, PutError, PutOpen, PutStream, UNIT_BYTES_MAX};
pub use protocol::wire::WireError;
pub use scores::{Deed, FaultCounts, Marked, Standing};
pub use service::{Counted, PieceService, ReadCounters, ServiceCounters, ServiceLimits};
pub use store::{PieceKey, PieceRow, PieceStore, StoreError, StoreLimits, SweepReport, Unowned, UnrecordedQuota};
pub use upload::{
    Candidate, ColumnCommitment, ColumnFailure, SegmentUpload, StripeItem, StripeSource, StripeStream, UploadError,
    UploadedSegment, upload_segment,
};
