//! The guard file.

use std::fs;

use consensus::GuardError;
use consensus::formats::{Guard, Sealed, SignedKind};
use runtime::types::BlockHash;

const KEY: [u8; 32] = [1; 32];

fn block(byte: u8) -> Sealed {
    Sealed { block: Some(BlockHash::from_bytes([byte; 32])), pol_round: None }
}

const NOTHING: Sealed = Sealed { block: None, pol_round: None };

#[test]
fn a_second_value_for_one_height_round_and_kind_is_never_sealed_even_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    guard.seal(7, 0, SignedKind::Prevote, block(1)).unwrap();
    guard.seal(7, 0, SignedKind::Precommit, block(1)).unwrap();
    guard.seal(7, 0, SignedKind::Proposal, block(1)).unwrap();
    for _ in 0..2 {
        // The same again is no conflict, nor is another round.
        for kind in [SignedKind::Prevote, SignedKind::Precommit, SignedKind::Proposal] {
            assert_eq!(guard.seal(7, 0, kind, block(1)).unwrap(), block(1));
            assert_eq!(guard.seal(7, 1, kind, block(2)).unwrap(), block(2));
        }
        for (kind, value) in
            [(SignedKind::Precommit, block(2)), (SignedKind::Precommit, NOTHING), (SignedKind::Proposal, block(2))]
        {
            let error = guard.seal(7, 0, kind, value).unwrap_err();
            assert!(matches!(error, GuardError::Conflict { height: 7, round: 0, .. }), "{error}");
        }
        guard = Guard::open(&path, KEY).unwrap();
    }
}

/// The machine stopped between the seal and the engine's log, and the engine now votes otherwise.
#[test]
fn a_vote_that_binds_to_nothing_is_repeated_instead_of_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    guard.seal(7, 0, SignedKind::Prevote, NOTHING).unwrap();
    guard.seal(7, 0, SignedKind::Precommit, NOTHING).unwrap();
    guard.seal(7, 1, SignedKind::Prevote, block(1)).unwrap();
    for _ in 0..2 {
        assert_eq!(guard.seal(7, 0, SignedKind::Prevote, block(1)).unwrap(), NOTHING);
        assert_eq!(guard.seal(7, 0, SignedKind::Precommit, block(1)).unwrap(), NOTHING);
        assert_eq!(guard.seal(7, 1, SignedKind::Prevote, NOTHING).unwrap(), block(1));
        guard = Guard::open(&path, KEY).unwrap();
    }
}

#[test]
fn a_proposal_from_another_earlier_round_is_another_value() {
    let folder = tempfile::tempdir().unwrap();
    let mut guard = Guard::open(&folder.path().join("guard"), KEY).unwrap();
    let again = Sealed { pol_round: Some(0), ..block(1) };
    guard.seal(1, 2, SignedKind::Proposal, again).unwrap();
    assert!(guard.seal(1, 2, SignedKind::Proposal, Sealed { pol_round: Some(1), ..again }).is_err());
}

#[test]
fn a_lower_height_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    Guard::open(&path, KEY).unwrap().seal(9, 3, SignedKind::Precommit, NOTHING).unwrap();
    let error = Guard::open(&path, KEY).unwrap().seal(8, 0, SignedKind::Prevote, block(1)).unwrap_err();
    assert!(matches!(error, GuardError::Past { height: 8, highest: 9 }), "{error}");
}

#[test]
fn the_file_stays_small_and_remembers_through_thousands_of_heights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    for height in 1..=1500 {
        guard.seal(height, 0, SignedKind::Prevote, block(1)).unwrap();
    }
    assert!(fs::metadata(&path).unwrap().len() <= 128 * 1024);
    let mut guard = Guard::open(&path, KEY).unwrap();
    assert_eq!(guard.seal(1500, 0, SignedKind::Prevote, block(2)).unwrap(), block(1));
}

#[test]
fn rounds_of_one_height_are_all_remembered_when_the_file_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    for round in 0..1100 {
        guard.seal(1, round, SignedKind::Prevote, block(1)).unwrap();
    }
    let mut guard = Guard::open(&path, KEY).unwrap();
    for round in [0, 1, 1022, 1023, 1024, 1099] {
        let sealed = guard.seal(1, round, SignedKind::Prevote, block(2)).unwrap();
        assert_eq!(sealed, block(1), "round {round}");
    }
}

#[test]
fn a_record_torn_by_a_crash_is_dropped_and_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    guard.seal(1, 0, SignedKind::Prevote, block(1)).unwrap();
    guard.seal(1, 0, SignedKind::Precommit, block(1)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * 64 + 30..3 * 64].fill(0);
    fs::write(&path, &bytes).unwrap();
    let mut guard = Guard::open(&path, KEY).unwrap();
    assert_eq!(guard.seal(1, 0, SignedKind::Prevote, block(2)).unwrap(), block(1));
    guard.seal(1, 0, SignedKind::Precommit, block(2)).unwrap();
    assert!(Guard::open(&path, KEY).unwrap().seal(1, 0, SignedKind::Precommit, block(1)).is_err());
}

#[test]
fn damage_before_the_last_record_refuses_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open(&path, KEY).unwrap();
    guard.seal(1, 0, SignedKind::Prevote, block(1)).unwrap();
    guard.seal(1, 0, SignedKind::Precommit, block(1)).unwrap();
    let whole = fs::read(&path).unwrap();
    for damaged in [5, 64 + 20, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damaged] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let opened = Guard::open(&path, KEY);
        assert!(matches!(opened, Err(GuardError::Damaged { .. })), "byte {damaged}: {opened:?}");
    }
    for length in [0, 1, 63, 100] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(Guard::open(&path, KEY), Err(GuardError::Damaged { .. })), "{length} bytes");
    }
}

#[test]
fn the_file_of_another_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    Guard::open(&path, KEY).unwrap();
    assert!(matches!(Guard::open(&path, [2; 32]), Err(GuardError::OtherKey { .. })));
}

#[test]
fn who_does_not_know_what_its_key_signed_signs_nothing_up_to_its_floor_even_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    let mut guard = Guard::open_unknowing(&path, KEY).unwrap();
    let refused = |guard: &mut Guard, at: u64| {
        let error = guard.seal(at, 0, SignedKind::Prevote, NOTHING).unwrap_err();
        assert!(matches!(error, GuardError::Unknowing { height, .. } if height == at), "{error}");
    };
    for _ in 0..2 {
        for height in [0, 1, 100, u64::MAX] {
            refused(&mut guard, height);
        }
        guard = Guard::open(&path, KEY).unwrap();
    }
    guard.set_floor(7).unwrap();
    for _ in 0..2 {
        refused(&mut guard, 7);
        guard = Guard::open_unknowing(&path, KEY).unwrap();
        assert_eq!((guard.floor(), guard.highest()), (7, None));
    }
    // Also where the file was written anew since.
    for height in 8..1500 {
        guard.seal(height, 0, SignedKind::Prevote, block(1)).unwrap();
    }
    let mut guard = Guard::open_unknowing(&path, KEY).unwrap();
    refused(&mut guard, 7);
    assert!(matches!(guard.seal(8, 0, SignedKind::Prevote, NOTHING), Err(GuardError::Past { .. })));
}

#[test]
fn a_file_that_is_there_is_not_made_to_know_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("guard");
    Guard::open(&path, KEY).unwrap();
    let mut guard = Guard::open_unknowing(&path, KEY).unwrap();
    assert_eq!(guard.floor(), 0);
    guard.seal(1, 0, SignedKind::Prevote, NOTHING).unwrap();
}
