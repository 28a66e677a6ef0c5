//! Sending a piece.

use super::{PutAnswer, PutEnd, PutOpen, PutReply, UNIT_BYTES_MAX};
use crate::net::{OpenError, Peer, PeerTarget};
use crate::protocol::Protocol;
use crate::protocol::wire::{Wire, WireError};
use crate::scores::Deed;
use bytes::Bytes;
use dsn_messages::Refusal;
use futures::{Stream, StreamExt as _};
use pieces::PieceHash;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Why a provider did not take a piece.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is no stream.
    #[error("cannot reach {peer}")]
    Open {
        /// The peer.
        peer: String,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// The stream broke.
    #[error("the stream to {peer} broke")]
    Wire {
        /// The peer.
        peer: String,
        /// What happened.
        #[source]
        source: WireError,
    },
    /// The provider refused.
    #[error("{peer} refused the piece")]
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
    /// The piece is longer than was announced, or a unit longer than a unit may be.
    #[error("{actual} bytes are more than {max}")]
    TooLong {
        /// Most bytes.
        max: u32,
        /// Bytes there are.
        actual: u64,
    },
    /// The bytes of the piece could not be read.
    #[error("cannot read the piece")]
    Source(#[source] io::Error),
}

impl PutError {
    /// What it says about the provider, if anything: to refuse is no fault.
    pub fn deed(&self) -> Option<Deed> {
        match self {
            Self::Open { source, .. } => source.deed(),
            Self::Wire { source, .. } => Some(source.deed()),
            Self::Timeout { .. } => Some(Deed::Failed),
            Self::Refused { .. } | Self::TooLong { .. } | Self::Source(_) => None,
        }
    }
}

/// A piece on its way to a provider. Dropped unfinished, nothing is kept of it there.
#[derive(Debug)]
pub struct PutStream {
    wire: Wire,
    peer: String,
    deadline: Instant,
    piece_bytes_max: u32,
    sent: u32,
    idle: Duration,
}

impl Peer {
    /// Announces a piece to `target`, which accepts it or not; then its units are to be sent.
    ///
    /// # Errors
    /// The provider cannot be reached, or refuses.
    pub async fn open_put(&self, target: &PeerTarget, open: PutOpen) -> Result<PutStream, PutError> {
        let peer = target.to_string();
        let deadline = Instant::now() + self.timeouts().whole;
        let piece_bytes_max = open.piece_bytes_max;
        let wire = match self.open(target, Protocol::Put).await {
            Ok(wire) => wire,
            Err(source) => return Err(PutError::Open { peer, source }),
        };
        let idle = self.timeouts().idle;
        let mut put = PutStream { wire, peer, deadline, piece_bytes_max, sent: 0, idle };
        put.announce(&open).await?;
        // All providers of an upload wait for the slowest. Whoever takes nothing is given up before the others, who get
        // nothing meanwhile, give up in turn.
        put.wire.set_idle(idle / 2);
        Ok(put)
    }

    /// Sends a whole piece: its units, in order, each at most [`UNIT_BYTES_MAX`] long. `expected` is its hash.
    ///
    /// # Errors
    /// The provider cannot be reached, refuses, or breaks off; or the units cannot be read.
    pub async fn put(
        &self,
        target: &PeerTarget,
        open: PutOpen,
        units: impl Stream<Item = io::Result<Bytes>>,
        expected: PieceHash,
    ) -> Result<PutAnswer, PutError> {
        let mut put = self.open_put(target, open).await?;
        let mut units = pin!(units);
        while let Some(unit) = units.next().await {
            put.send(&unit.map_err(PutError::Source)?).await?;
        }
        put.finish(expected).await
    }
}

impl PutStream {
    /// Sends the next unit. Waits while the provider is behind.
    ///
    /// # Errors
    /// The provider refuses or breaks off, or the unit is too long.
    pub async fn send(&mut self, unit: &Bytes) -> Result<(), PutError> {
        let count = u32::try_from(unit.len()).unwrap_or(u32::MAX);
        if count > UNIT_BYTES_MAX {
            return Err(PutError::TooLong { max: UNIT_BYTES_MAX, actual: u64::from(count) });
        }
        let room = self.piece_bytes_max.saturating_sub(self.sent);
        if count > room {
            let actual = u64::from(self.sent) + u64::from(count);
            return Err(PutError::TooLong { max: self.piece_bytes_max, actual });
        }
        if count == 0 {
            return Ok(());
        }
        let sending = async {
            self.wire.write_all(&count.to_be_bytes()).await?;
            self.wire.give(unit).await
        };
        let sent = timeout_at(self.deadline, sending).await;
        self.sent += count;
        self.settle(sent).await
    }

    /// Ends the piece, whose hash is `piece_hash`, and waits until it is on disk. Never [`PutAnswer::Refused`].
    ///
    /// # Errors
    /// The provider refuses or breaks off.
    pub async fn finish(mut self, piece_hash: PieceHash) -> Result<PutAnswer, PutError> {
        let end = PutEnd { piece_hash, piece_bytes: self.sent };
        let ending = async {
            self.wire.write_all(&0_u32.to_be_bytes()).await?;
            self.wire.send(&end).await
        };
        let ended = timeout_at(self.deadline, ending).await;
        self.settle(ended).await?;
        // Syncing may take a while.
        self.wire.set_idle(self.idle);
        match timeout_at(self.deadline, self.wire.receive()).await {
            Ok(Ok(PutAnswer::Refused(refusal))) => Err(PutError::Refused { peer: self.peer, refusal }),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(PutError::Wire { peer: self.peer, source }),
            Err(_) => Err(PutError::Timeout { peer: self.peer }),
        }
    }

    async fn announce(&mut self, open: &PutOpen) -> Result<(), PutError> {
        match timeout_at(self.deadline, self.wire.ask(open)).await {
            Ok(Ok(PutReply::Accepted)) => Ok(()),
            Ok(Ok(PutReply::Refused(refusal))) => Err(PutError::Refused { peer: self.peer.clone(), refusal }),
            Ok(Err(source)) => Err(PutError::Wire { peer: self.peer.clone(), source }),
            Err(_) => Err(PutError::Timeout { peer: self.peer.clone() }),
        }
    }

    /// If sending failed, the provider may have said why before it closed the stream.
    async fn settle(
        &mut self,
        sent: Result<Result<(), WireError>, tokio::time::error::Elapsed>,
    ) -> Result<(), PutError> {
        let peer = self.peer.clone();
        match sent {
            Ok(Ok(())) => Ok(()),
            Err(_) => Err(PutError::Timeout { peer }),
            // Silence has lasted long enough: to wait once more would make the other holders take us for dead.
            Ok(Err(source @ WireError::Idle { .. })) => Err(PutError::Wire { peer, source }),
            Ok(Err(source)) => match timeout_at(self.deadline, self.wire.receive()).await {
                Ok(Ok(PutAnswer::Refused(refusal))) => Err(PutError::Refused { peer, refusal }),
                _ => Err(PutError::Wire { peer, source }),
            },
        }
    }
}
