//! Paying longer for a file, or no more.

use pieces::FileId;

use super::holders::{Cut, prolong, shorten};
use crate::crypto::AccountId;
use crate::event::Event;
use crate::execute::{Rejected, Run};
use crate::leases::{self, TRANCHES_MAX};
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{Accounts, File, FileStatus, Files, Tranche};
use crate::terms::unit_price;
use crate::types::{Balance, Epoch, ExtendLease, ReleaseLease};

/// `storage.extend`: a tranche at today's prices, where the signer's lease ends.
pub fn extend<V: StateView>(run: &mut Run<'_, V>, signer: AccountId, call: &ExtendLease) -> Result<(), Rejected> {
    let file = alive(run, &call.file)?;
    let mut tranches = leases::live(run, &call.file, &signer)?.ok_or(Rule::NoLease)?.tranches;
    let from = tranches.last().ok_or(Rule::NoLease)?.to;
    let to = from.checked_add(call.lease_epochs).ok_or(Rule::Overflow)?;
    let longest = run.parameters.prices.max_lease_epochs;
    // What is paid in advance is bounded, in however many steps it came to be.
    if call.lease_epochs == 0 || to.saturating_sub(run.epoch.saturating_add(1)) > longest {
        return Err(Rule::LeaseLength.into());
    }
    if tranches.len() >= TRANCHES_MAX {
        return Err(Rule::TooManyTranches.into());
    }
    let unit_price = price_now(run, &file)?;
    let price = unit_price.checked_mul(call.lease_epochs.into()).ok_or(Rule::Overflow)?;
    if price > call.max_price {
        return Err(Rule::PriceAboveMax.into());
    }
    let mut payer = run.account(&signer)?;
    run.pay_into_escrow(&mut payer, price)?;
    run.state.write::<Accounts>(&signer, &payer);
    prolong(run, &call.file, file, (from, to))?;
    tranches.push(Tranche { from, to, unit_price });
    leases::set(run, &call.file, &signer, tranches)?;
    run.emit(Event::LeasePaid { file: call.file, payer: signer, from, to, price });
    Ok(())
}

/// `storage.release`: every tranche ends with this epoch, or where it would have begun; the rest comes back.
pub fn release<V: StateView>(run: &mut Run<'_, V>, signer: AccountId, call: &ReleaseLease) -> Result<(), Rejected> {
    let file = alive(run, &call.file)?;
    let before = leases::live(run, &call.file, &signer)?.ok_or(Rule::NoLease)?.tranches;
    let next_epoch = run.epoch.checked_add(1).ok_or(Rule::Overflow)?;
    let unit_price = price_now(run, &file)?;
    let (mut cuts, mut kept) = (Vec::new(), Vec::new());
    let mut refund: Balance = 0;
    for tranche in &before {
        let cut = tranche.from.max(next_epoch);
        kept.extend((tranche.from < cut).then_some(Tranche { to: cut.min(tranche.to), ..*tranche }));
        let Some(epochs) = tranche.to.checked_sub(cut).filter(|epochs| *epochs > 0) else { continue };
        // Which holder earns how much of it follows from the prices at which it was paid.
        if tranche.unit_price != unit_price {
            return Err(Rule::PriceChanged.into());
        }
        let rest = tranche.unit_price.checked_mul(epochs.into()).ok_or(Rule::Overflow)?;
        refund = refund.checked_add(rest).ok_or(Rule::Overflow)?;
        cuts.push(Cut { from: tranche.from, cut, to: tranche.to });
    }
    leases::set(run, &call.file, &signer, kept)?;
    let ended_last = before.last().is_some_and(|tranche| tranche.to == file.ends);
    let ends: Epoch = if ended_last {
        leases::last_end(run, &call.file)?.map_or(next_epoch, |end| end.max(next_epoch))
    } else {
        file.ends
    };
    shorten(run, &call.file, file, &cuts, ends)?;
    run.refund_from_escrow(&signer, refund)?;
    run.emit(Event::LeaseReleased { file: call.file, payer: signer, refund });
    Ok(())
}

fn alive<V: StateView>(run: &Run<'_, V>, id: &FileId) -> Result<File, Rejected> {
    let file = run.state.read::<Files>(id)?.filter(|file| file.ends > run.epoch).ok_or(Rule::UnknownFile)?;
    match file.status {
        FileStatus::Alive => Ok(file),
        FileStatus::Void => Err(Rule::FileVoid.into()),
        FileStatus::Lost => Err(Rule::UnknownFile.into()),
    }
}

/// What the file costs per epoch now.
fn price_now<V: StateView>(run: &Run<'_, V>, file: &File) -> Result<Balance, Rule> {
    let piece_bytes_max = run.parameters.limits.piece_bytes;
    unit_price(&run.parameters.prices, &file.code, file.size, piece_bytes_max).ok_or(Rule::Overflow)
}
