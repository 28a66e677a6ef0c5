//! Peers that say too much, or what is not so.

use crate::gossip::{Pool, gossiping};
use crate::intruders::{LiarEvent, liar, nowhere, spammer_at, stranger, topic};
use crate::netted::{address_of, found, meanwhile, netted, netted_config, seen, table};
use crate::support::{GENESIS, client, config, wait_until};
use bytes::Bytes;
use dsn::{NetworkConfig, NetworkLimits, Peer, PeerConfig, Timeouts};
use futures::StreamExt as _;
use libp2p::gossipsub::IdentTopic;
use libp2p::swarm::SwarmEvent;
use libp2p::{PeerId, kad};
use std::sync::Arc;
use std::time::Duration;

/// The chain's name in protocols.
fn genesis() -> String {
    GENESIS.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_records_are_not_kept_and_lookups_stay_right() {
    let boot = netted(table(vec![])).await;
    let (mut liar, _) = stranger(liar(&genesis())).await;
    let peer: PeerId = boot.peer_id().parse().unwrap();
    liar.behaviour_mut().forges(peer, boot.listen_addresses()[0].clone(), 2000);
    meanwhile(&mut liar, wait_until(|| boot.network_counts().records_refused >= 500)).await;
    let (one, two) = (netted(table(vec![address_of(&boot)])).await, netted(table(vec![address_of(&boot)])).await);
    meanwhile(&mut liar, found(&one, &two)).await;
    // Nor does anybody hand one out.
    let (mut reader, _) = stranger(self::liar(&genesis())).await;
    reader.behaviour_mut().table.add_address(&peer, boot.listen_addresses()[0].clone());
    let asked = reader.behaviour_mut().table.get_record(kad::RecordKey::new(&7_u32.to_be_bytes()));
    let answer = loop {
        if let SwarmEvent::Behaviour(LiarEvent::Table(kad::Event::OutboundQueryProgressed { id, result, .. })) =
            reader.select_next_some().await
            && id == asked
        {
            break result;
        }
    };
    let none = matches!(answer, kad::QueryResult::GetRecord(Err(kad::GetRecordError::NotFound { .. })));
    assert!(none, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_peers_are_asked_and_not_remembered_and_the_real_ones_are_found() {
    let (mut liar, lies) = stranger(liar(&genesis())).await;
    for number in 0..3000 {
        liar.behaviour_mut().table.add_address(&PeerId::random(), nowhere(number));
    }
    let boot = netted(table(vec![])).await;
    let victim = netted(table(vec![lies, address_of(&boot)])).await;
    // The table asks whom it is told of; who does not answer goes no further than that.
    meanwhile(&mut liar, wait_until(|| victim.network_counts().dials_failed >= 90)).await;
    let late = netted(table(vec![address_of(&boot)])).await;
    meanwhile(&mut liar, wait_until(|| seen(&victim, &late).is_some_and(|info| info.verified))).await;
    assert!(seen(&victim, &boot).is_some());
    assert_eq!(victim.known_peers().len(), 3, "the liar, the boot node and who came late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_invalid_transactions_ends_with_the_third_and_nobody_else_sees_one() {
    let pools = [(); 2].map(|()| Arc::new(Pool::default()));
    let victim = Peer::start(gossiping(&pools[0], vec![])).await.unwrap();
    let friend = Peer::start(gossiping(&pools[1], vec![address_of(&victim)])).await.unwrap();
    found(&friend, &victim).await;
    let mut spammer = spammer_at(&genesis(), &[address_of(&victim)]).await;
    for number in 0..1000_u32 {
        drop(spammer.behaviour_mut().gossip.publish(topic(&genesis()), format!("invalid {number}")));
    }
    meanwhile(&mut spammer, wait_until(|| victim.network_counts().gossip_banned == 1)).await;
    meanwhile(&mut spammer, wait_until(|| victim.peers().len() == 1)).await;
    friend.gossip_transaction(Bytes::from_static(b"v after")).await.unwrap();
    wait_until(|| pools[0].has(b"v after")).await;
    assert_eq!(*pools[1].seen.lock(), Vec::<Vec<u8>>::new());
    // At most what was on its way when the third was judged.
    assert!(pools[0].seen.lock().len() <= 257, "{}", pools[0].seen.lock().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_too_long_are_not_even_judged() {
    let pools = [(); 2].map(|()| Arc::new(Pool::default()));
    let victim = Peer::start(gossiping(&pools[0], vec![])).await.unwrap();
    let friend = Peer::start(gossiping(&pools[1], vec![address_of(&victim)])).await.unwrap();
    found(&friend, &victim).await;
    let mut spammer = spammer_at(&genesis(), &[address_of(&victim)]).await;
    // Between the transaction's limit and the protocol's, then beyond both.
    spammer.behaviour_mut().gossip.publish(topic(&genesis()), vec![b'v'; (512 << 10) + 1000]).unwrap();
    meanwhile(&mut spammer, wait_until(|| victim.network_counts().gossip_rejected == 1)).await;
    spammer.behaviour_mut().gossip.publish(topic(&genesis()), vec![b'v'; 8 << 20]).unwrap();
    drop(spammer.behaviour_mut().gossip.publish(topic(&genesis()), b"v short".to_vec()));
    friend.gossip_transaction(Bytes::from_static(b"v friend")).await.unwrap();
    meanwhile(&mut spammer, wait_until(|| pools[0].has(b"v friend"))).await;
    let longest = pools[0].seen.lock().iter().map(Vec::len).max();
    assert!(longest <= Some(8), "{longest:?}");
}

/// A peer with these limits for hosts, and a friend of it at another address.
async fn with_a_friend(limits: NetworkLimits) -> ([Arc<Pool>; 2], Peer, Peer) {
    let pools = [(); 2].map(|()| Arc::new(Pool::default()));
    let elsewhere =
        PeerConfig { listen: vec!["/ip4/127.0.0.7/tcp/0".parse().unwrap()], ..gossiping(&pools[1], vec![]) };
    let friend = Peer::start(elsewhere).await.unwrap();
    let mut victim = gossiping(&pools[0], vec![address_of(&friend)]);
    victim.network.limits = limits;
    let victim = Peer::start(victim).await.unwrap();
    found(&victim, &friend).await;
    wait_until(|| *friend.gossip_peers().borrow() == 1).await;
    (pools, victim, friend)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_makes_up_peers_for_invalid_transactions_is_not_listened_to_and_others_are() {
    let limits = NetworkLimits { gossip_invalid_per_host: 5, ..NetworkLimits::default() };
    let (pools, victim, friend) = with_a_friend(limits).await;
    for number in 1..=5 {
        // Each is another one, and none sends enough to be dropped.
        let mut spammer = spammer_at(&genesis(), &[address_of(&victim)]).await;
        spammer.behaviour_mut().gossip.publish(topic(&genesis()), format!("invalid {number}")).unwrap();
        meanwhile(&mut spammer, wait_until(|| victim.network_counts().gossip_rejected == number)).await;
    }
    let mut sixth = spammer_at(&genesis(), &[address_of(&victim)]).await;
    sixth.behaviour_mut().gossip.publish(topic(&genesis()), b"v by the sixth").unwrap();
    meanwhile(&mut sixth, wait_until(|| victim.network_counts().gossip_throttled == 1)).await;
    friend.gossip_transaction(Bytes::from_static(b"v by a friend")).await.unwrap();
    meanwhile(&mut sixth, wait_until(|| pools[0].has(b"v by a friend"))).await;
    assert_eq!((pools[0].seen.lock().len(), victim.network_counts().gossip_banned), (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_has_one_quota_however_many_peers_it_makes_up() {
    let limits = NetworkLimits { gossip_per_second_per_host: 0, gossip_burst_per_host: 8, ..NetworkLimits::default() };
    let (pools, victim, friend) = with_a_friend(limits).await;
    for peer in 1..=4 {
        let mut spammer = spammer_at(&genesis(), &[address_of(&victim)]).await;
        for number in 0..4 {
            spammer.behaviour_mut().gossip.publish(topic(&genesis()), format!("v {number} of {peer}")).unwrap();
        }
        meanwhile(&mut spammer, wait_until(|| victim.network_counts().gossip_received == 4 * peer)).await;
    }
    friend.gossip_transaction(Bytes::from_static(b"v by a friend")).await.unwrap();
    wait_until(|| pools[0].has(b"v by a friend")).await;
    assert_eq!((pools[0].seen.lock().len(), victim.network_counts().gossip_throttled), (9, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_topics_are_not_remembered() {
    let pool = Arc::new(Pool::default());
    let victim = Peer::start(gossiping(&pool, vec![])).await.unwrap();
    let mut spammer = spammer_at(&genesis(), &[address_of(&victim)]).await;
    for number in 0..500 {
        spammer.behaviour_mut().gossip.subscribe(&IdentTopic::new(format!("topic {number}"))).unwrap();
    }
    drop(spammer.behaviour_mut().gossip.publish(topic(&genesis()), b"v last".to_vec()));
    meanwhile(&mut spammer, wait_until(|| pool.has(b"v last"))).await;
    assert_eq!(*victim.gossip_peers().borrow(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_is_kept_up_to_a_number() {
    let mut one_kept = netted_config(table(vec![]));
    one_kept.timeouts = Timeouts { connection_idle: Duration::from_millis(200), ..one_kept.timeouts };
    // It dials nobody itself.
    one_kept.network.limits = NetworkLimits { peers_in_kept: 1, peers_out: 0, ..one_kept.network.limits };
    let host = Peer::start(one_kept).await.unwrap();
    let guest = || netted(NetworkConfig { bootnodes: vec![address_of(&host)], ..NetworkConfig::default() });
    let first = guest().await;
    found(&host, &first).await;
    let second = guest().await;
    // The second one comes again and again.
    wait_until(|| second.network_counts().dials >= 4).await;
    assert_eq!(first.network_counts().dials, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_registers_so_many_and_no_more() {
    let limits = NetworkLimits { registrations: 2, ..NetworkLimits::default() };
    let point = netted(NetworkConfig { rendezvous_server: true, limits, ..NetworkConfig::default() }).await;
    let meeting = || NetworkConfig { rendezvous: vec![address_of(&point)], ..NetworkConfig::default() };
    let registered = [netted(meeting()).await, netted(meeting()).await];
    for peer in &registered {
        wait_until(|| peer.network_counts().registrations == 1).await;
    }
    let third = netted(meeting()).await;
    wait_until(|| third.network_counts().registrations_failed >= 2).await;
    assert_eq!(third.network_counts().registrations, 0);
    // Not in the list, it still finds the others there.
    found(&third, &registered[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_memory_left_takes_no_connections() {
    let limits = NetworkLimits { memory_bytes: Some(1), ..NetworkLimits::default() };
    let full = PeerConfig { network: NetworkConfig { limits, ..NetworkConfig::default() }, ..config(GENESIS) };
    let full = Peer::start(full).await.unwrap();
    client().await.have(&full.target(), vec![]).await.unwrap_err();
    assert_eq!(full.peer_count(), 0);
}
