//! gossipsub with two topics, unsigned messages, and scores.

use super::Kind;
use crate::net::settings::NetworkLimits;
use libp2p::gossipsub::{
    self, Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, MessageAuthenticity, MessageId, PeerScoreParams,
    PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use runtime::types::BlockHash;
use std::time::Duration;

/// What a message has around its transaction, and what other messages of the protocol may have.
const OVERHEAD_BYTES: usize = 16 * 1024;
/// Below this score a peer is dropped.
pub(crate) const GRAYLIST: f64 = -80.0;
/// What an invalid transaction costs, times the square of how many there were lately: three are too many.
const INVALID_WEIGHT: f64 = -10.0;
/// An invalid transaction is forgotten after this long.
const INVALID_FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// The same message is not sent and not judged again for this long, or longer while nothing else comes.
const SEEN: Duration = Duration::from_secs(2 * 60);
/// Messages and ids that one message of the protocol may have.
const MESSAGES_PER_RPC: usize = 64;
const IDS_PER_RPC: usize = 1024;
/// From this many bytes on peers are told not to send what has come already.
const DO_NOT_WANT_BYTES: usize = 1024;

/// gossipsub that knows our topics alone.
pub(crate) type Gossip = Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// The topics: their names carry the genesis hash, because gossipsub's own protocol names cannot.
pub(crate) struct Topics {
    transactions: IdentTopic,
    announcements: IdentTopic,
}

impl Topics {
    pub(crate) fn of(genesis: &BlockHash) -> Self {
        Self {
            transactions: IdentTopic::new(format!("/piecewise/{genesis}/transactions/1")),
            announcements: IdentTopic::new(format!("/piecewise/{genesis}/validators/1")),
        }
    }

    /// Where messages of a kind go.
    pub(crate) const fn of_kind(&self, kind: Kind) -> &IdentTopic {
        match kind {
            Kind::Transaction => &self.transactions,
            Kind::Announcement => &self.announcements,
        }
    }

    /// What messages of a topic are; nothing comes from any but these.
    pub(crate) fn kind(&self, topic: &TopicHash) -> Kind {
        if *topic == self.announcements.hash() { Kind::Announcement } else { Kind::Transaction }
    }

    fn all(&self) -> [&IdentTopic; 2] {
        [&self.transactions, &self.announcements]
    }
}

/// gossipsub that listens to the topics. `None` if its parameters contradict each other, which is logged.
pub(crate) fn behaviour(genesis: &BlockHash, limits: &NetworkLimits) -> Option<Gossip> {
    build(genesis, limits).inspect_err(|error| tracing::error!(error, "cannot set up gossip")).ok()
}

fn build(genesis: &BlockHash, limits: &NetworkLimits) -> Result<Gossip, String> {
    let topics = Topics::of(genesis);
    let config = ConfigBuilder::default()
        .max_transmit_size(limits.transaction_bytes.saturating_add(OVERHEAD_BYTES))
        .validate_messages()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message: &gossipsub::Message| MessageId::new(blake3::hash(&message.data).as_bytes()))
        .duplicate_cache_time(SEEN)
        .max_messages_per_rpc(Some(MESSAGES_PER_RPC))
        .max_ihave_length(IDS_PER_RPC)
        .connection_handler_queue_len(limits.gossip_send_queue)
        .idontwant_message_size_threshold(DO_NOT_WANT_BYTES)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = WhitelistSubscriptionFilter(topics.all().map(IdentTopic::hash).into_iter().collect());
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    let (scores, thresholds) = scores(&topics);
    gossip.with_peer_score(scores, thresholds)?;
    for topic in topics.all() {
        gossip.subscribe(topic).map_err(|error| error.to_string())?;
    }
    Ok(gossip)
}

/// Only what is wrong whatever the state counts: how much a peer has to pass on depends on what users do.
fn scores(topics: &Topics) -> (PeerScoreParams, PeerScoreThresholds) {
    let of_topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: INVALID_WEIGHT,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(INVALID_FORGOTTEN),
        ..TopicScoreParams::default()
    };
    let scores = PeerScoreParams {
        topics: topics.all().map(|topic| (topic.hash(), of_topic.clone())).into(),
        // Many peers of one address are one machine with many providers, which is allowed.
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    };
    (scores, PeerScoreThresholds { graylist_threshold: GRAYLIST, ..PeerScoreThresholds::default() })
}
