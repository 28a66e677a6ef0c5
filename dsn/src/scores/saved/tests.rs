#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::super::{Deed, Marked, Standing};
use super::{BAN_MAX, SCORE_MAX, SCORED_PEERS_MAX, SavedScore, Scores, ban};
use proptest::prelude::*;
use runtime::crypto::PeerKey;
use std::time::Duration;

/// Somewhere in 2026, on the wall.
const UNIX: Duration = Duration::from_secs(1_790_000_000);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn peer(number: u32) -> PeerKey {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    PeerKey::from_bytes(bytes)
}

fn deed() -> impl Strategy<Value = Deed> {
    let waited = Duration::from_secs(1);
    prop_oneof![
        Just(Deed::Kept),
        Just(Deed::Slow),
        Just(Deed::Failed),
        Just(Deed::Lied),
        Just(Deed::Gave { bytes: 1000, waited })
    ]
}

/// Who did what, and how long after the one before.
fn history() -> impl Strategy<Value = Vec<(u32, Deed, Duration)>> {
    let step = (0_u64..600_000).prop_map(Duration::from_millis);
    prop::collection::vec((0_u32..6, deed(), step), 0..60)
}

/// The scores after a history that began at `from`, and when it ended.
fn after(history: &[(u32, Deed, Duration)], from: Duration) -> (Scores, Duration) {
    let (mut scores, mut now) = (Scores::default(), from);
    for (number, deed, step) in history {
        now += *step;
        scores.note(peer(*number), *deed, now);
    }
    (scores, now)
}

fn anything() -> impl Strategy<Value = SavedScore> {
    let numbers = (any::<u32>(), any::<u64>(), any::<u32>(), any::<u64>());
    (0_u32..6, numbers).prop_map(|(number, (loss_milli, seen_unix_ms, lies, banned_until_unix_ms))| SavedScore {
        peer: peer(number),
        loss_milli,
        seen_unix_ms,
        lies,
        banned_until_unix_ms,
    })
}

proptest! {
    #[test]
    fn whoever_is_judged_before_a_restart_is_judged_alike_after_it(
        history in history(),
        down_ms in 0_u64..90_000_000,
        more_ms in 0_u64..90_000_000,
    ) {
        let (scores, now) = after(&history, Duration::from_secs(77));
        let saved = scores.saved(now, UNIX);
        // The next run counts from another moment.
        let (down, more) = (Duration::from_millis(down_ms), Duration::from_millis(more_ms));
        let (mut again, began) = (Scores::default(), 400 * DAY);
        again.restore(&saved, began, UNIX + down);
        for number in 0..6 {
            let (before, since) = (scores.records.get(&peer(number)), now + down + more);
            let after = again.records.get(&peer(number));
            let score = |record: Option<&super::Record>, at| record.map_or(SCORE_MAX, |record| record.score(at));
            let (old, new) = (score(before, since), score(after, began + more));
            prop_assert!(old.abs_diff(new) <= 1, "{} instead of {}", new, old);
            let banned = |scores: &Scores, at| scores.standing(&peer(number), at) == Standing::Banned;
            prop_assert_eq!(banned(&scores, since), banned(&again, began + more));
            // The next lie is punished as if there had been no restart.
            let lies = |record: Option<&super::Record>| record.map_or(0, |record| record.lies);
            prop_assert_eq!(lies(before), lies(after));
        }
        // What was written down once is written down again.
        let written = again.saved(began, UNIX + down);
        prop_assert!(written.iter().all(|score| saved.iter().any(|old| old.peer == score.peer)));
    }

    #[test]
    fn no_file_and_no_clock_bans_longer_than_the_last_lie_deserved(
        saved in prop::collection::vec(anything(), 0..20),
        unix_s in prop_oneof![Just(0), 0_u64..4_000_000_000],
    ) {
        let (mut scores, now) = (Scores::default(), 400 * DAY);
        scores.restore(&saved, now, Duration::from_secs(unix_s));
        for (peer, record) in &scores.records {
            let longest = record.lies.checked_sub(1).map_or(Duration::ZERO, ban);
            prop_assert!(longest <= BAN_MAX);
            prop_assert_ne!(scores.standing(peer, now + longest), Standing::Banned);
            prop_assert!(record.seen <= now && (0.0..=f64::from(SCORE_MAX)).contains(&record.loss), "{:?}", record);
        }
        // And what came of it can be written down and taken up again.
        let mut again = Scores::default();
        again.restore(&scores.saved(now, UNIX), now, UNIX);
        prop_assert_eq!(again.marked(now), scores.marked(now));
    }
}

#[test]
fn a_clock_that_was_put_back_lets_a_ban_last_as_long_as_it_was_and_no_longer() {
    let mut scores = Scores::default();
    (0..3).for_each(|_| assert!(scores.note(peer(0), Deed::Lied, DAY).is_some()));
    let saved = scores.saved(DAY, UNIX);
    let mut again = Scores::default();
    again.restore(&saved, 400 * DAY, UNIX - 300 * DAY);
    let end = 400 * DAY + ban(2);
    assert_eq!(again.standing(&peer(0), end - Duration::from_millis(1)), Standing::Banned);
    assert_ne!(again.standing(&peer(0), end), Standing::Banned);
}

#[test]
fn a_ban_that_ended_while_the_node_was_down_is_gone_and_the_next_one_is_longer() {
    let mut scores = Scores::default();
    scores.note(peer(0), Deed::Lied, DAY);
    let saved = scores.saved(DAY, UNIX);
    let mut again = Scores::default();
    again.restore(&saved, 400 * DAY, UNIX + ban(0));
    assert_eq!(again.marked(400 * DAY), Marked::default());
    assert_eq!(again.note(peer(0), Deed::Lied, 400 * DAY), Some(400 * DAY + 2 * ban(0)));
}

#[test]
fn only_what_is_held_against_somebody_is_written_down_and_said_to_have_changed() {
    let mut scores = Scores::default();
    scores.note(peer(0), Deed::Kept, DAY);
    assert!(!scores.take_changed());
    assert_eq!(scores.saved(DAY, UNIX), []);
    scores.note(peer(1), Deed::Failed, DAY);
    assert!(scores.take_changed() && !scores.take_changed());
    let failed = SavedScore {
        peer: peer(1),
        loss_milli: 500_000,
        seen_unix_ms: 1_790_000_000_000,
        lies: 0,
        banned_until_unix_ms: 0,
    };
    assert_eq!(scores.saved(DAY, UNIX), [failed]);
    // It made up for that: what is written down is too much.
    scores.note(peer(1), Deed::Kept, DAY);
    assert!(scores.take_changed());
    assert_eq!(scores.saved(DAY + DAY, UNIX), []);
}

#[test]
fn no_more_are_taken_up_than_are_remembered() {
    let many = u32::try_from(SCORED_PEERS_MAX).unwrap() + 10;
    let saved = |number| SavedScore {
        peer: peer(number),
        loss_milli: 900_000,
        seen_unix_ms: 1_790_000_000_000,
        lies: 0,
        banned_until_unix_ms: 0,
    };
    let mut scores = Scores::default();
    scores.restore(&(0..many).map(saved).collect::<Vec<_>>(), DAY, UNIX);
    assert_eq!(scores.marked(DAY), Marked { poor: SCORED_PEERS_MAX, banned: 0 });
}
