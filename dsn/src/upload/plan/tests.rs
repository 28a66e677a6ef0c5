use super::UploadPlan;

fn plan(columns: &[(u8, &[u8])]) -> UploadPlan<u8> {
    let candidates = |slots: &[u8]| slots.iter().map(|slot| (*slot, *slot)).collect::<Vec<_>>();
    UploadPlan::new(columns.iter().map(|(index, slots)| (*index, candidates(slots))))
}

#[test]
fn candidates_come_in_their_order_and_once() {
    let mut plan = plan(&[(0, &[5, 7])]);
    assert_eq!(plan.next(0), Some((5, 5)));
    assert_eq!(plan.next(0), Some((7, 7)));
    assert_eq!(plan.next(0), None);
}

#[test]
fn columns_that_share_a_spare_slot_do_not_both_get_it() {
    let mut plan = plan(&[(0, &[0, 8, 9]), (1, &[1, 8, 9])]);
    assert_eq!((plan.next(0), plan.next(1)), (Some((0, 0)), Some((1, 1))));
    assert_eq!(plan.next(1), Some((8, 8)));
    assert!(plan.has_next(0));
    assert_eq!(plan.next(0), Some((9, 9)));
    assert!(!plan.has_next(1));
    assert_eq!(plan.next(1), None);
}

#[test]
fn a_column_that_is_not_planned_has_no_candidates() {
    assert_eq!(plan(&[(3, &[1])]).next(2), None);
}
