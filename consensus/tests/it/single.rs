//! One validator alone.

use std::sync::Arc;
use std::time::Duration;

use consensus::{ConsensusConfig, ConsensusHandle, EndReason, GuardError, StartError, start};

use crate::support::{Fault, TestChain, config, soon};

/// Longer than any test: nothing is decided because of idleness.
const NEVER: Duration = Duration::from_secs(3600);

async fn run(chain: &Arc<TestChain>, folder: &std::path::Path, idle: Duration) -> ConsensusHandle {
    soon(start(chain.clone(), chain.clone(), config(0, folder, idle))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_decided_without_waiting_for_idleness() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.reaches(1).await;
    for height in 2..=5 {
        chain.submit(1);
        chain.reaches(height).await;
        assert_eq!(chain.transactions(height), 1);
    }
    // Nobody asked for another block, and while a neighbour decides empty ones there is none.
    let neighbour_folder = tempfile::tempdir().unwrap();
    let neighbour = TestChain::new(1, 0);
    let neighbour_engine = run(&neighbour, neighbour_folder.path(), Duration::from_millis(50)).await;
    neighbour.reaches(5).await;
    soon(neighbour_engine.stop()).await;
    assert_eq!(chain.height(), 5);
    assert_eq!(soon(engine.stop()).await, EndReason::Stopped);
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_block_follows_one_idle_time_after_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let idle = Duration::from_millis(300);
    let engine = run(&chain, folder.path(), idle).await;
    chain.reaches(4).await;
    soon(engine.stop()).await;
    for height in 2..=4 {
        let waited = chain.at(height).2 - chain.at(height - 1).2;
        assert_eq!(chain.transactions(height), 0);
        assert!(waited >= idle, "height {height} came after {waited:?}");
    }
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_many_parts_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    chain.submit(4000);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.reaches(1).await;
    soon(engine.stop()).await;
    assert_eq!(chain.transactions(1), 4000);
    assert!(chain.at(1).0.bytes.len() > 400_000);
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_same_folder_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    for start_number in 1..=4 {
        let engine = run(&chain, folder.path(), NEVER).await;
        let before = chain.height();
        chain.submit(1);
        chain.reaches(before + 1).await;
        assert_eq!(soon(engine.stop()).await, EndReason::Stopped, "start {start_number}");
    }
    assert!(chain.height() >= 4);
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stored_before_a_crash_is_proposed_again() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    chain.break_at(Fault::Propose);
    let engine = run(&chain, folder.path(), NEVER).await;
    let reason = soon(engine.ended()).await;
    assert!(matches!(reason, EndReason::Application { during: "propose", .. }), "{reason}");
    let [stored] = chain.stored()[..] else { panic!("one block was stored") };
    // New work would make another block, if it were not for the one that is stored.
    chain.submit(3);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.reaches(2).await;
    soon(engine.stop()).await;
    assert_eq!(chain.at(1).0.hash, stored);
    assert_eq!((chain.transactions(1), chain.transactions(2)), (0, 3));
    assert_eq!(chain.proposed()[..2], [(1, 0, stored), (1, 0, stored)]);
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_height_decided_before_a_crash_is_decided_the_same_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let chain = TestChain::new(1, 0);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.reaches(1).await;
    chain.break_at(Fault::Commit);
    chain.submit(2);
    let reason = soon(engine.ended()).await;
    assert!(matches!(reason, EndReason::Application { during: "commit", .. }), "{reason}");
    assert_eq!(chain.height(), 1);
    let [voted] = chain.stored()[..] else { panic!("one block was stored") };
    chain.submit(5);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.reaches(2).await;
    soon(engine.stop()).await;
    assert_eq!(chain.at(2).0.hash, voted);
    chain.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_guard_file_a_validator_signs_only_if_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let (guard, log) = (folder.path().join("signed.guard"), folder.path().join("consensus.wal"));
    let refused = async |chain: &Arc<TestChain>, beside: &str| {
        let error = start(chain.clone(), chain.clone(), config(0, folder.path(), NEVER)).await.unwrap_err();
        assert!(matches!(error, StartError::Guard(GuardError::Missing { .. })), "{error:?}");
        let said = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        assert!(said.contains(beside) && said.contains(guard.to_str().unwrap()), "{said}");
        assert!(!guard.exists());
    };
    let chain = TestChain::new(1, 0);
    let engine = run(&chain, folder.path(), NEVER).await;
    chain.submit(1);
    chain.reaches(1).await;
    soon(engine.stop()).await;
    std::fs::remove_file(&guard).unwrap();
    refused(&chain, "the ledger ends at height").await;
    // The ledger may be gone too.
    refused(&TestChain::new(1, 0), "consensus.wal").await;
    std::fs::remove_file(log).unwrap();
    refused(&chain, "the ledger ends at height").await;
    let told = ConsensusConfig { new_guard: true, ..config(0, folder.path(), NEVER) };
    let before = chain.height();
    let engine = soon(start(chain.clone(), chain.clone(), told)).await.unwrap();
    chain.submit(1);
    chain.reaches(before + 1).await;
    soon(engine.stop()).await;
    assert!(guard.exists());
}
