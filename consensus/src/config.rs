//! What a node must decide before it can agree with others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use malachite::app::types::Keypair;
use malachite::app::types::core::LinearTimeouts;
use runtime::crypto::{AccountId, KeyPair, PeerKey};

use crate::codec::limits;
use crate::error::StartError;

/// Directives that quieten the engine in a `tracing_subscriber::EnvFilter`; put them before the user's own.
///
/// `arc_malachitebft_network` reports, at error level and about six times per height, that a validator alone has no
/// peers to publish to (`Error publishing message: NoPeersSubscribedToTopic`), and cannot be told to tell that from
/// anything else. What matters of it (a listening address that is taken, an engine that dies) this crate reports
/// itself. `arc_malachitebft_discovery` warns four times of each peer that goes. The other targets narrate every round at
/// info level.
pub const LOG_DIRECTIVES: &[&str] = &[
    "arc_malachitebft_network=off",
    // A peer of another chain or version: the only event that has this field.
    "arc_malachitebft_network[{protocol_version}]=warn",
    "arc_malachitebft_discovery=error",
    "arc_malachitebft_engine=warn",
    // A line for each message of anybody that does not decode, is too old, or is signed by nobody known.
    "arc_malachitebft_engine::network=off",
    "arc_malachitebft_core_consensus=error",
    "arc_malachitebft_core_driver=warn",
    "arc_malachitebft_core_votekeeper=warn",
    "arc_malachitebft_sync=warn",
    "arc_malachitebft_wal=warn",
    "libp2p_gossipsub=warn",
    "ractor=warn",
];

/// Everything [`crate::start`] needs besides the application.
#[derive(Clone, Debug)]
pub struct ConsensusConfig {
    /// A name for this node in logs and metrics; two engines in one process need two.
    pub moniker: String,
    /// Where to listen, over TCP; port 0 takes any.
    pub listen: SocketAddr,
    /// Peers to stay connected to: multiaddresses over TCP that end in `/p2p/PEER-ID`.
    pub peers: Vec<String>,
    /// Whether nobody but `peers` is let in: a validator behind nodes that follow for it.
    pub peers_only: bool,
    /// Folder of the write-ahead log and the guard file; made if absent. Never copy it to a second machine.
    pub data_dir: PathBuf,
    /// The key to vote with; none follows the chain without voting.
    pub validator: Option<ValidatorKey>,
    /// Makes the guard file anew if it is missing or damaged, though there are blocks, and votes at once: for who knows that
    /// nothing was signed that is not in them.
    pub new_guard: bool,
    /// Seed of the ed25519 key that names this node to its peers.
    pub network_secret: [u8; 32],
    /// How long after a block the next one comes if it has nothing in it.
    pub idle: Duration,
    /// How long each step of a round may take.
    pub timeouts: Timeouts,
    /// Bytes of a block in one proposal part, at most [`ConsensusConfig::PART_BYTES_MAX`].
    pub part_bytes: u32,
    /// Bytes of a block's SCALE, at most [`ConsensusConfig::BLOCK_BYTES_MAX`].
    pub block_bytes_max: u32,
    /// How many connections the port takes.
    pub limits: ConsensusLimits,
    /// How long [`crate::start`] waits for the engine to listen and ask for the first height.
    pub ready_within: Duration,
}

/// How many connections the consensus port takes from others. Who was named is dialled all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsensusLimits {
    /// From one address, made or being made; the engine's own default of five would refuse the rest of a network on one
    /// machine, and zero everybody.
    pub consensus_connections_per_host: usize,
    /// Peers. The port takes four times as many connections, half of them from hosts of named peers.
    pub consensus_peers_in: usize,
}

impl ConsensusLimits {
    /// Connections that the port takes, made or being made: as many as the engine has for so many peers.
    pub(crate) const fn connections(&self) -> usize {
        self.consensus_peers_in.saturating_mul(4)
    }
}

impl Default for ConsensusLimits {
    fn default() -> Self {
        Self { consensus_connections_per_host: 100, consensus_peers_in: 100 }
    }
}

/// Who votes, and with what key.
#[derive(Clone, Debug)]
pub struct ValidatorKey {
    /// The account in the validator set.
    pub account: AccountId,
    /// Its consensus key.
    pub key: KeyPair,
}

/// How long each step of a round may take; a step of round `r` may take `r * delta` longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a proposal to arrive.
    pub propose: Duration,
    /// For prevotes to agree, once two thirds are in.
    pub prevote: Duration,
    /// For precommits to agree, once two thirds are in.
    pub precommit: Duration,
    /// More for each round.
    pub delta: Duration,
    /// Until votes are sent again: how a lost vote is recovered.
    pub rebroadcast: Duration,
    /// No step takes longer.
    pub max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            propose: Duration::from_millis(1500),
            prevote: Duration::from_millis(500),
            precommit: Duration::from_millis(500),
            delta: Duration::from_millis(250),
            rebroadcast: Duration::from_secs(2),
            max: Duration::from_secs(30),
        }
    }
}

impl Timeouts {
    pub(crate) const fn linear(&self) -> LinearTimeouts {
        LinearTimeouts {
            propose: self.propose,
            propose_delta: self.delta,
            prevote: self.prevote,
            prevote_delta: self.delta,
            precommit: self.precommit,
            precommit_delta: self.delta,
            rebroadcast: self.rebroadcast,
            max_timeout: self.max,
        }
    }
}

impl ConsensusConfig {
    /// A part must fit the gossip's limit for parts together with its manifest.
    pub const PART_BYTES_MAX: u32 = 64 * 1024;
    /// A block must fit a sync response, or it could never be synced.
    pub const BLOCK_BYTES_MAX: u32 = 4 * 1024 * 1024;
    /// A block is split into at most this many parts; the manifest names the hash of each.
    pub const PARTS_MAX: u32 = limits::PARTS_MAX;

    /// Numbers of the dev chain: idle 5 s, parts of 64 KiB, blocks of 1 MiB.
    #[must_use]
    pub fn dev(listen: SocketAddr, data_dir: PathBuf, validator: ValidatorKey, network_secret: [u8; 32]) -> Self {
        Self {
            moniker: "dev".into(),
            listen,
            peers: Vec::new(),
            peers_only: false,
            data_dir,
            validator: Some(validator),
            new_guard: false,
            network_secret,
            idle: Duration::from_secs(5),
            timeouts: Timeouts::default(),
            part_bytes: 64 * 1024,
            block_bytes_max: 1024 * 1024,
            limits: ConsensusLimits::default(),
            ready_within: Duration::from_secs(30),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), StartError> {
        let refuse = |what: &str| Err(StartError::Config(what.into()));
        if self.part_bytes == 0 || self.part_bytes > Self::PART_BYTES_MAX {
            return refuse("part_bytes must lie between 1 and 65536");
        }
        if self.block_bytes_max == 0 || self.block_bytes_max > Self::BLOCK_BYTES_MAX {
            return refuse("block_bytes_max must lie between 1 and 4 MiB");
        }
        if self.block_bytes_max.div_ceil(self.part_bytes) > Self::PARTS_MAX {
            return refuse("block_bytes_max takes more parts than a manifest holds; raise part_bytes");
        }
        let steps = [self.timeouts.propose, self.timeouts.prevote, self.timeouts.precommit, self.timeouts.rebroadcast];
        if steps.iter().any(Duration::is_zero) {
            return refuse("a timeout of zero would spin");
        }
        Ok(())
    }
}

/// The peer key, and by its display the peer id, that a network secret gives.
#[must_use]
pub fn peer_key(network_secret: &[u8; 32]) -> PeerKey {
    let public = keypair(network_secret).public();
    let key = public.try_into_ed25519().expect("a key made from an ed25519 seed is an ed25519 key");
    PeerKey::from_bytes(key.to_bytes())
}

pub(crate) fn keypair(network_secret: &[u8; 32]) -> Keypair {
    // The callee wipes what it is given.
    let mut seed = *network_secret;
    Keypair::ed25519_from_bytes(&mut seed).expect("any 32 bytes are an ed25519 seed")
}
