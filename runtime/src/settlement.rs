//! Paying a provider for the epoch that ended, and changing its rate for the one that begins.

use crate::event::Event;
use crate::execute::{Run, broken};
use crate::state::{ReadTables, StateError, StateView};
use crate::tables::{Provider, Providers, Rates};
use crate::types::Balance;

/// Settles one provider at the first block of an epoch; what it was paid. The caller takes that out of the escrow.
pub(crate) fn settle<V: StateView>(run: &mut Run<'_, V>, mut provider: Provider) -> Result<Balance, StateError> {
    let key = (run.epoch, provider.number);
    let change = run.state.read::<Rates>(&key)?;
    let income = provider.rate;
    if income > 0 {
        run.pay_income(&provider.account, income)?;
        run.emit(Event::ProviderPaid { number: provider.number, amount: income });
    }
    if let Some(change) = change {
        let rate = provider.rate.checked_add(change.add).and_then(|rate| rate.checked_sub(change.sub));
        provider.rate = rate.ok_or_else(|| broken("a provider's rate would be negative"))?;
        let committed = provider.committed.checked_sub(change.freed_bytes);
        provider.committed = committed.ok_or_else(|| broken("a provider frees more than it holds"))?;
        run.state.write::<Providers>(&provider.number, &provider);
        run.state.remove::<Rates>(&key);
    }
    Ok(income)
}
