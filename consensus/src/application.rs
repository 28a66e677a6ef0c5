//! What agreement needs from the rest of the node.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use runtime::types::{BlockHash, CommitCertificate, Header, Height, ValidatorSet};

/// Makes, checks and commits blocks.
///
/// Every method is synchronous and may read and write the disk: the host calls them on a blocking thread, one at a
/// time, but for [`Application::decided`], which is called beside all others. An error is a failure of this machine (a disk, a bug), never of a peer; it ends the engine.
pub trait Application: Send + Sync + 'static {
    /// Hash of header 0; part of everything that is signed and of the network's protocol names.
    fn genesis(&self) -> BlockHash;

    /// The last committed height and who votes on the next.
    ///
    /// # Errors
    /// If it cannot be read.
    fn head(&self) -> Result<HeadInfo, ApplicationError>;

    /// A block for `height`, first proposed by this node in `round`; stored durably before this returns. Asked again
    /// for the same height and round, even after a crash, it returns the same candidate.
    ///
    /// # Errors
    /// If it cannot be made or stored.
    fn propose(&self, height: Height, round: u32) -> Result<Candidate, ApplicationError>;

    /// Judges `bytes`, the SCALE of a block from somebody else, as a block for `height`: decodes within bounds,
    /// executes, and stores a valid one durably before it returns.
    ///
    /// If `live`, the block is about to be voted on: `round` is the one it was first proposed in, equal to its
    /// header's, and its time is held against the clock. If not, it came by sync: `round` is the one it was decided
    /// in, so its header's may be lower, and the clock is not looked at.
    ///
    /// # Errors
    /// If it cannot be judged; a bad block is [`Verdict::Invalid`], not an error.
    fn check(&self, height: Height, round: u32, bytes: &[u8], live: bool) -> Result<Verdict, ApplicationError>;

    /// The valid candidates stored for `height` and `round`, decided or not yet.
    ///
    /// # Errors
    /// If they cannot be read.
    fn undecided(&self, height: Height, round: u32) -> Result<Vec<Candidate>, ApplicationError>;

    /// One stored candidate.
    ///
    /// # Errors
    /// If it cannot be read.
    fn candidate(&self, height: Height, hash: BlockHash) -> Result<Option<Candidate>, ApplicationError>;

    /// Makes the certified candidate the head: block, certificate and state in one durable step. Committing a height
    /// again that is committed already with the same block is not an error.
    ///
    /// # Errors
    /// If the candidate is unknown or cannot be written.
    fn commit(&self, certificate: &CommitCertificate) -> Result<(), ApplicationError>;

    /// A committed block's SCALE and its certificate, if still kept.
    ///
    /// # Errors
    /// If it cannot be read.
    fn decided(&self, height: Height) -> Result<Option<(Bytes, CommitCertificate)>, ApplicationError>;

    /// The lowest height that [`Application::decided`] can serve.
    fn min_height(&self) -> Height;
}

/// Says when there is work for the next block.
pub trait WorkSignal: Send + Sync {
    /// Resolves as soon as there is work, at once if there is some already; pending while there is none. May be
    /// dropped and called again at any time.
    ///
    /// Work that is in no block after a commit, because it cannot be, must not count any longer: the chain would
    /// spin.
    fn wait<'a>(&'a self) -> BoxFuture<'a, ()>;
}

/// The last committed height and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadInfo {
    /// The last committed height; 0 when only genesis is.
    pub height: Height,
    /// Who votes on `height + 1`; never empty, total power below a third of `u64::MAX`.
    pub validators: ValidatorSet,
    /// How long a height should take; none is as fast as it goes.
    pub target: Option<Duration>,
}

/// A block that is stored and may be voted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Hash of the header.
    pub hash: BlockHash,
    /// The header.
    pub header: Header,
    /// SCALE of the block.
    pub bytes: Bytes,
}

/// What the application says of somebody else's block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly all of them are valid")]
pub enum Verdict {
    /// It may be voted for, and it is stored.
    Valid(Candidate),
    /// It must not be voted for.
    Invalid {
        /// The rule it breaks, for the log.
        why: String,
    },
}

/// The application could not do what it was asked, through no fault of a peer.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ApplicationError {
    what: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApplicationError {
    /// A failure in words.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// A failure with the cause beneath it.
    #[must_use]
    pub fn caused(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}
