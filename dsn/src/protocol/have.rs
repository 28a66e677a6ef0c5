//! `have`: which of these pieces do you hold? See [`dsn_messages::have`] for what is said.

use super::Protocol;
use super::wire::{Wire, WireError};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::scores::Deed;
use crate::service::Served;
use crate::store::PieceStore;
use dsn_messages::Refusal;
use dsn_messages::have::{bitmap, bits};
use pieces::PieceHash;
use std::sync::Arc;
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

impl Peer {
    /// Asks `target` which of `hashes`, at most [`HAVE_HASHES_MAX`], it holds: one answer for each. It claims, it does
    /// not prove.
    ///
    /// # Errors
    /// The peer cannot be asked or does not answer.
    pub async fn have(&self, target: &PeerTarget, hashes: Vec<PieceHash>) -> Result<Vec<bool>, HaveError> {
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

async fn ask(peer: &Peer, target: &PeerTarget, hashes: Vec<PieceHash>) -> Result<Vec<bool>, HaveError> {
    let count = hashes.len();
    let name = || target.to_string();
    let broken = |source| HaveError::Wire { peer: name(), source };
    let mut wire =
        peer.open(target, Protocol::Have).await.map_err(|source| HaveError::Open { peer: name(), source })?;
    match wire.ask(&HaveRequest { hashes }).await.map_err(broken)? {
        HaveReply::Held { bitmap } => bits(&bitmap, count).ok_or_else(|| HaveError::Length { peer: name() }),
        HaveReply::Refused(refusal) => Err(HaveError::Refused { peer: name(), refusal }),
    }
}

/// Answers one request.
pub(crate) async fn serve(wire: &mut Wire, store: &Arc<PieceStore>) -> Result<Served, WireError> {
    // No request has more hashes than are allowed, as it would be too long.
    let HaveRequest { hashes } = wire.receive().await?;
    let store = Arc::clone(store);
    let asked = tokio::task::spawn_blocking(move || {
        hashes.iter().map(|hash| store.has(hash)).collect::<Result<Vec<bool>, _>>()
    });
    let reply = match asked.await {
        Ok(Ok(held)) => HaveReply::Held { bitmap: bitmap(&held) },
        Ok(Err(error)) => HaveReply::Refused(crate::service::internal("have", &error)),
        Err(error) => HaveReply::Refused(crate::service::internal("have", &error)),
    };
    wire.send(&reply).await?;
    Ok(match reply {
        HaveReply::Held { .. } => Served::Done { bytes: 0 },
        HaveReply::Refused(_) => Served::Refused,
    })
}
