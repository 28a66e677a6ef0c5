//! What accounts pay for files, and when a file ends.

use pieces::FileId;

use crate::crypto::AccountId;
use crate::execute::{Run, broken};
use crate::state::{ReadTables, StateError, StateView};
use crate::tables::{Ends, Lease, LeaseCounts, Leases, Tranche};
use crate::types::Epoch;

/// How many accounts have an entry for a file.
pub(crate) fn count<V: StateView>(run: &Run<'_, V>, file: &FileId) -> Result<u32, StateError> {
    Ok(run.state.read::<LeaseCounts>(file)?.unwrap_or(0))
}

/// Whether `payer` pays for a file in this epoch or a later one.
pub(crate) fn is_live<V: StateView>(run: &Run<'_, V>, file: &FileId, payer: &AccountId) -> Result<bool, StateError> {
    let lease = run.state.read::<Leases>(&(*file, *payer))?;
    Ok(lease.is_some_and(|lease| lease.tranches.iter().any(|tranche| tranche.to > run.epoch)))
}

/// Adds a lease to an account that has no live one; what remains of an ended one goes.
pub(crate) fn add<V: StateView>(
    run: &mut Run<'_, V>,
    file: &FileId,
    payer: &AccountId,
    tranche: Tranche,
) -> Result<(), StateError> {
    let key = (*file, *payer);
    if run.state.read::<Leases>(&key)?.is_none() {
        let count = count(run, file)?.checked_add(1).ok_or_else(|| broken("a file has too many leases"))?;
        run.state.write::<LeaseCounts>(file, &count);
    }
    run.state.write::<Leases>(&key, &Lease { tranches: vec![tranche] });
    Ok(())
}

/// Enters a file's end into the queue for sweeping, in place of the one it had there.
pub(crate) fn set_end<V: StateView>(run: &mut Run<'_, V>, id: &FileId, before: Option<Epoch>, end: Epoch) {
    if let Some(before) = before {
        run.state.remove::<Ends>(&(before, *id));
    }
    run.state.write::<Ends>(&(end, *id), &());
}
