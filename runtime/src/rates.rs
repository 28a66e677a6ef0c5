//! What changes in a provider's rate, and what it is rid of, when a later epoch begins.

use crate::execute::{Rejected, Run, broken};
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{RateChange, Rates};
use crate::types::{Balance, Epoch};

/// Pays a provider `price` for each epoch of `from..to`.
pub(crate) fn schedule_income<V: StateView>(
    run: &mut Run<'_, V>,
    provider: u32,
    (from, to): (Epoch, Epoch),
    price: Balance,
) -> Result<(), Rejected> {
    change(run, from, provider, |change| {
        change.add = change.add.checked_add(price).ok_or(Rule::Overflow)?;
        Ok(())
    })?;
    change(run, to, provider, |change| {
        change.sub = change.sub.checked_add(price).ok_or(Rule::Overflow)?;
        Ok(())
    })
}

/// Takes back the part `cut..to` of what [`schedule_income`] did for `from..to`; all of it if `cut` is `from`.
pub(crate) fn cancel_income<V: StateView>(
    run: &mut Run<'_, V>,
    provider: u32,
    (from, cut, to): (Epoch, Epoch, Epoch),
    price: Balance,
) -> Result<(), Rejected> {
    let lacking = || broken("a holder's income is not scheduled");
    change(run, to, provider, |change| {
        change.sub = change.sub.checked_sub(price).ok_or_else(lacking)?;
        Ok(())
    })?;
    change(run, cut, provider, |change| {
        if cut == from {
            change.add = change.add.checked_sub(price).ok_or_else(lacking)?;
        } else {
            change.sub = change.sub.checked_add(price).ok_or(Rule::Overflow)?;
        }
        Ok(())
    })
}

/// Rids a provider of `bytes` when `epoch` begins.
pub(crate) fn schedule_freeing<V: StateView>(
    run: &mut Run<'_, V>,
    provider: u32,
    epoch: Epoch,
    bytes: u64,
) -> Result<(), Rejected> {
    change(run, epoch, provider, |change| {
        change.freed_bytes = change.freed_bytes.checked_add(bytes).ok_or(Rule::Overflow)?;
        Ok(())
    })
}

/// Takes back what [`schedule_freeing`] did.
pub(crate) fn cancel_freeing<V: StateView>(
    run: &mut Run<'_, V>,
    provider: u32,
    epoch: Epoch,
    bytes: u64,
) -> Result<(), Rejected> {
    change(run, epoch, provider, |change| {
        let left = change.freed_bytes.checked_sub(bytes);
        change.freed_bytes = left.ok_or_else(|| broken("a holder's bytes are not scheduled to be freed"))?;
        Ok(())
    })
}

fn change<V: StateView>(
    run: &mut Run<'_, V>,
    epoch: Epoch,
    provider: u32,
    edit: impl FnOnce(&mut RateChange) -> Result<(), Rejected>,
) -> Result<(), Rejected> {
    let key = (epoch, provider);
    let mut change = run.state.read::<Rates>(&key)?.unwrap_or_default();
    edit(&mut change)?;
    if change == RateChange::default() {
        run.state.remove::<Rates>(&key);
    } else {
        run.state.write::<Rates>(&key, &change);
    }
    Ok(())
}
