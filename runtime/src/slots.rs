//! The dense table of segments that challenges are drawn from: appended to, and closed by the last entry when one goes.

use pieces::FileId;

use crate::execute::{Run, broken};
use crate::state::{ReadTables, StateError, StateView};
use crate::tables::{Segments, Slots};

/// Gives a segment a place; the caller stores it with the segment.
pub(crate) fn append<V: StateView>(run: &mut Run<'_, V>, segment: (FileId, u16)) -> Result<u64, StateError> {
    let mut chain = run.chain()?;
    let slot = chain.slots;
    run.state.write::<Slots>(&slot, &segment);
    chain.slots = slot.checked_add(1).ok_or_else(|| broken("the table of slots is full"))?;
    run.set_chain(&chain);
    Ok(slot)
}

/// Takes a segment's place away; the last segment of the table moves there.
pub(crate) fn remove<V: StateView>(run: &mut Run<'_, V>, slot: u64) -> Result<(), StateError> {
    let mut chain = run.chain()?;
    let last = chain.slots.checked_sub(1).ok_or_else(|| broken("the table of slots is empty"))?;
    if slot != last {
        let moved = run.state.require::<Slots>(&last)?;
        let mut segment = run.state.require::<Segments>(&moved)?;
        segment.table_slot = slot;
        run.state.write::<Segments>(&moved, &segment);
        run.state.write::<Slots>(&slot, &moved);
    }
    run.state.remove::<Slots>(&last);
    chain.slots = last;
    run.set_chain(&chain);
    Ok(())
}
