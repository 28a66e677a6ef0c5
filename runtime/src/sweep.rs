//! Clearing away files whose last lease has ended, a bounded number of entries a block.
//!
//! A file is dead by comparison as soon as its last lease ends; sweeping only frees the space. A file may be found half
//! swept: [`Files`] goes last.

use pieces::FileId;

use crate::execute::{Run, broken};
use crate::slots;
use crate::state::{StateError, StateView, decode_value, prefix_end};
use crate::tables::{Ends, Files, KeyFields, LeaseCounts, Leases, Segments, Table};

/// Sweeps dead files in the order of (end, file id): at most `limits.swept_segments` segments, leases and files.
pub(crate) fn sweep<V: StateView>(run: &mut Run<'_, V>) -> Result<(), StateError> {
    let mut budget = run.parameters.limits.swept_segments;
    let until = Ends::key(&(run.epoch.saturating_add(1), FileId::ZERO));
    while budget > 0 {
        let Some(key) = run.state.next_key(&[Ends::TAG], &until)? else { break };
        let id = key.last_chunk().ok_or_else(|| broken("a key of the table Ends is too short"))?;
        let file = FileId::from_bytes(*id);
        sweep_leases(run, &file, &mut budget)?;
        sweep_segments(run, &file, &mut budget)?;
        // Without budget left it is not known whether that was all.
        if budget > 0 {
            run.state.remove::<LeaseCounts>(&file);
            run.state.remove::<Files>(&file);
            run.state.remove_key(key);
            budget -= 1;
        }
    }
    Ok(())
}

fn sweep_leases<V: StateView>(run: &mut Run<'_, V>, file: &FileId, budget: &mut u32) -> Result<(), StateError> {
    let prefix = prefix::<Leases>(file);
    let until = prefix_end(&prefix);
    let mut swept = 0;
    while *budget > 0 {
        let Some(key) = run.state.next_key(&prefix, &until)? else { break };
        run.state.remove_key(key);
        swept += 1;
        *budget -= 1;
    }
    if swept > 0 {
        let left = crate::leases::count(run, file)?.checked_sub(swept);
        let left = left.ok_or_else(|| broken("a file has more leases than are counted"))?;
        run.state.write::<LeaseCounts>(file, &left);
    }
    Ok(())
}

fn sweep_segments<V: StateView>(run: &mut Run<'_, V>, file: &FileId, budget: &mut u32) -> Result<(), StateError> {
    let prefix = prefix::<Segments>(file);
    let until = prefix_end(&prefix);
    while *budget > 0 {
        let Some(key) = run.state.next_key(&prefix, &until)? else { break };
        let value = run.state.get(&key)?.ok_or_else(|| broken("a key without a value"))?;
        slots::remove(run, decode_value::<Segments>(&value)?.table_slot)?;
        run.state.remove_key(key);
        *budget -= 1;
    }
    Ok(())
}

fn prefix<T: Table>(file: &FileId) -> Vec<u8> {
    let mut prefix = vec![T::TAG];
    file.write_to(&mut prefix);
    prefix
}
