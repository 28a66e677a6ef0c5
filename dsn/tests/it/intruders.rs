//! Peers that are none of ours and do not wish us well, for tests of peers in one process and of whole nodes.

use futures::StreamExt as _;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, kad, noise, tcp, yamux};
use std::time::Duration;

/// A swarm of somebody else, listening on loopback, with its address.
pub async fn stranger<B: NetworkBehaviour>(behaviour: impl FnOnce(&Keypair) -> B) -> (Swarm<B>, Multiaddr) {
    let pair = Keypair::generate_ed25519();
    let built = behaviour(&pair);
    let mut swarm = SwarmBuilder::with_existing_identity(pair)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| built)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            let address = address.with_p2p(*swarm.local_peer_id()).unwrap();
            return (swarm, address);
        }
    }
}

/// Says of itself only that it is of this family.
pub fn claims(family: &str) -> impl FnOnce(&Keypair) -> identify::Behaviour + use<> {
    let family = family.to_owned();
    move |pair| identify::Behaviour::new(identify::Config::new(family, pair.public()))
}

/// What a peer of the chain with this genesis, in hex digits, says that it is.
fn family(genesis: &str) -> String {
    format!("/piecewise/1/{}", &genesis[..16])
}

/// Whoever says it is of this chain, and lies otherwise.
#[derive(NetworkBehaviour)]
pub struct Liar {
    identify: identify::Behaviour,
    pub table: kad::Behaviour<MemoryStore>,
}

/// A liar about the table of peers of the chain with this genesis.
pub fn liar(genesis: &str) -> impl FnOnce(&Keypair) -> Liar + use<> {
    let name = StreamProtocol::try_from_owned(format!("/piecewise/{genesis}/kad/1")).unwrap();
    let identify = claims(&family(genesis));
    move |pair| {
        let own = pair.public().to_peer_id();
        let plenty =
            MemoryStoreConfig { max_provided_keys: 1 << 20, max_records: 1 << 20, ..MemoryStoreConfig::default() };
        let mut table = kad::Behaviour::with_config(own, MemoryStore::with_config(own, plenty), kad::Config::new(name));
        table.set_mode(Some(kad::Mode::Server));
        Liar { identify: identify(pair), table }
    }
}

impl Liar {
    /// Asks a peer to keep this many records, and to write down that this liar has the values of as many keys.
    pub fn forges(&mut self, peer: PeerId, address: Multiaddr, count: u32) {
        self.table.add_address(&peer, address);
        for number in 0..count {
            let key = kad::RecordKey::new(&number.to_be_bytes());
            let record = kad::Record::new(key.clone(), vec![0xee; 8000]);
            self.table.put_record(record, kad::Quorum::One).unwrap();
            self.table.start_providing(key).unwrap();
        }
    }
}

/// An address where nobody is.
pub fn nowhere(number: u32) -> Multiaddr {
    let [_, b, c, d] = number.to_be_bytes();
    format!("/ip4/127.{b}.{c}.{d}/tcp/1").parse().unwrap()
}

/// Says whatever it likes about transactions.
#[derive(NetworkBehaviour)]
pub struct Spammer {
    identify: identify::Behaviour,
    pub gossip: gossipsub::Behaviour,
}

/// A spammer of the chain with this genesis.
pub fn spammer(genesis: &str) -> impl FnOnce(&Keypair) -> Spammer + use<> {
    let (identify, topic) = (claims(&family(genesis)), topic(genesis));
    move |pair| {
        let config = gossipsub::ConfigBuilder::default()
            .max_transmit_size(16 << 20)
            .validation_mode(ValidationMode::Anonymous)
            .message_id_fn(|message| gossipsub::MessageId::new(&message.data))
            .build()
            .unwrap();
        let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
        gossip.subscribe(&topic).unwrap();
        Spammer { identify: identify(pair), gossip }
    }
}

/// Where transactions of the chain with this genesis are told.
pub fn topic(genesis: &str) -> IdentTopic {
    IdentTopic::new(format!("/piecewise/{genesis}/transactions/1"))
}

/// A spammer that each of these listens to.
pub async fn spammer_at(genesis: &str, peers: &[Multiaddr]) -> Swarm<Spammer> {
    let (mut spammer, _) = stranger(spammer(genesis)).await;
    for peer in peers {
        spammer.dial(peer.clone()).unwrap();
    }
    let mut listening = 0;
    while listening < peers.len() {
        let event = spammer.select_next_some().await;
        if let SwarmEvent::Behaviour(SpammerEvent::Gossip(gossipsub::Event::Subscribed { topic: of, .. })) = event {
            listening += usize::from(of == topic(genesis).hash());
        }
    }
    spammer
}
