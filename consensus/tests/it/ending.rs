//! How engines fail to start, and how they end.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use consensus::formats::{ConsensusSigner, Signer};
use consensus::{Application, EndReason, StartError, start};
use runtime::types::{self, BlockHash, VoteKind};

use crate::support::{Fault, TestChain, config, soon, validator};

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(0, folder.path(), NEVER);
    config.listen = taken.local_addr().unwrap();
    let error = soon(start(chain.clone(), chain, config)).await.unwrap_err();
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_validators_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(0, 0);
    let error = soon(start(chain.clone(), chain, config(0, folder.path(), NEVER))).await.unwrap_err();
    assert!(matches!(error, StartError::Validators { height: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_address_without_its_id_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let mut config = config(0, folder.path(), NEVER);
    config.peers = vec!["/ip4/127.0.0.1/tcp/30333".into()];
    let error = soon(start(chain.clone(), chain, config)).await.unwrap_err();
    assert!(matches!(error, StartError::Peer { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_the_application_ends_the_engine_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    chain.break_at(Fault::CommitPanics);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
    let reason = soon(engine.ended()).await;
    assert!(matches!(reason, EndReason::Application { during: "commit", .. }), "{reason}");
    assert!(!reason.is_clean());
    // Whoever asks later gets the same answer.
    assert_eq!(soon(engine.ended()).await, reason);
}

/// Signs a vote of height 1 and round 0 as the validator's earlier life did, whose log is lost.
async fn vote_before(chain: &TestChain, folder: &Path, kind: VoteKind, block: Option<BlockHash>) {
    let signer = ConsensusSigner::open(chain.genesis(), validator(0), &folder.join("signed.guard")).unwrap();
    let vote = types::Vote { kind, height: 1, round: 0, block, validator: validator(0).account };
    signer.sign_vote(vote.into()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_signature_ends_the_engine_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    vote_before(&chain, folder.path(), VoteKind::Precommit, Some(BlockHash::from_bytes([7; 32]))).await;
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
    let reason = soon(engine.ended()).await;
    let EndReason::Engine { why } = &reason else { panic!("{reason}") };
    assert!(why.contains("refused to sign a second precommit for height 1 round 0"), "{why}");
    assert_eq!(chain.height(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_for_nothing_that_only_the_guard_remembers_costs_a_lone_validator_a_round_and_no_more() {
    for kind in [VoteKind::Prevote, VoteKind::Precommit] {
        let folder = tempfile::tempdir().unwrap();
        let chain = TestChain::new(1, 0);
        vote_before(&chain, folder.path(), kind, None).await;
        let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
        chain.reaches(1).await;
        soon(engine.stop()).await;
        assert_eq!(chain.at(1).1.round, 1, "{kind:?}");
        chain.verify();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_costs_a_lone_validator_what_it_says_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    chain.break_at(Fault::Commit);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
    soon(engine.ended()).await;
    let log = folder.path().join("consensus.wal");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
    chain.reaches(1).await;
    soon(engine.stop()).await;
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_handle_stops_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let engine = soon(start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER))).await.unwrap();
    let ended = engine.ended();
    drop(engine);
    assert_eq!(soon(ended).await, EndReason::Stopped);
}
