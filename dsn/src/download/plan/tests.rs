#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{DownloadPlan, Short};

#[test]
fn data_columns_are_read_first() {
    assert_eq!(DownloadPlan::new(2, [true; 4]).start(), Ok(vec![0, 1]));
}

#[test]
fn unknown_holders_are_passed_over() {
    assert_eq!(DownloadPlan::new(2, [false, true, false, true]).start(), Ok(vec![1, 3]));
}

#[test]
fn a_dead_holder_is_replaced_by_the_next_column() {
    let mut plan = DownloadPlan::new(2, [true; 4]);
    plan.start().unwrap();
    plan.dead(0);
    assert_eq!((plan.live(), plan.start()), (3, Ok(vec![2])));
}

#[test]
fn fewer_than_k_are_not_enough() {
    let mut plan = DownloadPlan::new(2, [true, true, false, false]);
    assert!(plan.start().is_ok());
    plan.dead(1);
    assert_eq!((plan.live(), plan.start()), (1, Err(Short::Lost)));
}

#[test]
fn a_holder_that_had_sent_something_is_asked_again() {
    let mut plan = DownloadPlan::new(1, [true]);
    plan.start().unwrap();
    plan.broke(0, true);
    assert_eq!(plan.start(), Ok(vec![0]));
}

#[test]
fn a_holder_that_never_sent_anything_is_not_asked_again() {
    let mut plan = DownloadPlan::new(1, [true, true]);
    plan.start().unwrap();
    plan.broke(0, false);
    assert_eq!(plan.start(), Ok(vec![1]));
}

#[test]
fn a_slow_holder_is_the_last_resort() {
    let mut plan = DownloadPlan::new(2, [true; 4]);
    plan.start().unwrap();
    assert_eq!(plan.hedge(), Some(2));
    plan.slow(0);
    assert_eq!(plan.start(), Ok(vec![]));
    plan.dead(1);
    assert_eq!(plan.start(), Ok(vec![3]));
    plan.dead(2);
    assert_eq!(plan.start(), Ok(vec![0]));
    assert_eq!(plan.hedge(), None);
}

#[test]
fn a_busy_holder_is_passed_over_but_not_lost() {
    let mut plan = DownloadPlan::new(2, [true, true, true, false]);
    plan.start().unwrap();
    plan.busy(0);
    assert_eq!((plan.live(), plan.start()), (3, Ok(vec![2])));
    plan.busy(1);
    assert_eq!((plan.live(), plan.start()), (3, Err(Short::Busy)));
    plan.dead(2);
    assert_eq!((plan.live(), plan.start()), (2, Err(Short::Busy)));
    plan.dead(1);
    assert_eq!((plan.live(), plan.start()), (1, Err(Short::Lost)));
}

#[test]
fn a_busy_holder_is_asked_again_a_window_later() {
    let mut plan = DownloadPlan::new(1, [true, true]);
    plan.start().unwrap();
    plan.busy(0);
    plan.start().unwrap();
    plan.next_window();
    plan.dead(1);
    assert_eq!(plan.start(), Ok(vec![0]));
}

#[test]
fn the_best_holders_are_asked_first_and_hedged_with_in_their_order() {
    let mut plan = DownloadPlan::new(2, [true; 4]).in_order(&[3, 1, 2, 0]);
    assert_eq!((plan.start(), plan.hedge(), plan.hedge(), plan.hedge()), (Ok(vec![3, 1]), Some(2), Some(0), None));
}

#[test]
fn a_holder_that_breaks_off_again_and_again_comes_after_the_others() {
    let mut plan = DownloadPlan::new(1, [true, true]);
    plan.start().unwrap();
    plan.broke(0, true);
    assert_eq!(plan.start(), Ok(vec![1]));
    assert!(!plan.has_ready());
    plan.broke(1, true);
    assert_eq!(plan.start(), Ok(vec![0]));
}
