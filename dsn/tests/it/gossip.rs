//! Transactions reach everybody, and what is no transaction reaches nobody.

use crate::netted::{address_of, found, netted, netted_config};
use crate::support::wait_until;
use bytes::Bytes;
use dsn::{
    ANNOUNCEMENT_BYTES_MAX, Acceptance, GossipError, Multiaddr, NetworkConfig, NetworkLimits, Peer, PeerConfig,
    TransactionGossip,
};
use parking_lot::Mutex;
use std::sync::Arc;

/// Judges by the first byte, and remembers what it saw.
#[derive(Default)]
pub struct Pool {
    pub seen: Mutex<Vec<Vec<u8>>>,
    pub heard: Mutex<Vec<Vec<u8>>>,
}

impl TransactionGossip for Pool {
    fn admit(&self, transaction: &[u8]) -> Acceptance {
        self.seen.lock().push(transaction.to_vec());
        match transaction.first() {
            Some(b'v') => Acceptance::Accept,
            Some(b'k') => Acceptance::Ignore,
            _ => Acceptance::Reject,
        }
    }

    fn hear(&self, announcement: &[u8]) -> Acceptance {
        self.heard.lock().push(announcement.to_vec());
        Acceptance::Accept
    }
}

impl Pool {
    pub fn has(&self, transaction: &[u8]) -> bool {
        self.seen.lock().iter().any(|seen| seen == transaction)
    }
}

pub fn gossiping(pool: &Arc<Pool>, bootnodes: Vec<Multiaddr>) -> PeerConfig {
    netted_config(NetworkConfig { gossip: Some(pool.clone()), bootnodes, ..NetworkConfig::default() })
}

/// Peers in a line: each knows the one before it and nobody else.
pub async fn line(count: usize) -> Vec<(Peer, Arc<Pool>)> {
    let mut line: Vec<(Peer, Arc<Pool>)> = Vec::new();
    for _ in 0..count {
        let pool = Arc::new(Pool::default());
        let before = line.last().map(|(peer, _)| address_of(peer));
        let peer = Peer::start(gossiping(&pool, before.into_iter().collect())).await.unwrap();
        if let Some((before, _)) = line.last() {
            found(&peer, before).await;
            wait_until(|| *peer.gossip_peers().borrow() >= 1).await;
        }
        line.push((peer, pool));
    }
    for (at, (peer, _)) in line.iter().enumerate() {
        let neighbours = usize::from(at > 0) + usize::from(at + 1 < count);
        wait_until(|| *peer.gossip_peers().borrow() == neighbours).await;
    }
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reaches_everybody_once_by_way_of_others() {
    let line = line(4).await;
    let large = [&b"v"[..], &vec![7; 512 * 1024 - 1]].concat();
    for transaction in [b"v small".to_vec(), large] {
        line[0].0.gossip_transaction(Bytes::from(transaction.clone())).await.unwrap();
        for (_, pool) in &line[1..] {
            wait_until(|| pool.has(&transaction)).await;
        }
        // Once more is no error and reaches nobody.
        line[0].0.gossip_transaction(Bytes::from(transaction)).await.unwrap();
    }
    line[3].0.gossip_transaction(Bytes::from_static(b"v back")).await.unwrap();
    wait_until(|| line[0].1.has(b"v back")).await;
    wait_until(|| line[3].0.network_counts().gossip_accepted == 2).await;
    assert_eq!((line[0].0.network_counts().gossip_sent, line[3].0.network_counts().gossip_received), (2, 2));
    assert_eq!(line[2].1.seen.lock().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_or_invalid_goes_no_further_and_only_the_invalid_costs_its_sender() {
    let line = line(3).await;
    let (first, second) = (&line[0].0, &line[1].0);
    for number in 0..20 {
        first.gossip_transaction(Bytes::from(format!("k known {number}"))).await.unwrap();
    }
    wait_until(|| second.network_counts().gossip_ignored == 20).await;
    assert_eq!((second.peer_count(), second.network_counts().gossip_banned), (2, 0));
    let mut sent = 0;
    while second.network_counts().gossip_banned == 0 {
        drop(first.gossip_transaction(Bytes::from(format!("bad {sent}"))).await);
        sent += 1;
        wait_until(|| second.network_counts().gossip_rejected >= sent || second.network_counts().gossip_banned == 1)
            .await;
        assert!(sent < 10, "it is not dropped");
    }
    assert!(sent >= 2, "one mistake is forgiven");
    // Kept out although it dials again and again.
    let dials = first.network_counts().dials;
    wait_until(|| first.network_counts().dials >= dials + 2).await;
    wait_until(|| second.peers().iter().all(|peer| peer.peer_id != first.peer_id())).await;
    // The others go on.
    line[2].0.gossip_transaction(Bytes::from_static(b"v fine")).await.unwrap();
    wait_until(|| line[1].1.has(b"v fine")).await;
    assert_eq!(*line[2].1.seen.lock(), Vec::<Vec<u8>>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_travel_beside_transactions_and_are_short() {
    let line = line(3).await;
    line[0].0.gossip_announcement(Bytes::from_static(b"validator")).await.unwrap();
    wait_until(|| line[2].1.heard.lock().iter().any(|heard| heard == b"validator")).await;
    assert!(line.iter().all(|(_, pool)| pool.seen.lock().is_empty()), "it is no transaction");
    let long = Bytes::from(vec![b'v'; ANNOUNCEMENT_BYTES_MAX + 1]);
    let too_large = GossipError::TooLarge { bytes: ANNOUNCEMENT_BYTES_MAX + 1, limit: ANNOUNCEMENT_BYTES_MAX };
    assert_eq!(line[0].0.gossip_announcement(long).await, Err(too_large));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_said_to_be_so() {
    let alone = Arc::new(Pool::default());
    let peer = Peer::start(gossiping(&alone, vec![])).await.unwrap();
    assert_eq!(peer.gossip_transaction(Bytes::from_static(b"v")).await, Err(GossipError::NoPeers));
    let long = Bytes::from(vec![b'v'; 512 * 1024 + 1]);
    let too_large = GossipError::TooLarge { bytes: 512 * 1024 + 1, limit: 512 * 1024 };
    assert_eq!(peer.gossip_transaction(long).await, Err(too_large));
    let off = netted(NetworkConfig { kademlia: true, ..NetworkConfig::default() }).await;
    assert_eq!(off.gossip_transaction(Bytes::new()).await, Err(GossipError::Off));
    peer.stop().await;
    assert_eq!(peer.gossip_transaction(Bytes::new()).await, Err(GossipError::Stopped));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_many_is_not_listened_to_and_the_others_are() {
    let pools = [(); 3].map(|()| Arc::new(Pool::default()));
    let mut middle = gossiping(&pools[1], vec![]);
    middle.network.limits = NetworkLimits { gossip_per_second: 1, gossip_burst: 10, ..middle.network.limits };
    let middle = Peer::start(middle).await.unwrap();
    let greedy = Peer::start(gossiping(&pools[0], vec![address_of(&middle)])).await.unwrap();
    let modest = Peer::start(gossiping(&pools[2], vec![address_of(&middle)])).await.unwrap();
    wait_until(|| *middle.gossip_peers().borrow() == 2).await;
    wait_until(|| *greedy.gossip_peers().borrow() == 1 && *modest.gossip_peers().borrow() == 1).await;
    let mut number = 0;
    while middle.network_counts().gossip_throttled <= 100 {
        drop(greedy.gossip_transaction(Bytes::from(format!("v {number}"))).await);
        number += 1;
        assert!(number < 1_000_000, "it is listened to");
    }
    modest.gossip_transaction(Bytes::from_static(b"v modest")).await.unwrap();
    wait_until(|| pools[1].has(b"v modest") && pools[0].has(b"v modest")).await;
    let counts = middle.network_counts();
    assert!(counts.gossip_accepted < 100 && counts.gossip_banned == 0, "{counts:?}");
}
