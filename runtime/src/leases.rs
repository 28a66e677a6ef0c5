//! What accounts pay for files, and when a file ends.

use pieces::FileId;

use crate::crypto::AccountId;
use crate::execute::{Rejected, Run, broken};
use crate::rule::Rule;
use crate::state::{ReadTables, StateError, StateView, decode_value, prefix_end};
use crate::tables::{Ends, KeyFields, Lease, LeaseCounts, Leases, Table, Tranche};
use crate::types::Epoch;

/// Tranches of one lease: what a Store began, and each extension.
pub const TRANCHES_MAX: usize = 16;

/// Leases of a file that are looked through for its end when the one that ends last is released. It bounds what a
/// release costs the chain, for a fee that does not depend on it.
pub const LEASES_READ_MAX: u32 = 128;

/// How many accounts have an entry for a file.
pub(crate) fn count<V: StateView>(run: &Run<'_, V>, file: &FileId) -> Result<u32, StateError> {
    Ok(run.state.read::<LeaseCounts>(file)?.unwrap_or(0))
}

/// What `payer` pays for a file in this epoch and later ones: none of it has ended. None without such a lease.
pub(crate) fn live<V: StateView>(
    run: &Run<'_, V>,
    file: &FileId,
    payer: &AccountId,
) -> Result<Option<Lease>, StateError> {
    let lease = run.state.read::<Leases>(&(*file, *payer))?;
    let lease = lease.map(|mut lease| {
        lease.tranches.retain(|tranche| tranche.to > run.epoch);
        lease
    });
    Ok(lease.filter(|lease| !lease.tranches.is_empty()))
}

/// Sets what an account pays; what remains of an ended lease goes. Without tranches the entry goes too.
pub(crate) fn set<V: StateView>(
    run: &mut Run<'_, V>,
    file: &FileId,
    payer: &AccountId,
    tranches: Vec<Tranche>,
) -> Result<(), StateError> {
    let key = (*file, *payer);
    let before = count(run, file)?;
    let after = match (run.state.read::<Leases>(&key)?.is_some(), tranches.is_empty()) {
        (false, false) => before.checked_add(1).ok_or_else(|| broken("a file has too many leases"))?,
        (true, true) => before.checked_sub(1).ok_or_else(|| broken("a file has more leases than are counted"))?,
        (true, false) | (false, true) => before,
    };
    if after != before {
        run.state.write::<LeaseCounts>(file, &after);
    }
    if tranches.is_empty() {
        run.state.remove::<Leases>(&key);
    } else {
        run.state.write::<Leases>(&key, &Lease { tranches });
    }
    Ok(())
}

/// The epoch in which the last lease of a file ends, if it has one.
pub(crate) fn last_end<V: StateView>(run: &Run<'_, V>, file: &FileId) -> Result<Option<Epoch>, Rejected> {
    if count(run, file)? > LEASES_READ_MAX {
        return Err(Rule::TooManyLeases.into());
    }
    let mut from = vec![Leases::TAG];
    file.write_to(&mut from);
    let until = prefix_end(&from);
    let mut last = None;
    while let Some(key) = run.state.next_key(&from, &until)? {
        let value = run.state.get(&key)?.ok_or_else(|| broken("a key without a value"))?;
        last = last.max(decode_value::<Leases>(&value)?.tranches.last().map(|tranche| tranche.to));
        from = key;
        from.push(0);
    }
    Ok(last)
}

/// Enters a file's end into the queue for sweeping, in place of the one it had there.
pub(crate) fn set_end<V: StateView>(run: &mut Run<'_, V>, id: &FileId, before: Option<Epoch>, end: Epoch) {
    if let Some(before) = before {
        run.state.remove::<Ends>(&(before, *id));
    }
    run.state.write::<Ends>(&(end, *id), &());
}
