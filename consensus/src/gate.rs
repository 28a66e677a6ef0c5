//! Stands between the engine and its network: hears what the engine keeps to itself, and keeps from it what need not pass
//! through it.
//!
//! ```text
//!   engine: consensus, sync --- messages ---> Gate -------------------------> network
//!        ^---------- events but requests --- Sieve <---------------------------'|
//!                                       Listener <---- statuses, proofs, requests'
//! ```
//!
//! The engine hands everything to the host one by one, and waits for each answer: blocks that are read for peers would hold
//! up its votes. So requests for blocks end here, at [`History`].

use std::time::Duration;

use async_trait::async_trait;
use malachite::app::engine::network::{NetworkEvent, NetworkMsg, NetworkRef, Status, Subscriber};
use malachite::app::types::PeerId;
use malachite::app::types::core::{SigningScheme, ValidatorProof};
use malachite_signing::Verifier;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use runtime::types::BlockHash;

use crate::context::{ChainContext, ConsensusHeight, Sr25519};
use crate::error::StartError;
use crate::heights::PeerHeights;
use crate::history::History;
use crate::newcomer::Words;
use crate::signing::ConsensusVerifier;

/// How often a node that has no block says so: the engine says nothing before the first.
const EMPTY_AGAIN: Duration = Duration::from_secs(2);

/// What listens at the gate.
#[derive(Clone, Debug)]
pub struct Listeners {
    pub(crate) genesis: BlockHash,
    pub(crate) heights: PeerHeights,
    pub(crate) words: Words,
    pub(crate) history: History,
}

type Message = NetworkMsg<ChainContext>;
type Event = NetworkEvent<ChainContext>;
type Network = NetworkRef<ChainContext>;

/// Puts a gate before a network. Each stops with the other.
///
/// # Errors
/// [`StartError::Engine`] if its actors do not start.
pub async fn open(network: Network, listeners: Listeners) -> Result<Network, StartError> {
    let failed = |error: ractor::SpawnErr| StartError::Engine(error.to_string());
    let (gate, _) = Actor::spawn(None, Gate { network: network.clone() }, ()).await.map_err(failed)?;
    let listener = Listener { network: network.clone(), listeners };
    Actor::spawn_linked(None, listener, (), gate.get_cell()).await.map_err(failed)?;
    tokio::spawn(end_together(gate.clone(), network));
    Ok(gate)
}

/// An engine that ends kills its actors, and a network that is killed keeps its address until something is said to it. So
/// it is no child of the gate, but is stopped when that is gone.
async fn end_together(gate: Network, network: Network) {
    tokio::select! {
        // Neither wait has a time to be over.
        _ = gate.wait(None) => {
            network.stop_and_wait(None, None).await.ok();
        }
        _ = network.wait(None) => gate.stop(Some("the network has stopped".into())),
    }
}

/// Passes on what the engine says.
struct Gate {
    network: Network,
}

#[async_trait]
impl Actor for Gate {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, myself: ActorRef<Message>, message: Message, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let message = match message {
            Message::Subscribe(subscriber) => {
                let (sieve, _) = Actor::spawn_linked(None, Sieve, subscriber, myself.get_cell()).await?;
                Message::Subscribe(Box::new(sieve))
            }
            message => message,
        };
        Ok(self.network.cast(message)?)
    }
}

/// Passes on to one of the engine's actors what the network says, but requests for blocks.
struct Sieve;

#[async_trait]
impl Actor for Sieve {
    type Msg = Event;
    type State = Box<dyn Subscriber<Event>>;
    type Arguments = Box<dyn Subscriber<Event>>;

    async fn pre_start(
        &self,
        _: ActorRef<Event>,
        onward: Box<dyn Subscriber<Event>>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(onward)
    }

    async fn handle(
        &self,
        _: ActorRef<Event>,
        event: Event,
        onward: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if !matches!(event, Event::SyncRequest(..) | Event::SyncInboundRequestFailed(..)) {
            onward.send(event);
        }
        Ok(())
    }
}

/// Hears what the network says.
struct Listener {
    network: Network,
    listeners: Listeners,
}

#[async_trait]
impl Actor for Listener {
    type Msg = Event;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Event>, (): ()) -> Result<(), ActorProcessingErr> {
        self.network.cast(Message::Subscribe(Box::new(myself)))?;
        self.listeners.history.serve(&self.network);
        tokio::spawn(say_that_it_is_empty(self.network.clone(), self.listeners.words.clone()));
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Event>, event: Event, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let Listeners { heights, words, history, .. } = &self.listeners;
        match event {
            // The network has seen to it that the peer speaks of itself.
            Event::Status(peer, status) => {
                tracing::debug!(%peer, height = status.tip_height.0, "a peer says how far it is");
                heights.note(peer, status.tip_height.0);
                words.says(peer, status.tip_height.0);
            }
            Event::ValidatorProofReceived { peer_id, proof } => self.prove(peer_id, &proof).await,
            Event::PeerSubscribed(..) if words.own() == 0 => self.network.cast(empty())?,
            Event::PeerDisconnected(peer) => {
                words.goes(&peer);
                history.forget(&peer);
            }
            Event::SyncRequest(id, peer, request) => history.ask(id, peer, request),
            Event::SyncInboundRequestFailed(id, _) => history.cancel(&id),
            _ => {}
        }
        Ok(())
    }
}

impl Listener {
    /// That the proof is the peer's own, the network has seen to.
    async fn prove(&self, peer: PeerId, proof: &ValidatorProof<ChainContext>) {
        let verified = ConsensusVerifier::new(self.listeners.genesis).verify_validator_proof(proof).await;
        if let Ok(key) = Sr25519::decode_public_key(&proof.public_key)
            && verified.is_ok_and(|result| result.is_valid())
        {
            self.listeners.words.proves(peer, key);
        }
    }
}

fn empty() -> Message {
    Message::BroadcastStatus(Status::new(ConsensusHeight(0), ConsensusHeight(1)))
}

async fn say_that_it_is_empty(network: Network, words: Words) {
    while words.own() == 0 && network.cast(empty()).is_ok() {
        tokio::time::sleep(EMPTY_AGAIN).await;
    }
}
