//! One more account pays for a file that is alive: its holders earn so much more, and some promise to keep it longer.

use std::collections::BTreeMap;

use pieces::FileId;

use super::Terms;
use crate::execute::{Rejected, Run};
use crate::leases;
use crate::rates::{cancel_freeing, schedule_freeing, schedule_income};
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{File, Files, PieceHolder, ProviderStatus, Providers, Segment, Segments};
use crate::terms::piece_price;
use crate::types::{Balance, Epoch, Store};

/// Adds to the holders' income what `terms` pay, and extends their promises where they end earlier.
pub(super) fn share<V: StateView>(
    run: &mut Run<'_, V>,
    call: &Store,
    terms: &Terms,
    id: &FileId,
    mut file: File,
) -> Result<(), Rejected> {
    if !call.holders.is_empty() {
        return Err(Rule::HoldersNotEmpty.into());
    }
    let mut sharing = Sharing::default();
    for number in 0..file.segments {
        let key = (*id, number);
        let mut segment = run.state.require::<Segments>(&key)?;
        if sharing.segment(run, &file, &mut segment, terms.to)? {
            run.state.write::<Segments>(&key, &segment);
        }
    }
    sharing.schedule(run, terms)?;
    if terms.to > file.ends {
        leases::set_end(run, id, Some(file.ends), terms.to);
        file.ends = terms.to;
        run.state.write::<Files>(id, &file);
    }
    Ok(())
}

/// Sums by provider, so that each entry is changed once.
#[derive(Default)]
struct Sharing {
    income: BTreeMap<u32, Balance>,
    /// Bytes whose promise is extended, by provider and the epoch in which it would have ended.
    extended: BTreeMap<(u32, Epoch), u64>,
}

impl Sharing {
    /// Counts a segment's pieces; whether a promise was extended.
    fn segment<V: StateView>(
        &mut self,
        run: &Run<'_, V>,
        file: &File,
        segment: &mut Segment,
        to: Epoch,
    ) -> Result<bool, Rejected> {
        let piece_bytes = file.code.piece_bytes(segment.len);
        let price = piece_price(&run.parameters.prices, piece_bytes).ok_or(Rule::Overflow)?;
        let mut changed = false;
        let lost: Vec<bool> = (0..file.code.n).map(|index| segment.is_lost(index)).collect();
        for (holder, lost) in segment.holders.iter_mut().zip(lost) {
            if lost {
                return Err(Rule::HoldersEnd.into());
            }
            let income = self.income.entry(holder.provider).or_default();
            *income = income.checked_add(price).ok_or(Rule::Overflow)?;
            if holder.until_epoch < to {
                self.extend(run, *holder, piece_bytes)?;
                holder.until_epoch = to;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Counts a piece whose holder must keep it longer than it promised.
    fn extend<V: StateView>(
        &mut self,
        run: &Run<'_, V>,
        holder: PieceHolder,
        piece_bytes: u64,
    ) -> Result<(), Rejected> {
        let key = (holder.provider, holder.until_epoch);
        if !self.extended.contains_key(&key) {
            let provider = run.state.require::<Providers>(&holder.provider)?;
            if !provider.auto_renew || provider.status != ProviderStatus::Active {
                return Err(Rule::HoldersEnd.into());
            }
        }
        let bytes = self.extended.entry(key).or_default();
        *bytes = bytes.checked_add(piece_bytes).ok_or(Rule::Overflow)?;
        Ok(())
    }

    fn schedule<V: StateView>(self, run: &mut Run<'_, V>, terms: &Terms) -> Result<(), Rejected> {
        let Terms { from, to, .. } = *terms;
        for (provider, price) in self.income {
            schedule_income(run, provider, (from, to), price)?;
        }
        for ((provider, until), bytes) in self.extended {
            cancel_freeing(run, provider, until, bytes)?;
            schedule_freeing(run, provider, to, bytes)?;
        }
        Ok(())
    }
}
