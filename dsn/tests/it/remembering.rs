//! What is held against a peer outlives the process that saw it.

use crate::faulty::{Fault, Faulty};
use crate::gossip::{Pool, gossiping};
use crate::intruders::{spammer_at, topic};
use crate::netted::{address_of, found, meanwhile, netted_config};
use crate::support::{GENESIS, MemorySegment, Provider, SMALL, bytes_of, providers, wait_until};
use crate::uploads::upload;
use dsn::{Candidate, Deed, Marked, NetworkConfig, NetworkIntervals, Peer, PeerConfig, Standing, upload_segment};
use futures::StreamExt as _;
use libp2p::swarm::SwarmEvent;
use runtime::crypto::PeerKey;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A peer that writes down what it knows when there is a reason to, and otherwise not before the test has failed.
fn config(path: &Path) -> PeerConfig {
    let mut config = netted_config(NetworkConfig { peer_store: Some(path.to_owned()), ..NetworkConfig::default() });
    config.network.intervals = NetworkIntervals { store: Duration::from_secs(3600), ..config.network.intervals };
    config
}

/// A peer in a runtime of its own, which dies with it as if the process had been killed.
struct Mortal {
    peer: Peer,
    runtime: Runtime,
}

impl Mortal {
    async fn start(config: &PeerConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let peer = runtime.spawn(Peer::start(config.clone())).await.unwrap().unwrap();
        Self { peer, runtime }
    }

    /// Without a word, and without writing anything.
    async fn dies(self) {
        self.runtime.shutdown_background();
        // The handle is the last that knows of the peer, and it finds nobody.
        self.peer.stop().await;
    }
}

/// Waits until a file has these bytes somewhere.
async fn is_written(path: &Path, bytes: &[u8]) {
    let has = || std::fs::read(path).is_ok_and(|file| file.windows(bytes.len()).any(|window| window == bytes));
    wait_until(has).await;
}

/// Slot 3 is the one of a faulty provider.
fn columns(good: &[Provider], faulty: &Faulty) -> BTreeMap<u8, Vec<Candidate>> {
    let spare = [good[3].candidate(4), good[4].candidate(5)];
    let own = |index: u8| match index {
        3 => faulty.candidate(3),
        index => good[usize::from(index)].candidate(index),
    };
    (0..4).map(|index| (index, [vec![own(index)], spare.to_vec()].concat())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lied_is_still_asked_last_after_a_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let config = config(&path);
    let (good, faulty) = (providers(5).await, Faulty::start(9, Fault::WrongPromise).await);
    let liar = faulty.candidate(3).target.peer_key;
    let put = async |peer: &Peer, seed| {
        let segment = MemorySegment::new(SMALL, bytes_of(seed, 400_000));
        upload_segment(peer, upload(SMALL, columns(&good, &faulty)), &segment).await.unwrap()
    };
    let first = Mortal::start(&config).await;
    put(&first.peer, 1).await;
    assert_eq!((faulty.asked(), first.peer.judged().standing(&liar)), (1, Standing::Banned));
    is_written(&path, liar.as_bytes()).await;
    first.dies().await;
    let second = Peer::start(config.clone()).await.unwrap();
    assert_eq!(second.judged().standing(&liar), Standing::Banned);
    assert_eq!(second.judged().marked(), Marked { poor: 0, banned: 1 }, "and nobody else");
    put(&second, 2).await;
    second.stop().await;
    let third = Peer::start(config).await.unwrap();
    put(&third, 3).await;
    assert_eq!((faulty.asked(), third.judged().standing(&liar)), (1, Standing::Banned));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_is_written_down_at_once_and_everything_else_at_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("peers");
    let config = config(&path);
    let [first_liar, liar, late] = [1, 2, 3].map(|number| PeerKey::from_bytes([0x70 + number; 32]));
    let first = Mortal::start(&config).await;
    first.peer.judged().note(first_liar, Deed::Lied);
    is_written(&path, first_liar.as_bytes()).await;
    // Without a ban it is looked for changes in an hour.
    first.peer.judged().note(late, Deed::Failed);
    first.peer.judged().note(liar, Deed::Lied);
    is_written(&path, liar.as_bytes()).await;
    first.dies().await;
    let second = Mortal::start(&config).await;
    let standing = |peer: &Peer| [first_liar, liar, late].map(|key| peer.judged().standing(&key));
    assert_eq!(standing(&second.peer), [Standing::Banned, Standing::Banned, Standing::Poor]);
    let last = PeerKey::from_bytes([0x7f; 32]);
    second.peer.judged().note(last, Deed::Failed);
    second.peer.stop().await;
    is_written(&path, last.as_bytes()).await;
    second.runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sent_spam_is_kept_out_after_a_kill_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = GENESIS.to_string();
    let pool = Arc::new(Pool::default());
    let mut config = config(&folder.path().join("peers"));
    config.network.gossip = gossiping(&pool, vec![]).network.gossip;
    let victim = Mortal::start(&config).await;
    let mut spammer = spammer_at(&genesis, &[address_of(&victim.peer)]).await;
    for number in 0..1000_u32 {
        drop(spammer.behaviour_mut().gossip.publish(topic(&genesis), format!("invalid {number}")));
    }
    let id = *spammer.local_peer_id();
    meanwhile(&mut spammer, is_written(&folder.path().join("peers"), &id.to_bytes())).await;
    victim.dies().await;
    let victim = Peer::start(config).await.unwrap();
    let address = address_of(&victim);
    spammer.dial(address.clone()).unwrap();
    // It proves who it is, and that is the end.
    loop {
        match spammer.select_next_some().await {
            SwarmEvent::ConnectionClosed { endpoint, .. } if *endpoint.get_remote_address() == address => break,
            SwarmEvent::OutgoingConnectionError { .. } => break,
            _ => {}
        }
    }
    assert_eq!(victim.peer_count(), 0);
    let other = spammer_at(&genesis, &[address]).await;
    let friend = Peer::start(gossiping(&pool, vec![address_of(&victim)])).await.unwrap();
    found(&friend, &victim).await;
    wait_until(|| victim.connected_peers().contains(&other.local_peer_id().to_string())).await;
    assert!(!victim.connected_peers().contains(&id.to_string()));
}
