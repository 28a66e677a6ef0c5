#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{LAG_AFTER, Pace};
use std::time::{Duration, Instant};

/// Steps of four columns that take `waits` milliseconds each until their column is ready; who is behind after
/// [`LAG_AFTER`], if anybody.
fn after(waits: [u64; 4]) -> Vec<u8> {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    let mut now = start;
    loop {
        pace.step(4);
        let mut ready: Vec<_> = (0..).zip(waits).map(|(column, wait)| (wait, column)).collect();
        ready.sort_unstable();
        for (wait, column) in ready {
            let at = now + Duration::from_millis(wait);
            if at > start + LAG_AFTER * 2 {
                return pace.judge([column], start + LAG_AFTER * 2);
            }
            pace.ready(column, at);
        }
        now += Duration::from_millis(*waits.iter().max().unwrap());
        if now >= pace.judges_at() {
            return pace.judge([], now);
        }
    }
}

#[test]
fn a_column_that_is_many_times_slower_is_behind() {
    assert_eq!(after([10, 10, 10, 100]), [3]);
    assert_eq!(after([700, 10, 10, 10]), [0]);
}

#[test]
fn a_column_that_never_becomes_ready_is_behind() {
    assert_eq!(after([10, 1_000_000, 10, 10]), [1]);
}

#[test]
fn two_slow_columns_of_four_are_both_behind() {
    assert_eq!(after([10, 200, 210, 10]), [1, 2]);
}

#[test]
fn a_little_slower_is_not_behind() {
    assert_eq!(after([10, 10, 10, 30]), []);
}

#[test]
fn where_most_are_slow_nobody_is_behind() {
    assert_eq!(after([300, 300, 300, 310]), []);
    assert_eq!(after([10, 300, 300, 310]), []);
}

#[test]
fn it_is_too_early_to_judge_before_the_time() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    pace.step(2);
    pace.ready(0, start);
    assert_eq!(pace.judge([1], start + LAG_AFTER - Duration::from_millis(1)), []);
    assert_eq!(pace.judge([1], start + LAG_AFTER), [1]);
}

#[test]
fn what_was_judged_is_not_counted_again() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    pace.step(2);
    pace.ready(0, start);
    assert_eq!(pace.judge([1], start + LAG_AFTER), [1]);
    pace.ready(1, start + LAG_AFTER);
    assert_eq!(pace.judge([], start + LAG_AFTER * 2), []);
}

#[test]
fn a_single_column_is_never_behind() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    pace.step(1);
    assert_eq!(pace.judge([0], start + LAG_AFTER * 9), []);
}
