//! A validator that forgets what it is locked on.

use std::time::Duration;

use malachite_byzantine::Trigger;
use runtime::types::Height;

use super::Stage;
use super::rogue::Rogue;
use crate::support::soon;

/// The first height, once all engines know each other, whose first two rounds have different proposers.
fn contested(stage: &Stage) -> Height {
    (3..).find(|height| stage.turn(*height, 0) != stage.turn(*height, 1)).unwrap()
}

/// In round 0 three validators lock on a block, but only two of them say so; the fourth misses the proposal, and
/// proposes another block in round 1. With one of the three voting for it in spite of its lock there are two votes of
/// four for the new block, and the old one must win.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_four_that_ignores_its_lock_does_not_undo_a_lock() {
    let mut stage = Stage::new();
    for config in &mut stage.network.configs {
        // On a busy machine a proposal may take its time, and a round without it would show nothing.
        config.timeouts.propose = Duration::from_secs(6);
    }
    let height = contested(&stage);
    let (first, second) = (stage.turn(height, 0), stage.turn(height, 1));
    let mut others = (0..4).filter(|index| ![first, second].contains(index));
    let (amnesiac, shy) = (others.next().unwrap(), others.next().unwrap());
    let here = Trigger::AtHeightsAndRounds { heights: vec![height], rounds: vec![0] };
    let next = Trigger::AtHeightsAndRounds { heights: vec![height], rounds: vec![1] };

    let forgets = Rogue::that(|rogue| rogue.with_ignore_locks(next));
    let mut forgot = forgets.forgot.subscribe();
    stage.rogue(amnesiac, forgets).await;
    stage.rogue(shy, Rogue::that(|rogue| rogue.with_force_precommit_nil(here.clone()))).await;
    stage.rogue(second, Rogue::that(|rogue| rogue.with_drop_inbound_proposals(here))).await;
    stage.honest(first).await;

    soon(forgot.wait_for(|forgot| *forgot > 0)).await.unwrap();
    stage.all_reach(height + 1).await;
    let proposed = |index: usize, round: u32| {
        let all = stage.chain(index).proposed();
        all.iter().find(|(at, in_round, _)| (*at, *in_round) == (height, round)).unwrap().2
    };
    let (locked, rival) = (proposed(first, 0), proposed(second, 1));
    assert_ne!(locked, rival);
    assert_eq!(stage.chain(0).at(height).0.hash, locked);
    stage.end(height + 1).await;
}
