//! Nodes of another chain.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Stage;
use crate::support::{TestChain, soon};
use consensus::peer_key;

/// A way to `to` on which the connections that ended are counted.
async fn way(to: SocketAddr) -> (SocketAddr, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, watched) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let ended = ended.clone();
            tokio::spawn(async move {
                if let Ok(mut there) = TcpStream::connect(to).await {
                    // However it ends.
                    let _ = copy_bidirectional(&mut here, &mut there).await;
                    ended.send_modify(|count| *count += 1);
                }
            });
        }
    });
    (address, watched)
}

/// Three validators, of which the first reaches the fourth by a counted way. The fourth names nobody.
async fn with_a_fourth_of(chain: std::sync::Arc<TestChain>) -> (Stage, watch::Receiver<usize>, String) {
    let mut stage = Stage::new();
    stage.network.chains[3] = chain;
    let (address, ended) = way(stage.network.configs[3].listen).await;
    let id = peer_key(&stage.network.configs[3].network_secret).to_string();
    for index in 0..3 {
        stage.network.configs[index].peers.retain(|peer| !peer.ends_with(&id));
    }
    stage.network.configs[0].peers.push(format!("/ip4/127.0.0.1/tcp/{}/p2p/{id}", address.port()));
    let first = peer_key(&stage.network.configs[0].network_secret).to_string();
    stage.network.configs[3].peers.retain(|peer| peer.ends_with(&first));
    stage.honest(3).await;
    stage.others(&[3]).await;
    (stage, ended, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peer_of_another_genesis_is_sent_away_though_it_is_named() {
    let (mut stage, mut ended, stranger) = with_a_fourth_of(TestChain::born_in_epoch(1, 4, 3)).await;
    soon(ended.wait_for(|ended| *ended > 0)).await.unwrap();
    for index in 0..3 {
        stage.chain(index).reaches(3).await;
    }
    let peers = stage.peers(0).await;
    assert!(!peers.contains(&stranger), "{peers:?}");
    assert_eq!(peers.len(), 2, "{peers:?}");
    assert_eq!(stage.chain(3).height(), 0);
    for index in 0..4 {
        stage.stop_one(index).await;
    }
    stage.network.agree(&[0, 1, 2], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peer_of_the_same_genesis_stays() {
    let (mut stage, ended, fourth) = with_a_fourth_of(TestChain::new(4, 3)).await;
    stage.all_reach(3).await;
    let peers = stage.peers(0).await;
    assert!(peers.contains(&fourth), "{peers:?}");
    assert_eq!(*ended.borrow(), 0);
    stage.end(3).await;
}
