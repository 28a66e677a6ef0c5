//! Assembles Malachite: its configuration, its actors, and the watch over how it ends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use malachite::app::config::{
    ChannelNames, ConsensusConfig as EngineConsensusConfig, DiscoveryConfig, NodeConfig, P2pConfig, ProtocolNames,
    PubSubMaxSizePerTopic, PubSubProtocol, ValuePayload, ValueSyncConfig,
};
use malachite::app::engine::util::events::Event;
use malachite::app::events::TxEvent;
use malachite::app::metrics::SharedRegistry;
use malachite::app::net::Multiaddr;
use malachite::app::types::PeerId;
use malachite::app::types::codec::Codec;
use malachite::app::types::core::ValueOrigin;
use malachite::spawn::spawn_network_actor;
use malachite::{
    Channels, ConsensusContext, EngineBuilder, EngineHandle, NetworkIdentity, RequestContext, SyncContext, WalContext,
};
use runtime::crypto::AccountId;
use runtime::types::BlockHash;
use tokio::sync::{broadcast, mpsc};

use crate::codec::{WireCodec, limits};
use crate::config::{ConsensusConfig, keypair, peer_key};
use crate::context::ChainContext;
use crate::error::{EndReason, StartError, chain};
use crate::gate::{self, Listeners};
use crate::signing::{ConsensusSigner, ConsensusVerifier, proof_of_validator};
use crate::types::Address;

/// A validator's engine that says nothing for this long hangs; it sends its votes again every few seconds when nothing goes on.
const QUIET: Duration = Duration::from_secs(10 * 60);
/// Requests for a state dump that may wait; nothing here sends any.
const REQUESTS: usize = 16;

/// What the engine reads its configuration from.
pub struct Settings {
    moniker: String,
    consensus: EngineConsensusConfig,
    sync: ValueSyncConfig,
}

impl NodeConfig for Settings {
    fn moniker(&self) -> &str {
        &self.moniker
    }

    fn consensus(&self) -> &EngineConsensusConfig {
        &self.consensus
    }

    fn consensus_mut(&mut self) -> &mut EngineConsensusConfig {
        &mut self.consensus
    }

    fn value_sync(&self) -> &ValueSyncConfig {
        &self.sync
    }

    fn value_sync_mut(&mut self) -> &mut ValueSyncConfig {
        &mut self.sync
    }
}

/// What an engine is built from.
#[derive(Clone)]
pub struct Plan {
    /// The node's configuration.
    pub config: ConsensusConfig,
    /// Hash of header 0.
    pub genesis: BlockHash,
    /// The guarded key, if the node votes.
    pub signer: Option<ConsensusSigner>,
    /// Where the write-ahead log goes.
    pub log: PathBuf,
    /// What listens between the engine and its network.
    pub listeners: Listeners,
}

/// Starts the engine's actors. They wait for the host's answer to `ConsensusReady`.
///
/// # Errors
/// [`StartError`] if the configuration is not one, or the engine refuses it.
pub async fn build(plan: Plan) -> Result<(Channels<ChainContext>, EngineHandle), StartError> {
    let Plan { config, genesis, signer, log, listeners } = plan;
    let settings = settings(&config, &genesis)?;
    let identity = identity(&config, signer.as_ref()).await?;
    let registry = SharedRegistry::global().with_moniker(settings.moniker());
    let network = spawn_network_actor(identity, settings.consensus(), settings.value_sync(), &registry, WireCodec);
    let (network, parts) = network.await.map_err(|error| StartError::Engine(chain(error.as_ref())))?;
    let network = gate::open(network, listeners).await?;
    let verifier = Box::new(ConsensusVerifier::new(genesis));
    let address = Address(signer.as_ref().map_or_else(|| stand_in(&config), ConsensusSigner::account));
    let consensus = match signer {
        Some(signer) => ConsensusContext::new_validator(address, verifier, Box::new(signer)),
        None => ConsensusContext::new_full_node(address, verifier),
    };
    EngineBuilder::new(ChainContext::new(genesis), settings)
        .with_default_wal(WalContext::new(log, WireCodec))
        .with_custom_network(network, parts)
        .with_default_sync(SyncContext::new(WireCodec))
        .with_default_consensus(consensus)
        .with_default_request(RequestContext::new(REQUESTS))
        .build()
        .await
        .map_err(|error| StartError::Engine(chain(error.as_ref())))
}

/// A node that does not vote still has an address to the engine; this one is in no validator set.
fn stand_in(config: &ConsensusConfig) -> AccountId {
    AccountId::from_bytes(*peer_key(&config.network_secret).as_bytes())
}

/// What the node shows its peers: its network key and, of a validator, the proof that binds the two keys.
///
/// # Errors
/// [`StartError::Engine`] if the proof cannot be signed.
pub async fn identity(
    config: &ConsensusConfig,
    signer: Option<&ConsensusSigner>,
) -> Result<NetworkIdentity, StartError> {
    let keypair = keypair(&config.network_secret);
    let moniker = config.moniker.clone();
    let (Some(signer), Some(validator)) = (signer, config.validator.as_ref()) else {
        return Ok(NetworkIdentity::new(moniker, keypair, None));
    };
    let peer_id = keypair.public().to_peer_id().to_bytes();
    let proof = proof_of_validator(signer, &validator.key, peer_id).await;
    let proof = proof.map_err(|error| StartError::Engine(chain(&error)))?;
    let proof = WireCodec.encode(&proof).map_err(|error| StartError::Engine(chain(&error)))?;
    Ok(NetworkIdentity::new_validator(moniker, keypair, validator.account.to_string(), proof))
}

/// The engine's configuration for this node of the chain with this genesis.
///
/// # Errors
/// [`StartError`] if an address or a size is not one.
pub fn settings(config: &ConsensusConfig, genesis: &BlockHash) -> Result<Settings, StartError> {
    let peers = config.peers.iter().map(|address| peer(address));
    let p2p = P2pConfig {
        listen_addr: listen(config)?,
        persistent_peers: peers.collect::<Result<_, _>>()?,
        persistent_peers_only: config.peers_only,
        discovery: DiscoveryConfig {
            enabled: false,
            num_inbound_peers: config.limits.consensus_peers_in,
            // All come through the port, which has counted them.
            max_connections_per_ip: config.limits.connections(),
            ip_throttle_duration: Duration::ZERO,
            ..Default::default()
        },
        protocol: PubSubProtocol::default(),
        pubsub_max_size_per_topic: PubSubMaxSizePerTopic {
            consensus: Some(bytes(limits::GOSSIP_CONSENSUS_BYTES)?),
            proposal_parts: Some(bytes(limits::GOSSIP_PART_BYTES)?),
            liveness: Some(bytes(limits::GOSSIP_LIVENESS_BYTES)?),
        },
        rpc_max_size: bytes(limits::RESPONSE_BYTES)?,
        protocol_names: protocols(genesis),
        channel_names: ChannelNames::default(),
        ..Default::default()
    };
    let consensus = EngineConsensusConfig {
        enabled: true,
        p2p,
        value_payload: ValuePayload::ProposalAndParts,
        ..Default::default()
    };
    let sync = ValueSyncConfig {
        enabled: true,
        // Zero tells peers of a new height at once instead of at intervals.
        status_update_interval: Duration::ZERO,
        max_response_size: bytes(limits::RESPONSE_BYTES)?,
        batch_size: limits::SYNC_BATCH,
        ..Default::default()
    };
    Ok(Settings { moniker: config.moniker.clone(), consensus, sync })
}

/// Nodes of another chain speak other protocols, and are disconnected before they say anything else.
fn protocols(genesis: &BlockHash) -> ProtocolNames {
    let name = |what: &str| format!("/piecewise/{genesis}/{what}/1");
    ProtocolNames {
        consensus: name("consensus"),
        discovery_kad: name("discovery-kad"),
        discovery_regres: name("discovery"),
        sync: name("sync"),
        validator_proof: name("validator-proof"),
    }
}

fn listen(config: &ConsensusConfig) -> Result<Multiaddr, StartError> {
    let kind = if config.listen.is_ipv4() { "ip4" } else { "ip6" };
    let text = format!("/{kind}/{}/tcp/{}", config.listen.ip(), config.listen.port());
    text.parse().map_err(|error| StartError::Config(format!("listening address {text}: {error}")))
}

/// The peers that the configuration names.
pub fn named_peers(config: &ConsensusConfig) -> Result<BTreeSet<PeerId>, StartError> {
    config.peers.iter().map(|address| id_of(address)).collect()
}

/// The peer at an address.
pub fn id_of(address: &str) -> Result<PeerId, StartError> {
    let id = peer(address)?.to_string().rsplit_once("/p2p/").and_then(|(_, id)| id.parse().ok());
    id.ok_or_else(|| StartError::Peer { address: address.to_owned(), why: "it must end in a peer id".into() })
}

/// An address of a consensus port.
pub fn peer(address: &str) -> Result<Multiaddr, StartError> {
    let refuse = |why: String| StartError::Peer { address: address.to_owned(), why };
    let parsed: Multiaddr = address.parse().map_err(|error| refuse(format!("{error}")))?;
    let has = |protocol| parsed.protocol_stack().any(|part| part == protocol);
    if !has("tcp") || !has("p2p") {
        return Err(refuse("it must go over tcp and end in /p2p/ and a peer id".into()));
    }
    Ok(parsed)
}

/// The engine's type for sizes is not exported, but reads text.
fn bytes<T: std::str::FromStr>(count: usize) -> Result<T, StartError> {
    format!("{count} B").parse().map_err(|_| StartError::Config(format!("{count} is not a size")))
}

/// How long the engine of a node may say nothing: one that does not vote may have nothing to say.
pub fn quiet(config: &ConsensusConfig) -> Option<Duration> {
    config.validator.is_some().then(|| QUIET.max(config.idle.saturating_mul(2)))
}

/// Turns the engine's events into reasons to end, until its events or the host are gone. An engine that has begun and then
/// says nothing for longer than `quiet` hangs.
pub async fn watch(events: TxEvent<ChainContext>, alarms: mpsc::Sender<EndReason>, quiet: Option<Duration>) {
    let mut receiver = events.subscribe();
    // Holding the sender would keep the channel open for ever.
    drop(events);
    let mut has_begun = false;
    loop {
        let event = match quiet.filter(|_| has_begun) {
            Some(quiet) => tokio::time::timeout(quiet, receiver.recv()).await,
            None => Ok(receiver.recv().await),
        };
        let reason = match event {
            Ok(Ok(event)) => {
                has_begun = true;
                tell(&event);
                reason(&event)
            }
            // An engine that has failed says so once, and then nothing more.
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => None,
            Ok(Err(broadcast::error::RecvError::Closed)) => return,
            Err(_) => {
                let seconds = quiet.unwrap_or_default().as_secs();
                Some(EndReason::Engine { why: format!("it hangs: it has said nothing for {seconds} s") })
            }
        };
        if let Some(reason) = reason
            && alarms.send(reason).await.is_err()
        {
            return;
        }
    }
}

/// What shows an operator that a height stands still.
fn tell(event: &Event<ChainContext>) {
    if let Event::RepublishVote(vote) = event {
        let (height, round) = (vote.message.height, vote.message.round);
        tracing::debug!(%height, %round, "too few votes came; this node's own is sent again");
    }
}

fn reason(event: &Event<ChainContext>) -> Option<EndReason> {
    match event {
        Event::WalCorrupted(error) => Some(EndReason::LogDamaged { why: chain(error.as_ref()) }),
        Event::WalReplayError(error) => Some(EndReason::LogDamaged { why: error.to_string() }),
        Event::WalResetError(error) => Some(EndReason::LogDamaged { why: format!("{error:#}") }),
        Event::ReceivedProposedValue(value, ValueOrigin::Sync) if value.validity.is_invalid() => {
            Some(EndReason::Diverged { height: value.height.0, hash: value.value.0 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use runtime::crypto::KeyPair;

    use super::*;
    use crate::config::ValidatorKey;
    use crate::context::ConsensusHeight;

    #[tokio::test]
    async fn an_engine_that_says_nothing_for_too_long_hangs() {
        let (alarms, mut alarmed) = mpsc::channel(1);
        let events = TxEvent::new();
        let engine = events.clone();
        let mut watched = tokio::spawn(watch(events, alarms, Some(Duration::from_millis(1))));
        let unbegun = tokio::time::timeout(Duration::from_millis(20), &mut watched).await;
        assert!(unbegun.is_err() && alarmed.try_recv().is_err(), "it waits for others");
        engine.send(|| Event::StartedHeight(ConsensusHeight(1), false));
        let reason = alarmed.recv().await.unwrap();
        assert!(matches!(&reason, EndReason::Engine { why } if why.contains("hangs")), "{reason:?}");
    }

    #[test]
    fn who_votes_always_has_something_to_say() {
        let validator = ValidatorKey { account: AccountId::from_bytes([1; 32]), key: KeyPair::from_seed(&[2; 32]) };
        let mut config = ConsensusConfig::dev(([127, 0, 0, 1], 0).into(), PathBuf::new(), validator, [3; 32]);
        assert_eq!(quiet(&config), Some(QUIET));
        config.idle = QUIET;
        assert_eq!(quiet(&config), Some(QUIET * 2), "an idle chain is quiet for as long");
        config.validator = None;
        assert_eq!(quiet(&config), None);
    }
}
