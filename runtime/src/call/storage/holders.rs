//! What the holders of a file that is alive earn and promise, when accounts pay for it longer or no more.

use std::collections::BTreeMap;

use pieces::FileId;

use crate::execute::{Rejected, Run};
use crate::leases;
use crate::rates::{cancel_freeing, cancel_income, schedule_freeing, schedule_income};
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{File, Files, PieceHolder, ProviderStatus, Providers, Segment, Segments};
use crate::terms::piece_price;
use crate::types::{Balance, Epoch};

/// A part of a tranche that is paid back: of `from..to`, the epochs from `cut` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) from: Epoch,
    pub(super) cut: Epoch,
    pub(super) to: Epoch,
}

/// Adds to the holders' income what one account pays for `from..to`, and extends their promises where they end earlier.
pub(super) fn prolong<V: StateView>(
    run: &mut Run<'_, V>,
    id: &FileId,
    mut file: File,
    (from, to): (Epoch, Epoch),
) -> Result<(), Rejected> {
    let mut held = Held::default();
    for number in 0..file.segments {
        let key = (*id, number);
        let mut segment = run.state.require::<Segments>(&key)?;
        held.count(run, &file, &segment)?;
        if held.prolong(run, &file, &mut segment, to)? {
            run.state.write::<Segments>(&key, &segment);
        }
    }
    for (provider, price) in &held.income {
        schedule_income(run, *provider, (from, to), *price)?;
    }
    held.move_promises(run, to)?;
    if to > file.ends {
        set_end(run, id, &mut file, to);
    }
    Ok(())
}

/// Takes from the holders' income what one account has paid for `cuts`. The file ends in epoch `ends`, which is no
/// later than it was; the holders need not keep it longer than that.
pub(super) fn shorten<V: StateView>(
    run: &mut Run<'_, V>,
    id: &FileId,
    mut file: File,
    cuts: &[Cut],
    ends: Epoch,
) -> Result<(), Rejected> {
    let mut held = Held::default();
    for number in 0..file.segments {
        let key = (*id, number);
        let mut segment = run.state.require::<Segments>(&key)?;
        held.count(run, &file, &segment)?;
        if ends < file.ends {
            held.shorten(&file, &mut segment, ends)?;
            run.state.write::<Segments>(&key, &segment);
        }
    }
    for (provider, price) in &held.income {
        for Cut { from, cut, to } in cuts {
            cancel_income(run, *provider, (*from, *cut, *to), *price)?;
        }
    }
    held.move_promises(run, ends)?;
    if ends < file.ends {
        set_end(run, id, &mut file, ends);
    }
    Ok(())
}

fn set_end<V: StateView>(run: &mut Run<'_, V>, id: &FileId, file: &mut File, ends: Epoch) {
    leases::set_end(run, id, Some(file.ends), ends);
    file.ends = ends;
    run.state.write::<Files>(id, file);
}

/// Sums by provider, so that each entry is changed once.
#[derive(Default)]
struct Held {
    /// What each earns per epoch by one lease at today's prices.
    income: BTreeMap<u32, Balance>,
    /// Bytes whose promise ends in another epoch, by provider and the epoch in which it would have ended.
    moved: BTreeMap<(u32, Epoch), u64>,
}

impl Held {
    /// Counts what a segment's pieces earn.
    fn count<V: StateView>(&mut self, run: &Run<'_, V>, file: &File, segment: &Segment) -> Result<(), Rejected> {
        let price = piece_price(&run.parameters.prices, file.code.piece_bytes(segment.len)).ok_or(Rule::Overflow)?;
        for holder in &segment.holders {
            let income = self.income.entry(holder.provider).or_default();
            *income = income.checked_add(price).ok_or(Rule::Overflow)?;
        }
        Ok(())
    }

    /// Has a segment's holders promise to keep it until `to`; whether any must promise longer than it did.
    fn prolong<V: StateView>(
        &mut self,
        run: &Run<'_, V>,
        file: &File,
        segment: &mut Segment,
        to: Epoch,
    ) -> Result<bool, Rejected> {
        let piece_bytes = file.code.piece_bytes(segment.len);
        if (0..file.code.n).any(|index| segment.is_lost(index)) {
            return Err(Rule::HoldersEnd.into());
        }
        let mut changed = false;
        for holder in segment.holders.iter_mut().filter(|holder| holder.until_epoch < to) {
            if !self.moved.contains_key(&(holder.provider, holder.until_epoch)) {
                let provider = run.state.require::<Providers>(&holder.provider)?;
                if !provider.auto_renew || provider.status != ProviderStatus::Active {
                    return Err(Rule::HoldersEnd.into());
                }
            }
            self.move_promise(holder, piece_bytes, to)?;
            changed = true;
        }
        Ok(changed)
    }

    /// Lets a segment's holders go in epoch `ends`.
    fn shorten(&mut self, file: &File, segment: &mut Segment, ends: Epoch) -> Result<(), Rule> {
        let piece_bytes = file.code.piece_bytes(segment.len);
        for holder in segment.holders.iter_mut().filter(|holder| holder.until_epoch > ends) {
            self.move_promise(holder, piece_bytes, ends)?;
        }
        Ok(())
    }

    fn move_promise(&mut self, holder: &mut PieceHolder, piece_bytes: u64, to: Epoch) -> Result<(), Rule> {
        let bytes = self.moved.entry((holder.provider, holder.until_epoch)).or_default();
        *bytes = bytes.checked_add(piece_bytes).ok_or(Rule::Overflow)?;
        holder.until_epoch = to;
        Ok(())
    }

    /// Frees in epoch `to` what was to be freed in another one.
    fn move_promises<V: StateView>(self, run: &mut Run<'_, V>, to: Epoch) -> Result<(), Rejected> {
        for ((provider, until), bytes) in self.moved {
            cancel_freeing(run, provider, until, bytes)?;
            schedule_freeing(run, provider, to, bytes)?;
        }
        Ok(())
    }
}
