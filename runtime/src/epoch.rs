//! The first block of an epoch: the providers are frozen and paid, the validators of the epoch begin to vote.

use crate::event::Event;
use crate::execute::{Run, add, broken};
use crate::settlement::settle;
use crate::snapshot::SnapshotBuilder;
use crate::state::{ReadTables, StateError, StateView, decode_value, prefix_end};
use crate::tables::{Providers, Snapshots, Table, ValidatorSets};
use crate::types::Balance;

/// Starts the epoch of the block: snapshot and payments use the state after the block's parent.
pub(crate) fn start<V: StateView>(run: &mut Run<'_, V>) -> Result<(), StateError> {
    let epoch = run.epoch;
    run.emit(Event::EpochStarted { epoch });
    let mut snapshot = SnapshotBuilder::new(run.beacon);
    let mut paid: Balance = 0;
    let mut from = vec![Providers::TAG];
    let until = prefix_end(&from);
    while let Some(key) = run.state.next_key(&from, &until)? {
        let value = run.state.get(&key)?.ok_or_else(|| broken("a key without a value"))?;
        let provider = decode_value::<Providers>(&value)?;
        snapshot.add(&run.parameters.staking, &provider);
        paid = add(paid, settle(run, provider)?)?;
        from = key;
        from.push(0);
    }
    run.state.write::<Snapshots>(&epoch, &snapshot.finish());
    let mut chain = run.chain()?;
    chain.epoch_start_ms = run.timestamp_ms;
    chain.escrow = chain.escrow.checked_sub(paid).ok_or_else(|| broken("the escrow does not cover the income"))?;
    run.set_chain(&chain);
    prune_snapshots(run)?;
    rotate_validators(run)
}

/// Removes the snapshots that no Store can name any more.
fn prune_snapshots<V: StateView>(run: &mut Run<'_, V>) -> Result<(), StateError> {
    let kept = run.parameters.placement.placement_epochs.saturating_add(1);
    let first_kept = Snapshots::key(&run.epoch.saturating_sub(kept));
    // One an epoch, and a few more after the parameter fell.
    while let Some(key) = run.state.next_key(&[Snapshots::TAG], &first_kept)? {
        run.state.remove_key(key);
    }
    Ok(())
}

/// The set of the next epoch votes on the blocks after this one.
fn rotate_validators<V: StateView>(run: &mut Run<'_, V>) -> Result<(), StateError> {
    let next = run.state.require::<ValidatorSets>(&1)?;
    if run.state.require::<ValidatorSets>(&0)? != next {
        run.state.write::<ValidatorSets>(&0, &next);
    }
    Ok(())
}
