//! What a peer is started with.

use super::neighbours::Neighbours;
use super::settings::NetworkConfig;
use libp2p::Multiaddr;
use runtime::types::BlockHash;
use std::fmt;
use std::time::Duration;

/// What a [`Peer`](super::Peer) is started with.
#[derive(Clone)]
pub struct PeerConfig {
    /// The peer's ed25519 secret.
    pub secret: [u8; 32],
    /// Addresses to listen on, such as `/ip4/127.0.0.1/tcp/0` or `/ip6/::1/udp/0/quic-v1`; none for a peer that only
    /// asks.
    pub listen: Vec<Multiaddr>,
    /// The chain: peers of other chains do not understand this one.
    pub genesis: BlockHash,
    /// How much of everything.
    pub limits: PeerLimits,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Other peers of this process, which it reaches without a connection; none reaches all over the network.
    pub neighbours: Option<Neighbours>,
    /// How it finds others and is found.
    pub network: NetworkConfig,
}

impl fmt::Debug for PeerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConfig")
            .field("listen", &self.listen)
            .field("genesis", &self.genesis)
            .field("network", &self.network)
            .finish_non_exhaustive()
    }
}

/// Bytes of one QUIC stream that may wait to be read: a window, the most that is sent without being asked again.
const QUIC_STREAM_BYTES: u32 = 1024 * 1024;

/// Limits of connections and streams, over TCP and QUIC alike. yamux ends a connection of 512 streams, so twice
/// `streams_per_peer` (both sides) stays below that; QUIC lets no more than that begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Connections that others made.
    pub connections_in: u32,
    /// Connections that this peer made.
    pub connections_out: u32,
    /// Connections that are being made, in each direction. The oldest of the host that makes the most to this peer gives
    /// way to one that is too many.
    pub connections_pending: u32,
    /// Those of them that one host makes to this peer. Its oldest gives way to its newest.
    pub connections_pending_per_host: u32,
    /// Connections with one peer: both may dial at the same moment, and old ones may not have ended yet.
    pub connections_per_peer: u32,
    /// Streams with one peer, opened by one side.
    pub streams_per_peer: u32,
    /// Streams of all peers together that are served at once; beyond it they are closed without an answer.
    pub streams_served: u32,
}

impl PeerLimits {
    /// Streams on one connection that both sides together may have, ours and the few of libp2p's own protocols.
    const fn streams_per_connection(&self) -> u32 {
        self.streams_per_peer.saturating_mul(2)
    }

    /// QUIC with these limits. What a stream may hold unread times all streams is what a connection may, so that those
    /// that nobody reads from do not stop the others.
    pub(super) fn quic(&self, timeouts: &Timeouts, mut quic: libp2p::quic::Config) -> libp2p::quic::Config {
        quic.handshake_timeout = timeouts.dial();
        quic.max_concurrent_stream_limit = self.streams_per_connection();
        quic.max_stream_data = QUIC_STREAM_BYTES;
        quic.max_connection_data = QUIC_STREAM_BYTES.saturating_mul(self.streams_per_connection());
        quic
    }
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            connections_in: 200,
            connections_out: 400,
            connections_pending: 128,
            connections_pending_per_host: 64,
            connections_per_peer: 4,
            streams_per_peer: 128,
            streams_served: 1024,
        }
    }
}

/// How long a peer waits for others before it gives up. Nothing waits without one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect and to open a stream.
    pub connect: Duration,
    /// For the next frame, unit or window, in either direction; whoever sends a piece waits half as long until more of
    /// it is taken.
    pub idle: Duration,
    /// For a whole request, however steadily it goes on.
    pub whole: Duration,
    /// A connection without streams is closed after this long.
    pub connection_idle: Duration,
}

impl Timeouts {
    /// For one address of a peer: where one does not answer there is time for others.
    pub(super) fn dial(&self) -> Duration {
        (self.connect / 4).max(Duration::from_secs(1)).min(self.connect / 2)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            whole: Duration::from_secs(30 * 60),
            connection_idle: Duration::from_secs(60),
        }
    }
}
