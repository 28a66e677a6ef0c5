//! Who may hold a segment's pieces: a list of slots that everybody computes alike from an epoch's snapshot.
//!
//! A provider is drawn in proportion to its weight, unless it, its operator or its zone is at its cap. Caps guard
//! against accidents, not against somebody who registers under many names: bonds price those.

use pieces::ErasureCode;

use crate::rule::Rule;
use crate::tables::{Snapshot, SnapshotEntry};
use crate::types::{DealId, PlacementParameters};

/// Slots are named by one byte.
const SLOTS_MAX: usize = 256;

/// The slots of a segment, in the order in which they were filled. The holders of its pieces occupy `n` different ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// At least `n` of them; a provider may have several where there are few providers.
    pub slots: Vec<Slot>,
}

/// One slot of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Number of the provider.
    pub provider: u32,
    /// Filled after the caps were raised: to be used only after an earlier slot failed.
    pub raised: bool,
}

/// The slots of `segment` of `deal` among the providers of `snapshot`: `n` and some to spare.
///
/// # Errors
/// [`Rule::NoCapacity`] if the snapshot has no weight.
pub fn place(
    snapshot: &Snapshot,
    placement: &PlacementParameters,
    code: &ErasureCode,
    deal: &DealId,
    segment: u16,
) -> Result<Placement, Rule> {
    let entries = snapshot.entries.as_slice();
    let total = entries.last().map_or(0, |entry| entry.weight_sum);
    if total == 0 {
        return Err(Rule::NoCapacity);
    }
    let n = usize::from(code.n);
    let slack = usize::from(code.n.checked_div(placement.slack_divisor).unwrap_or(0).max(placement.slack_min));
    let mut filling = Filling::new(entries, code, (n + slack).min(SLOTS_MAX));
    let draws = Draws::new(snapshot, deal, segment);
    for number in 0..u32::from(placement.draws_per_piece) * u32::from(code.n) {
        if filling.is_done() || filling.nobody_is_below_cap() {
            break;
        }
        let draw = draws.draw(number, total);
        filling.offer(entries.partition_point(|entry| entry.weight_sum <= draw));
    }
    filling.pass_until_full();
    Ok(Placement { slots: filling.slots })
}

/// `x_j = H("place", beacon, deal, segment, j) mod total`.
struct Draws(blake3::Hasher);

impl Draws {
    fn new(snapshot: &Snapshot, deal: &DealId, segment: u16) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("piecewise place v1");
        hasher.update(snapshot.beacon.as_ref()).update(deal.as_ref()).update(&segment.to_be_bytes());
        Self(hasher)
    }

    /// A number below `total`, which is not 0. 128 bits are reduced, so that the remainder favours nobody noticeably.
    fn draw(&self, number: u32, total: u64) -> u64 {
        let hash = self.0.clone().update(&number.to_be_bytes()).finalize();
        let mut head = [0; 16];
        head.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let rest = u128::from_be_bytes(head).checked_rem(u128::from(total)).unwrap_or(0);
        u64::try_from(rest).unwrap_or(0)
    }
}

/// How often something may have a slot, and how often each has one.
struct Caps {
    cap: u32,
    used: Vec<u32>,
}

impl Caps {
    fn new(cap: u32, count: usize) -> Self {
        Self { cap, used: vec![0; count] }
    }

    fn has_room(&self, at: usize) -> bool {
        self.used.get(at).is_none_or(|used| *used < self.cap)
    }

    /// Uses one; whether that was the last.
    fn take(&mut self, at: usize) -> bool {
        self.used.get_mut(at).is_some_and(|used| {
            *used += 1;
            *used == self.cap
        })
    }
}

/// Slots while they are being filled.
struct Filling<'a> {
    entries: &'a [SnapshotEntry],
    wanted: usize,
    slots: Vec<Slot>,
    raised: bool,
    providers: Caps,
    operators: Caps,
    zones: Caps,
    /// Providers at their cap, while no cap has been raised.
    full: usize,
}

impl<'a> Filling<'a> {
    fn new(entries: &'a [SnapshotEntry], code: &ErasureCode, wanted: usize) -> Self {
        // Numbered from 0 in order of first appearance, so that the highest number tells the count.
        let count = |highest: Option<u32>| highest.map_or(0, |at| index(at).saturating_add(1).min(entries.len()));
        let operators = count(entries.iter().map(|entry| entry.operator).max());
        let zones = count(entries.iter().map(|entry| entry.zone).max());
        let share = |count: usize| {
            let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
            u32::from(code.n).div_ceil(count).max(1)
        };
        let loss = u32::from(code.n.saturating_sub(code.k)) / 3;
        Self {
            entries,
            wanted,
            slots: Vec::with_capacity(wanted),
            raised: false,
            providers: Caps::new(share(entries.len()), entries.len()),
            operators: Caps::new(share(operators).max(loss), operators),
            zones: Caps::new(share(zones).max(loss), zones),
            full: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.slots.len() >= self.wanted
    }

    /// Whether no draw can add anything. Stopping then changes nothing but the time it takes.
    fn nobody_is_below_cap(&self) -> bool {
        self.full >= self.entries.len()
    }

    /// Gives entry `at` a slot unless something is at its cap; whether it got one.
    fn offer(&mut self, at: usize) -> bool {
        let Some(entry) = self.entries.get(at) else { return false };
        let (operator, zone) = (index(entry.operator), index(entry.zone));
        if !(self.providers.has_room(at) && self.operators.has_room(operator) && self.zones.has_room(zone)) {
            return false;
        }
        self.full += usize::from(self.providers.take(at));
        self.operators.take(operator);
        self.zones.take(zone);
        self.slots.push(Slot { provider: entry.number, raised: self.raised });
        true
    }

    /// Passes over the table in its order; a pass that adds nothing raises all caps by one.
    fn pass_until_full(&mut self) {
        while !self.is_done() {
            let before = self.slots.len();
            for at in 0..self.entries.len() {
                if self.is_done() {
                    return;
                }
                self.offer(at);
            }
            if self.slots.len() == before {
                self.raised = true;
                for caps in [&mut self.providers, &mut self.operators, &mut self.zones] {
                    caps.cap += 1;
                }
            }
        }
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
