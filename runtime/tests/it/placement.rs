//! Placement: what the design says word by word, and what it is for.

use std::collections::{BTreeMap, BTreeSet};

use pieces::ErasureCode;
use proptest::prelude::*;
use runtime::placement::{Slot, place};
use runtime::rule::Rule;
use runtime::tables::{Snapshot, SnapshotEntry};
use runtime::testkit::dev_parameters;
use runtime::types::{BeaconValue, DealId, PlacementParameters};

/// Providers as (weight, operator, zone); operators and zones are numbered as they appear.
fn snapshot(providers: &[(u64, u32, u32)]) -> Snapshot {
    let (mut operators, mut zones) = (BTreeMap::new(), BTreeMap::new());
    let mut weight_sum = 0;
    let entries = (0u32..).zip(providers).map(|(number, (weight, operator, zone))| {
        weight_sum += weight;
        let next = u32::try_from(operators.len()).unwrap();
        let operator = *operators.entry(*operator).or_insert(next);
        let next = u32::try_from(zones.len()).unwrap();
        let zone = *zones.entry(*zone).or_insert(next);
        SnapshotEntry { number: number * 3, operator, zone, weight_sum }
    });
    Snapshot { beacon: BeaconValue::from_bytes([7; 32]), entries: entries.collect() }
}

fn alone(count: u32) -> Snapshot {
    snapshot(&(0..count).map(|i| (1_000, i, i)).collect::<Vec<_>>())
}

fn deal(seed: u64) -> DealId {
    DealId::from_bytes(*blake3::hash(&seed.to_be_bytes()).as_bytes())
}

fn codes() -> Vec<ErasureCode> {
    dev_parameters().profiles.iter().map(|profile| profile.code).collect()
}

/// The design's section on placement, one sentence after another, without regard for time.
fn naive(
    snapshot: &Snapshot,
    parameters: &PlacementParameters,
    code: &ErasureCode,
    deal: &DealId,
    segment: u16,
) -> Vec<Slot> {
    let entries = &snapshot.entries;
    let (n, k) = (usize::from(code.n), usize::from(code.k));
    let wanted = n + usize::from(parameters.slack_min).max(n / usize::from(parameters.slack_divisor));
    let distinct = |of: fn(&SnapshotEntry) -> u32| entries.iter().map(of).collect::<BTreeSet<_>>().len();
    let mut caps = [
        n.div_ceil(entries.len()).max(1),
        n.div_ceil(distinct(|entry| entry.operator)).max((n - k) / 3).max(1),
        n.div_ceil(distinct(|entry| entry.zone)).max((n - k) / 3).max(1),
    ];
    let mut chosen: Vec<(SnapshotEntry, bool)> = Vec::new();
    let fits = |entry: &SnapshotEntry, chosen: &[(SnapshotEntry, bool)], caps: &[usize; 3]| {
        let same = |of: fn(&SnapshotEntry) -> u32| chosen.iter().filter(|(other, _)| of(other) == of(entry)).count();
        same(|e| e.number) < caps[0] && same(|e| e.operator) < caps[1] && same(|e| e.zone) < caps[2]
    };
    let total = u128::from(entries.last().unwrap().weight_sum);
    for j in 0..64 * u32::from(code.n) {
        if chosen.len() == wanted {
            break;
        }
        let mut hasher = blake3::Hasher::new_derive_key("piecewise place v1");
        hasher.update(snapshot.beacon.as_ref()).update(deal.as_ref());
        hasher.update(&segment.to_be_bytes()).update(&j.to_be_bytes());
        let draw = u128::from_be_bytes(hasher.finalize().as_bytes()[..16].try_into().unwrap()) % total;
        let entry = entries.iter().find(|entry| u128::from(entry.weight_sum) > draw).unwrap();
        if fits(entry, &chosen, &caps) {
            chosen.push((*entry, false));
        }
    }
    let mut raised = false;
    while chosen.len() < wanted {
        let before = chosen.len();
        for entry in entries {
            if chosen.len() < wanted && fits(entry, &chosen, &caps) {
                chosen.push((*entry, raised));
            }
        }
        if chosen.len() == before {
            raised = true;
            caps = caps.map(|cap| cap + 1);
        }
    }
    chosen.iter().map(|(entry, raised)| Slot { provider: entry.number, raised: *raised }).collect()
}

proptest! {
    #[test]
    fn placement_is_what_the_design_says(
        providers in prop::collection::vec((0..50u64, 0..6u32, 0..4u32), 1..40),
        seed in any::<u64>(),
        segment in 0..128u16,
        profile in 0..4usize,
    ) {
        let snapshot = snapshot(&providers);
        let (code, parameters) = (codes()[profile], dev_parameters().placement);
        if snapshot.entries.last().unwrap().weight_sum == 0 {
            prop_assert_eq!(place(&snapshot, &parameters, &code, &deal(seed), segment), Err(Rule::NoCapacity));
        } else {
            let placed = place(&snapshot, &parameters, &code, &deal(seed), segment).unwrap();
            prop_assert_eq!(&placed.slots, &naive(&snapshot, &parameters, &code, &deal(seed), segment));
            prop_assert_eq!(placed, place(&snapshot, &parameters, &code, &deal(seed), segment).unwrap());
        }
    }

    #[test]
    fn caps_hold_until_they_are_raised(
        providers in prop::collection::vec((1..50u64, 0..8u32, 0..5u32), 1..60),
        seed in any::<u64>(),
        profile in 0..4usize,
    ) {
        let snapshot = snapshot(&providers);
        let code = codes()[profile];
        let placed = place(&snapshot, &dev_parameters().placement, &code, &deal(seed), 0).unwrap();
        let entry = |slot: &Slot| snapshot.entries.iter().find(|entry| entry.number == slot.provider).unwrap();
        let below_caps: Vec<_> = placed.slots.iter().take_while(|slot| !slot.raised).map(entry).collect();
        prop_assert!(placed.slots.iter().skip(below_caps.len()).all(|slot| slot.raised), "never lowered again");
        let count = |of: fn(&SnapshotEntry) -> u32| {
            let all: BTreeSet<_> = snapshot.entries.iter().map(of).collect();
            let mut used: BTreeMap<u32, u32> = BTreeMap::new();
            for entry in &below_caps {
                *used.entry(of(entry)).or_default() += 1;
            }
            (u32::from(code.n).div_ceil(u32::try_from(all.len()).unwrap()), used.into_values().max().unwrap_or(0))
        };
        let loss = u32::from(code.n - code.k) / 3;
        let (share, most) = count(|entry| entry.number);
        prop_assert!(most <= share.max(1));
        let (share, most) = count(|entry| entry.operator);
        prop_assert!(most <= share.max(loss).max(1));
        let (share, most) = count(|entry| entry.zone);
        prop_assert!(most <= share.max(loss).max(1));
    }

    #[test]
    fn holders_are_distinct_where_there_are_enough(seed in any::<u64>(), profile in 0..4usize, more in 0..50u32) {
        let code = codes()[profile];
        let slots = u32::from(code.n) + u32::from(code.n / 4).max(4);
        let placed = place(&alone(slots + more), &dev_parameters().placement, &code, &deal(seed), 0).unwrap();
        let distinct: BTreeSet<_> = placed.slots.iter().map(|slot| slot.provider).collect();
        prop_assert_eq!(distinct.len(), slots as usize);
        prop_assert!(placed.slots.iter().all(|slot| !slot.raised));
    }
}

#[test]
fn the_first_n_slots_of_just_enough_providers_are_distinct() {
    for code in codes() {
        let placed = place(&alone(u32::from(code.n)), &dev_parameters().placement, &code, &deal(1), 0).unwrap();
        let (own, spare) = placed.slots.split_at(usize::from(code.n));
        assert_eq!(own.iter().map(|slot| slot.provider).collect::<BTreeSet<_>>().len(), own.len());
        assert!(own.iter().all(|slot| !slot.raised) && spare.iter().all(|slot| slot.raised));
    }
}

#[test]
fn one_provider_holds_everything_where_there_is_no_other() {
    for code in codes() {
        let placed = place(&alone(1), &dev_parameters().placement, &code, &deal(1), 0).unwrap();
        assert_eq!(placed.slots.len(), usize::from(code.n) + usize::from(code.n / 4).max(4));
        assert!(placed.slots.iter().all(|slot| slot.provider == 0));
    }
}

#[test]
fn beacon_deal_and_segment_each_change_the_draw() {
    let parameters = dev_parameters().placement;
    let code = codes()[2];
    let base = alone(200);
    let other = Snapshot { beacon: BeaconValue::ZERO, ..base.clone() };
    let placements = [
        place(&base, &parameters, &code, &deal(1), 0),
        place(&base, &parameters, &code, &deal(2), 0),
        place(&base, &parameters, &code, &deal(1), 1),
        place(&other, &parameters, &code, &deal(1), 0),
    ];
    for (at, placement) in placements.iter().enumerate() {
        assert!(placements[at + 1..].iter().all(|other| other != placement));
    }
}

/// First slots are draws without any cap: their counts follow the weights within five standard deviations.
#[test]
fn providers_are_drawn_in_proportion_to_their_weight() {
    let weights = [1u64, 2, 3, 4, 10, 30, 50];
    let total: u64 = weights.iter().sum();
    let providers: Vec<_> = (0u32..).zip(weights).map(|(i, weight)| (weight << 20, i, i)).collect();
    let snapshot = snapshot(&providers);
    let draws = 20_000u64;
    let mut counts = [0u64; 7];
    for seed in 0..draws {
        let placed = place(&snapshot, &dev_parameters().placement, &codes()[0], &deal(seed), 0).unwrap();
        counts[usize::try_from(placed.slots[0].provider / 3).unwrap()] += 1;
    }
    for (count, weight) in counts.into_iter().zip(weights) {
        // Variance of a binomial count, n p (1 - p); squared so that no root is needed.
        let expected = draws * weight / total;
        let variance = draws * weight * (total - weight) / (total * total);
        let distance = count.abs_diff(expected);
        assert!(distance * distance <= 25 * variance.max(1), "weight {weight}: {count} of {expected}");
    }
}

#[test]
fn nobody_without_weight_is_drawn_while_others_have_room() {
    let snapshot = snapshot(&[(0, 0, 0), (5, 1, 1), (0, 2, 2), (5, 3, 3), (5, 4, 4), (5, 5, 5)]);
    for seed in 0..200 {
        let placed = place(&snapshot, &dev_parameters().placement, &codes()[0], &deal(seed), 0).unwrap();
        assert!(placed.slots.iter().take(4).all(|slot| ![0, 6].contains(&slot.provider)));
    }
}

#[test]
fn an_empty_snapshot_has_no_capacity() {
    let placed = place(&snapshot(&[]), &dev_parameters().placement, &codes()[0], &deal(1), 0);
    assert_eq!(placed, Err(Rule::NoCapacity));
}
