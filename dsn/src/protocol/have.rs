//! `have`: which of these pieces do you hold? See [`dsn_messages::have`] for what is said.

use super::Protocol;
use super::wire::{Wire, WireError};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::scores::Deed;
use crate::service::{PieceService, Served, internal};
use crate::store::StoreError;
use dsn_messages::Refusal;
use dsn_messages::have::{bitmap, bits};
use pieces::PieceHash;
use tokio::time::timeout;

pub use dsn_messages::have::{HAVE_HASHES_MAX, HaveReply, HaveRequest};

/// Why a peer did not say which pieces it holds.
#[derive(Debug, thiserror::Error)]
pub enum HaveError {
    /// Too many at once.
    #[error("{count} pieces are more than {HAVE_HASHES_MAX}")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// There is no stream.
    #[error("cannot ask {peer}")]
    Open {
        /// The peer.
        peer: String,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The stream broke.
    #[error("{peer} did not answer")]
    Wire {
        /// The peer.
        peer: String,
        /// What happened.
        #[source]
        source: WireError,
    },
    /// The peer refused.
    #[error("{peer} refused")]
    Refused {
        /// The peer.
        peer: String,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// It took too long.
    #[error("{peer} took too long")]
    Timeout {
        /// The peer.
        peer: String,
    },
    /// The bitmap has another length.
    #[error("{peer} answered for another number of pieces")]
    Length {
        /// The peer.
        peer: String,
    },
}

impl HaveError {
    /// What it says about the peer, if anything: to refuse is no fault.
    pub fn deed(&self) -> Option<Deed> {
        match self {
            Self::Open { source, .. } => source.deed(),
            Self::Wire { source, .. } => Some(source.deed()),
            Self::Timeout { .. } => Some(Deed::Failed),
            Self::Length { .. } => Some(Deed::Lied),
            Self::TooMany { .. } | Self::Refused { .. } => None,
        }
    }
}

/// Whether a peer has a piece, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It does not.
    Not,
    /// It was read and is kept for a while: nobody may count on it.
    Cached,
    /// It is kept for a promise.
    Held,
}

impl Peer {
    /// Asks `target` which of `hashes`, at most [`HAVE_HASHES_MAX`], it holds: one answer for each. It claims, it does
    /// not prove. What is cached is not held.
    ///
    /// # Errors
    /// The peer cannot be asked or does not answer.
    pub async fn have(&self, target: &PeerTarget, hashes: Vec<PieceHash>) -> Result<Vec<bool>, HaveError> {
        let kept = self.kept(target, hashes).await?;
        Ok(kept.into_iter().map(|kept| kept == Kept::Held).collect())
    }

    /// As [`have`](Self::have), and which of them it has in its cache.
    ///
    /// # Errors
    /// The peer cannot be asked or does not answer.
    pub async fn kept(&self, target: &PeerTarget, hashes: Vec<PieceHash>) -> Result<Vec<Kept>, HaveError> {
        let count = hashes.len();
        if count > HAVE_HASHES_MAX {
            return Err(HaveError::TooMany { count });
        }
        let peer = target.to_string();
        match timeout(self.timeouts().whole, ask(self, target, hashes)).await {
            Ok(answer) => answer,
            Err(_) => Err(HaveError::Timeout { peer }),
        }
    }
}

async fn ask(peer: &Peer, target: &PeerTarget, hashes: Vec<PieceHash>) -> Result<Vec<Kept>, HaveError> {
    let count = hashes.len();
    let name = || target.to_string();
    let broken = |source| HaveError::Wire { peer: name(), source };
    let mut wire =
        peer.open(target, Protocol::Have).await.map_err(|source| HaveError::Open { peer: name(), source })?;
    let (held, cached) = match wire.ask(&HaveRequest { hashes }).await.map_err(broken)? {
        HaveReply::Held { bitmap: held } => (bits(&held, count), Some(vec![false; count])),
        HaveReply::Kept { held, cached } => (bits(&held, count), bits(&cached, count)),
        HaveReply::Refused(refusal) => return Err(HaveError::Refused { peer: name(), refusal }),
    };
    let (Some(held), Some(cached)) = (held, cached) else { return Err(HaveError::Length { peer: name() }) };
    Ok(held.into_iter().zip(cached).map(kept).collect())
}

fn kept((held, cached): (bool, bool)) -> Kept {
    match (held, cached) {
        (true, _) => Kept::Held,
        (false, true) => Kept::Cached,
        (false, false) => Kept::Not,
    }
}

/// Answers one request.
pub(crate) async fn serve(wire: &mut Wire, service: &PieceService) -> Result<Served, WireError> {
    // No request has more hashes than are allowed, as it would be too long.
    let HaveRequest { hashes } = wire.receive().await?;
    let service = service.clone();
    let reply = match tokio::task::spawn_blocking(move || look(&service, &hashes)).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => HaveReply::Refused(internal("have", &error)),
        Err(error) => HaveReply::Refused(internal("have", &error)),
    };
    wire.send(&reply).await?;
    Ok(match reply {
        HaveReply::Held { .. } | HaveReply::Kept { .. } => Served::Done { bytes: 0 },
        HaveReply::Refused(_) => Served::Refused,
    })
}

fn look(service: &PieceService, hashes: &[PieceHash]) -> Result<HaveReply, StoreError> {
    let is_held = |hash| service.store().map_or(Ok(false), |store| store.has(hash));
    let held = hashes.iter().map(is_held).collect::<Result<Vec<bool>, _>>()?;
    let cached: Vec<bool> = hashes.iter().map(|hash| service.cache().is_some_and(|cache| cache.has(hash))).collect();
    let held = bitmap(&held);
    Ok(if cached.contains(&true) {
        HaveReply::Kept { held, cached: bitmap(&cached) }
    } else {
        HaveReply::Held { bitmap: held }
    })
}
