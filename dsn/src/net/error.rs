//! What can go wrong with peers.

use crate::scores::Deed;
use libp2p::{Multiaddr, noise};
use std::io;

/// Why a peer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The secret is not one.
    #[error("the peer's secret is not an ed25519 secret")]
    Secret,
    /// Encryption cannot be set up.
    #[error("cannot set up the transport")]
    Transport(#[source] noise::Error),
    /// Names cannot be resolved.
    #[error("cannot read how this system resolves names")]
    Names(#[source] io::Error),
    /// An address of the network's configuration is of no use.
    #[error("{address} cannot be used: {reason}")]
    Network {
        /// The address.
        address: Multiaddr,
        /// Why not.
        reason: String,
    },
    /// It cannot listen there.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why not.
        reason: String,
    },
}

/// Why there is no stream to a peer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No peer can have this key.
    #[error("{peer} is not an ed25519 key")]
    Key {
        /// The key.
        peer: String,
    },
    /// The peer cannot be reached.
    #[error("cannot connect: {reason}")]
    Dial {
        /// Each address and why not.
        reason: String,
        /// Whether it may go better at once, from another port: an address answered and broke off while the connection was
        /// being made, as one that has too many does, or the port that this side listens on could not be dialed from.
        try_again: bool,
    },
    /// The peer is of another chain, or does not serve pieces.
    #[error("the peer does not speak {protocol}: it is of another chain, or no provider")]
    NotSpoken {
        /// The protocol's name.
        protocol: String,
    },
    /// The peer said that it is of another chain, or speaks another version.
    #[error("the peer {reason}")]
    Refused {
        /// How it differs.
        reason: String,
    },
    /// The connection ended while the stream was being opened.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// What happened.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("timed out trying to {what}")]
    Timeout {
        /// What was tried.
        what: &'static str,
    },
    /// So many streams with this peer, or connections, are open that none ended in time.
    #[error("too many streams or connections are open here")]
    Busy,
    /// This peer was stopped.
    #[error("this peer was stopped")]
    Stopped,
}

impl OpenError {
    /// What it says about the peer, if anything.
    pub fn deed(&self) -> Option<Deed> {
        match self {
            Self::Key { .. } | Self::Busy | Self::Stopped => None,
            Self::Dial { .. }
            | Self::NotSpoken { .. }
            | Self::Refused { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. } => Some(Deed::Failed),
        }
    }
}
