//! Who comes to a validator without being named by it.

use std::time::Duration;

use consensus::{peer_key, start};

use crate::quiet::Complaints;
use crate::support::{TestChain, config, free_address, soon};

/// Runs on one thread, so that the subscriber of this thread sees both engines and no other test.
#[tokio::test]
async fn a_validator_that_lets_in_only_whom_it_names_cuts_off_a_stranger() {
    let (complaints, _guard) = Complaints::collect("warn");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut of_validator = config(0, folders[0].path(), Duration::from_millis(200));
    of_validator.listen = free_address();
    of_validator.peers_only = true;
    let mut of_stranger = config(1, folders[1].path(), Duration::from_millis(200));
    of_stranger.validator = None;
    let key = peer_key(&of_validator.network_secret);
    of_stranger.peers = vec![format!("/ip4/127.0.0.1/tcp/{}/p2p/{key}", of_validator.listen.port())];
    let stranger = peer_key(&of_stranger.network_secret).to_string();

    let (here, there) = (TestChain::new(1, 0), TestChain::new(1, 0));
    let validator = soon(start(here.clone(), here.clone(), of_validator)).await.unwrap();
    let follower = soon(start(there.clone(), there.clone(), of_stranger)).await.unwrap();
    complaints.have(&["Rejecting connection from non-persistent peer", &stranger]).await;
    soon(follower.stop()).await;
    soon(validator.stop()).await;
}
