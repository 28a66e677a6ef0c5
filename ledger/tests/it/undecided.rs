//! Blocks that wait for a decision.

use ledger::{Ledger, LedgerError, UNDECIDED_BLOCKS_MAX};
use runtime::types::Block;

use crate::support::{commit, executed, genesis, ledger};

/// A block on the head, one of many.
fn candidate(ledger: &Ledger, number: u16) -> Block {
    let executed = executed(&ledger.head(), [(vec![0x40], Some(number.to_be_bytes().to_vec()))].into());
    executed.block(ledger.preview(&executed.changes).unwrap().root)
}

#[test]
fn what_is_remembered_survives_and_is_listed_by_round() {
    let (folder, first) = ledger();
    let blocks = [candidate(&first, 0), candidate(&first, 1), candidate(&first, 2)];
    first.remember(256, &blocks[0]).unwrap();
    first.remember(0, &blocks[1]).unwrap();
    first.remember(1, &blocks[2]).unwrap();
    first.remember(1, &blocks[2]).unwrap();
    drop(first);
    let second = Ledger::open(folder.path(), &genesis()).unwrap();
    let expected = [(0, blocks[1].clone()), (1, blocks[2].clone()), (256, blocks[0].clone())];
    assert_eq!(second.undecided(1).unwrap(), expected);
    assert_eq!(second.undecided_block(1, &blocks[0].hash()).unwrap().as_ref(), Some(&blocks[0]));
    assert_eq!(second.undecided_block(2, &blocks[0].hash()).unwrap(), None);
    assert_eq!(second.undecided_block(1, &second.genesis_hash()).unwrap(), None);
}

#[test]
fn one_block_may_be_seen_in_several_rounds_and_several_blocks_in_one() {
    let (_folder, ledger) = ledger();
    let (a, b) = (candidate(&ledger, 0), candidate(&ledger, 1));
    ledger.remember(3, &a).unwrap();
    ledger.remember(3, &b).unwrap();
    ledger.remember(4, &a).unwrap();
    let undecided = ledger.undecided(1).unwrap();
    assert_eq!(undecided.iter().map(|(round, _)| *round).collect::<Vec<_>>(), [3, 3, 4]);
    assert_eq!(undecided[2].1, a);
}

#[test]
fn a_commit_clears_its_height() {
    let (_folder, ledger) = ledger();
    for number in 0..5 {
        ledger.remember(u32::from(number), &candidate(&ledger, number)).unwrap();
    }
    commit(&ledger, [(vec![0x40], Some(vec![1]))].into());
    assert_eq!(ledger.undecided(1).unwrap(), []);
    ledger.remember(0, &candidate(&ledger, 9)).unwrap();
    assert_eq!(ledger.undecided(2).unwrap().len(), 1);
}

#[test]
fn only_blocks_of_the_next_height_are_remembered() {
    let (_folder, ledger) = ledger();
    let stale = candidate(&ledger, 0);
    let mut high = stale.clone();
    high.header.height = 2;
    let error = ledger.remember(0, &high).unwrap_err();
    assert!(matches!(error, LedgerError::Mismatch { height: 1, .. }), "{error}");
    commit(&ledger, [(vec![0x40], Some(vec![1]))].into());
    let error = ledger.remember(0, &stale).unwrap_err();
    assert!(matches!(error, LedgerError::OtherHead { .. }), "{error}");
    assert_eq!(ledger.undecided(1).unwrap(), []);
}

#[test]
fn a_height_has_so_many_undecided_blocks_and_no_more() {
    let (_folder, ledger) = ledger();
    let block = candidate(&ledger, 0);
    for round in 0..UNDECIDED_BLOCKS_MAX as u32 {
        ledger.remember(round, &block).unwrap();
    }
    let error = ledger.remember(u32::MAX, &block).unwrap_err();
    assert!(matches!(error, LedgerError::TooManyUndecided { height: 1, limit: UNDECIDED_BLOCKS_MAX }), "{error}");
    // One that is known already is no more than before.
    ledger.remember(0, &block).unwrap();
}
