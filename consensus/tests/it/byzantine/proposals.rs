//! Proposals that never come, whose parts are not theirs, or whose blocks nobody may vote for.

use std::collections::BTreeSet;

use consensus::formats::{Proposal, ProposalPart};
use malachite::app::types::core::NilOrVal;
use malachite_byzantine::Trigger;
use runtime::types::Height;

use super::Stage;
use super::rogue::Rogue;
use crate::support::Fault;

/// All engines know each other by then.
const SETTLED: Height = 3;
/// Every proposer has had its turn by then, most of them more than once.
const HEIGHTS: Height = 8;

/// Runs a network in which the proposer of [`SETTLED`] is this rogue; nobody else ever votes for its blocks, every
/// height that begins with its turn takes another round, and nobody ends.
async fn goes_on_without_the_blocks_of(rogue: Rogue, fault: Option<Fault>) {
    let mut stage = Stage::new();
    let index = stage.turn(SETTLED, 0);
    if let Some(fault) = fault {
        stage.chain(index).break_at(fault);
    }
    stage.rogue(index, rogue).await;
    stage.others(&[index]).await;
    stage.all_reach(HEIGHTS).await;
    let own: Vec<_> = stage.chain(index).proposed().iter().map(|(.., hash)| *hash).collect();
    assert!(!own.is_empty());
    for honest in (0..4).filter(|honest| *honest != index) {
        let votes = stage.seen(honest).votes;
        let bad = votes.iter().find(|vote| matches!(vote.value, NilOrVal::Val(hash) if own.contains(&hash)));
        assert!(bad.is_none(), "{bad:?}");
        assert!(votes.iter().any(|vote| vote.height.0 == SETTLED && vote.value == NilOrVal::Nil));
    }
    for height in 1..=HEIGHTS {
        let (block, certificate, _) = stage.chain(0).at(height);
        assert!(!own.contains(&block.hash), "height {height}");
        let waited = stage.turn(height, 0) == index;
        assert!(!waited || certificate.round > 0, "height {height} was decided in round {}", certificate.round);
    }
    stage.end(HEIGHTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_withheld_proposal_costs_a_round() {
    let silent = Rogue::that(|rogue| rogue.with_drop_proposals(Trigger::Always));
    goes_on_without_the_blocks_of(Rogue { parts: |_| Vec::new(), ..silent }, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn withheld_parts_cost_a_round() {
    goes_on_without_the_blocks_of(Rogue { parts: |_| Vec::new(), ..Rogue::new() }, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parts_that_their_manifest_does_not_name_cost_a_round() {
    let flip = |mut part: ProposalPart| {
        part.bytes[0] ^= 1;
        vec![part]
    };
    goes_on_without_the_blocks_of(Rogue { parts: flip, ..Rogue::new() }, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_block_that_the_application_refuses_gets_no_vote() {
    goes_on_without_the_blocks_of(Rogue::new(), Some(Fault::ProposeInvalid)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_proposals_for_one_round_do_not_fork() {
    let mut stage = Stage::new();
    let index = stage.turn(SETTLED, 0);
    stage.rogue(index, Rogue::that(|rogue| rogue.with_equivocate_proposals(Trigger::Always))).await;
    stage.others(&[index]).await;
    stage.all_reach(HEIGHTS).await;
    for honest in (0..4).filter(|honest| *honest != index) {
        let seen = stage.seen(honest).proposals;
        let here = |proposal: &&Proposal| (proposal.height.0, proposal.round.as_u32()) == (SETTLED, Some(0));
        let values: BTreeSet<_> = seen.iter().filter(here).map(|proposal| proposal.value).collect();
        assert_eq!(values.len(), 2, "validator {honest}");
    }
    stage.end(HEIGHTS).await;
}
