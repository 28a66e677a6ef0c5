//! `have`: which of these pieces do you hold?
//!
//! ```text
//! -> HaveRequest { hashes }      <- HaveReply::Held { bitmap } | Refused
//! ```

#![expect(clippy::cast_possible_truncation, reason = "SCALE's derive casts the indices that are written here")]

use super::Protocol;
use super::wire::{Message, Wire, WireError};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::refusal::Refusal;
use crate::scores::Deed;
use crate::service::Served;
use crate::store::PieceStore;
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use pieces::PieceHash;
use std::sync::Arc;
use tokio::time::timeout;

/// Most pieces that can be asked for at once.
pub const HAVE_HASHES_MAX: usize = 1024;

/// Names the pieces.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub struct HaveRequest {
    /// At most [`HAVE_HASHES_MAX`].
    pub hashes: Vec<PieceHash>,
}

impl Message for HaveRequest {
    const NAME: &'static str = "have request";
    /// As many hashes as are allowed, and their count.
    const BYTES_MAX: u32 = 32 * 1024 + 2;
}

/// Says which of them are held.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum HaveReply {
    /// Bit `i % 8` of byte `i / 8`, lowest bit first, is set if piece `i` is held; other bits are zero.
    #[codec(index = 0)]
    Held {
        /// One bit for each piece.
        bitmap: Vec<u8>,
    },
    /// No answer.
    #[codec(index = 1)]
    Refused(Refusal),
}

impl Message for HaveReply {
    const NAME: &'static str = "have reply";
    const BYTES_MAX: u32 = 512;
}

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

fn bitmap(held: &[bool]) -> Vec<u8> {
    held.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// `count` bits, if there are just so many and what is left over is zero.
fn bits(bitmap: &[u8], count: usize) -> Option<Vec<bool>> {
    if bitmap.len() != count.div_ceil(8) {
        return None;
    }
    let mut bits: Vec<bool> = bitmap.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect();
    let left_over = bits.split_off(count);
    left_over.iter().all(|bit| !bit).then_some(bits)
}
