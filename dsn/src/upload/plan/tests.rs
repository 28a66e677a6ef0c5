use super::{Choice, UploadPlan};
use crate::scores::Standing::{self, Banned, Good, Poor};

fn choice(slot: u8, raised: bool, standing: Standing) -> Choice<u8> {
    Choice { slot, raised, standing, candidate: slot }
}

fn plan(columns: &[(u8, &[u8])]) -> UploadPlan<u8> {
    let choices = |slots: &[u8]| slots.iter().map(|slot| choice(*slot, false, Good)).collect();
    UploadPlan::new(columns.iter().map(|(index, slots)| (*index, choices(slots))))
}

/// All candidates of a column, in the order in which they come.
fn all(mut next: impl FnMut() -> Option<u8>) -> Vec<u8> {
    std::iter::from_fn(&mut next).collect()
}

#[test]
fn candidates_come_in_their_order_and_once() {
    let mut plan = plan(&[(0, &[5, 7])]);
    assert_eq!(all(|| plan.next(0)), [5, 7]);
}

#[test]
fn columns_that_share_a_spare_slot_do_not_both_get_it() {
    let mut plan = plan(&[(0, &[0, 8, 9]), (1, &[1, 8, 9])]);
    assert_eq!((plan.next(0), plan.next(1)), (Some(0), Some(1)));
    assert_eq!(plan.next(1), Some(8));
    assert!(plan.has_next(0));
    assert_eq!(plan.race(0), Some(9));
    assert!(!plan.has_next(1));
    assert_eq!(plan.next(1), None);
}

#[test]
fn a_column_that_is_not_planned_has_no_candidates() {
    assert_eq!(plan(&[(3, &[1])]).next(2), None);
}

#[test]
fn poor_providers_come_after_good_ones_and_raised_slots_after_both() {
    let choices = vec![
        choice(0, false, Poor),
        choice(1, true, Good),
        choice(2, false, Banned),
        choice(3, false, Good),
        choice(4, true, Poor),
    ];
    let mut plan = UploadPlan::new([(0, choices)]);
    assert_eq!(all(|| plan.next(0)), [3, 0, 1, 4, 2]);
}

#[test]
fn raised_slots_and_banned_providers_never_race() {
    let choices = vec![choice(0, true, Good), choice(1, false, Banned), choice(2, false, Poor)];
    let mut plan = UploadPlan::new([(0, choices)]);
    assert_eq!(all(|| plan.race(0)), [2]);
    assert_eq!(all(|| plan.next(0)), [0, 1], "once the others have failed, they are asked");
}
