//! Votes that contradict each other, votes that never come, and votes whose record is lost.

use std::time::Duration;

use consensus::Application;
use malachite_byzantine::Trigger;
use runtime::crypto::Purpose;

use super::rogue::Rogue;
use super::{Stage, address};
use crate::support::{key, validator};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_equivocating_validator_of_four_does_not_fork_and_is_seen() {
    let mut stage = Stage::new();
    stage.rogue(3, Rogue::that(|rogue| rogue.with_equivocate_votes(Trigger::Always))).await;
    stage.others(&[3]).await;
    stage.all_reach(5).await;
    let genesis = stage.chain(0).genesis();
    for index in 0..3 {
        let seen = stage.sees(index, "a double vote", |seen| !seen.double_votes.is_empty()).await;
        for (voter, one, other) in &seen.double_votes {
            assert_eq!(*voter, address(3));
            assert_ne!(one.message.value, other.message.value);
            assert_eq!((one.message.height, one.message.round), (other.message.height, other.message.round));
            for vote in [one, other] {
                let payload = vote.message.to_runtime().unwrap().payload(&genesis);
                key(3).public_key().verify(Purpose::Consensus, &payload, &vote.signature).unwrap();
            }
        }
    }
    stage.end(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn heights_go_on_without_the_votes_of_one_of_four() {
    let mut stage = Stage::new();
    stage.rogue(3, Rogue::that(|rogue| rogue.with_drop_votes(Trigger::Always))).await;
    stage.others(&[3]).await;
    stage.all_reach(5).await;
    for height in 1..=5 {
        let signatures = stage.chain(0).at(height).1.signatures;
        assert!(signatures.iter().all(|one| one.validator != validator(3).account), "height {height}");
    }
    stage.end(5).await;
}

/// From this height on the droppers drop.
const SILENT_FROM: u64 = 3;

/// Two validators that behave, and two whose votes stop: everybody stands at the height before. All are put together
/// as rogues are, since the network of one of those is known to have let go of its address once it is stopped.
async fn stalled() -> Stage {
    let mut stage = Stage::new();
    for config in &mut stage.network.configs {
        config.timeouts.rebroadcast = Duration::from_millis(500);
    }
    let silent = Trigger::HeightRange { from: SILENT_FROM, to: u64::MAX };
    for index in [2, 3] {
        stage.rogue(index, Rogue::that(|rogue| rogue.with_drop_votes(silent.clone()))).await;
    }
    for index in [0, 1] {
        stage.rogue(index, Rogue::new()).await;
    }
    // Whoever waits for votes sends its own again.
    for index in [0, 1] {
        stage
            .sees(index, "its votes sent again", |seen| seen.repeats.get(&SILENT_FROM).is_some_and(|count| *count >= 3))
            .await;
    }
    for index in 0..4 {
        assert_eq!(stage.chain(index).height(), SILENT_FROM - 1, "validator {index}");
    }
    stage
}

/// The two whose votes stopped vote again, and nobody contradicts itself while heights go on.
async fn vote_again(mut stage: Stage) {
    for index in [2, 3] {
        stage.stop_one(index).await;
        stage.honest(index).await;
    }
    stage.all_reach(SILENT_FROM + 2).await;
    for index in 0..4 {
        assert!(stage.seen(index).double_votes.is_empty(), "validator {index}");
    }
    stage.end(SILENT_FROM + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_votes_of_two_of_four_nothing_is_decided_until_they_vote_again() {
    vote_again(stalled().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_validator_whose_log_was_deleted_in_a_round_does_not_contradict_itself() {
    let mut stage = stalled().await;
    // Not the proposer, who would find its block again and vote the same by itself.
    let forgetful = (0..2).find(|index| *index != stage.turn(SILENT_FROM, 0)).unwrap();
    let before: Vec<_> = votes_of(&stage, forgetful);
    assert!(!before.is_empty());
    stage.stop_one(forgetful).await;
    std::fs::remove_file(stage.network.configs[forgetful].data_dir.join("consensus.wal")).unwrap();
    stage.rogue(forgetful, Rogue::new()).await;
    let voted = before.len();
    let voted_again = |seen: &super::tap::Seen| seen.votes.iter().filter(|vote| vote.height.0 == SILENT_FROM).count();
    stage.sees(forgetful, "its vote after the restart", |seen| voted_again(seen) > voted).await;
    let after = votes_of(&stage, forgetful);
    for vote in &after {
        let place = |other: &&consensus::formats::Vote| (other.kind, other.round) == (vote.kind, vote.round);
        assert!(after.iter().filter(place).all(|other| other == vote), "{after:?}");
    }
    vote_again(stage).await;
}

fn votes_of(stage: &Stage, index: usize) -> Vec<consensus::formats::Vote> {
    stage.seen(index).votes.into_iter().filter(|vote| vote.height.0 == SILENT_FROM).collect()
}
