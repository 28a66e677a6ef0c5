//! What passes between an engine and its host, and what the engine says of itself, unchanged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use consensus::StartError;
use consensus::assembly::{self, Plan};
use consensus::formats::{Address, ChainContext, Proposal, Vote};
use malachite::app::engine::util::events::Event;
use malachite::app::types::SignedConsensusMsg;
use malachite::app::types::core::SignedMessage;
use malachite::{AppMsg, Channels, EngineHandle, NetworkRequest};
use runtime::types::Height;
use tokio::sync::{broadcast, mpsc, watch};

/// As the engine's own channel to the host.
const MESSAGES: usize = 128;

type SignedVote = SignedMessage<ChainContext, Vote>;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The last round of each height.
    pub rounds: BTreeMap<Height, u32>,
    /// Votes that contradict each other, as the application was told.
    pub double_votes: Vec<(Address, SignedVote, SignedVote)>,
    /// The engine's own votes.
    pub votes: Vec<Vote>,
    /// The proposals of others.
    pub proposals: Vec<Proposal>,
    /// How often votes of a height were sent again.
    pub repeats: BTreeMap<Height, usize>,
    /// Events that came too fast to be seen.
    pub missed: u64,
}

/// Where it is seen.
#[derive(Default)]
pub struct Tap {
    pub seen: watch::Sender<Seen>,
    pub requests: Mutex<Option<mpsc::Sender<NetworkRequest>>>,
}

/// The engine that every node runs, tapped.
pub async fn honest(plan: Plan, tap: Arc<Tap>) -> Result<(Channels<ChainContext>, EngineHandle), StartError> {
    let (channels, engine) = assembly::build(plan).await?;
    Ok((tapped(channels, tap), engine))
}

/// Sees what an engine tells its host.
pub fn tapped(mut channels: Channels<ChainContext>, tap: Arc<Tap>) -> Channels<ChainContext> {
    *tap.requests.lock().unwrap() = Some(channels.net_requests.clone());
    tokio::spawn(hear(channels.events.subscribe(), Arc::clone(&tap)));
    let (on, host) = mpsc::channel(MESSAGES);
    let mut engine = std::mem::replace(&mut channels.consensus, host);
    tokio::spawn(async move {
        while let Some(message) = engine.recv().await {
            read(&message, &tap);
            if on.send(message).await.is_err() {
                return;
            }
        }
    });
    channels
}

fn read(message: &AppMsg<ChainContext>, tap: &Tap) {
    match message {
        AppMsg::StartedRound { height, round, .. } => tap.seen.send_modify(|seen| {
            seen.rounds.insert(height.0, round.as_u32().unwrap());
        }),
        AppMsg::Finalized { evidence, .. } if !evidence.is_empty() => tap.seen.send_modify(|seen| {
            for (address, pairs) in evidence.votes.iter() {
                seen.double_votes.extend(pairs.iter().map(|(one, other)| (*address, one.clone(), other.clone())));
            }
        }),
        _ => {}
    }
}

async fn hear(mut events: broadcast::Receiver<Event<ChainContext>>, tap: Arc<Tap>) {
    loop {
        match events.recv().await {
            Ok(Event::Published(SignedConsensusMsg::Vote(vote))) => {
                tap.seen.send_modify(|seen| seen.votes.push(vote.message));
            }
            Ok(Event::Received(SignedConsensusMsg::Proposal(proposal))) => {
                tap.seen.send_modify(|seen| seen.proposals.push(proposal.message));
            }
            Ok(Event::RepublishVote(vote)) => {
                tap.seen.send_modify(|seen| *seen.repeats.entry(vote.message.height.0).or_default() += 1);
            }
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => tap.seen.send_modify(|seen| seen.missed += missed),
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
