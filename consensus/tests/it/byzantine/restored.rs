//! Validators whose folders are lost, and whose keys are put on others.

use std::fs;

use consensus::peer_key;

use super::Stage;
use super::rogue::Rogue;
use crate::support::TestChain;

/// The one that lies, where one does.
const LIAR: usize = 1;

/// Four validators, none of whom is told that its key has signed nothing.
async fn begun() -> Stage {
    begun_with(None).await
}

/// The same, one of them a rogue.
async fn begun_with(rogue: Option<Rogue>) -> Stage {
    let mut stage = Stage::new();
    stage.network.configs.iter_mut().for_each(|config| config.new_guard = false);
    if let Some(rogue) = rogue {
        stage.rogue(LIAR, rogue).await;
        stage.others(&[LIAR]).await;
    } else {
        stage.others(&[]).await;
    }
    stage.all_reach(5).await;
    stage
}

impl Stage {
    /// Stops a validator and takes it everything but its key.
    async fn loses(&mut self, index: usize) {
        self.stop_one(index).await;
        fs::remove_dir_all(&self.network.configs[index].data_dir).unwrap();
        self.network.chains[index] = TestChain::new(4, index.try_into().unwrap());
        self.taps[index] = std::sync::Arc::default();
    }

    /// The heights that an engine has voted on since its folder was lost.
    fn voted(&self, index: usize) -> Vec<u64> {
        self.seen(index).votes.iter().map(|vote| vote.height.0).collect()
    }

    fn nobody_contradicted_itself(&self) {
        for index in 0..4 {
            assert_eq!(self.seen(index).double_votes, [], "validator {index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restored_validator_signs_nothing_that_it_may_have_signed_before_and_later_votes_again() {
    let mut stage = begun().await;
    stage.loses(3).await;
    let live = stage.chain(0).height() + 1;
    stage.honest(3).await;
    let seen = stage.sees(3, "its own vote", |seen| !seen.votes.is_empty()).await;
    let first = seen.votes.iter().map(|vote| vote.height.0).min().unwrap();
    assert!(first > live, "it voted at {first}, and {live} was being decided when it started");
    // Without its vote there would be no more blocks.
    stage.stop_one(2).await;
    let without = stage.chain(0).height();
    for index in [0, 1, 3] {
        stage.chain(index).reaches(without + 3).await;
    }
    stage.nobody_contradicted_itself();
    for index in [0, 1, 3] {
        stage.stop_one(index).await;
    }
    stage.network.agree(&[0, 1, 3], without + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_liar_keeps_a_restored_validator_from_voting_only_until_more_are_heard() {
    let mut rogue = Rogue::new();
    let id = peer_key(&Stage::new().network.configs[LIAR].network_secret);
    rogue.poison.poses_as = vec![id.to_string().parse().unwrap()];
    let mut stage = begun_with(Some(rogue)).await;
    stage.loses(3).await;
    // One that does not lie is away.
    stage.stop_one(2).await;
    let head = stage.chain(0).height();
    stage.honest(3).await;
    // It is past what it was unsure of.
    stage.chain(3).reaches(head).await;
    stage.honest(2).await;
    let seen = stage.sees(3, "its own vote", |seen| !seen.votes.is_empty()).await;
    assert!(seen.votes.iter().all(|vote| vote.height.0 > head + 1), "{:?} above {head}", seen.votes);
    stage.nobody_contradicted_itself();
    stage.end(head).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn if_too_many_are_restored_at_once_none_votes_until_it_is_told_that_it_may() {
    let mut stage = begun().await;
    for config in &mut stage.network.configs {
        config.timeouts.rebroadcast = std::time::Duration::from_millis(500);
    }
    // With the shorter time.
    for index in [0, 1] {
        stage.stop_one(index).await;
    }
    for index in [2, 3] {
        stage.loses(index).await;
    }
    let stands = stage.chain(0).height().max(stage.chain(1).height()) + 1;
    for index in 0..4 {
        stage.honest(index).await;
    }
    for _ in 0..2 {
        for index in [0, 1] {
            let repeats = stage.seen(index).repeats.get(&stands).copied().unwrap_or_default();
            let waits = |seen: &super::Seen| seen.repeats.get(&stands).is_some_and(|now| *now > repeats + 2);
            stage.sees(index, "its votes sent again", waits).await;
        }
        for index in [2, 3] {
            // It has all there is.
            stage.chain(index).reaches(stands - 1).await;
            assert_eq!(stage.voted(index), [] as [u64; 0], "validator {index}");
            // Nor after it was started again.
            stage.stop_one(index).await;
            stage.honest(index).await;
        }
    }
    for index in [2, 3] {
        stage.stop_one(index).await;
        stage.network.configs[index].new_guard = true;
        stage.honest(index).await;
    }
    stage.all_reach(stands + 3).await;
    stage.end(stands + 3).await;
}
