//! Trying a transaction on a state, without a block.

use parity_scale_codec::Encode;

use super::opening::Opening;
use super::signatures::Signatures;
use super::{Rejected, Run};
use crate::crypto::{AccountId, VrfOutput};
use crate::event::Event;
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::ParameterTable;
use crate::types::{BlockHash, Header, SignedTransaction};

/// Whether a transaction would do what it says if it came first after `parent`, on whose state `view` is; `now_ms` is
/// the later of the clock and the parent's time.
///
/// The block is imagined: nobody proposes it, it belongs to the parent's epoch, and what opens a real one (the change of
/// epoch, the sweep) is left out. So the work is that of one transaction, and cheap for one that is not signed or paid
/// for. A real block may find otherwise: others may come first.
///
/// # Errors
/// [`Rejected`] names the rule, of a call too.
pub fn try_transaction<V: StateView>(
    view: &V,
    genesis: BlockHash,
    parent: &Header,
    now_ms: u64,
    transaction: &SignedTransaction,
) -> Result<(), Rejected> {
    let bytes = u32::try_from(transaction.encoded_size()).map_err(|_| Rule::TransactionTooLarge)?;
    let opening = Opening {
        genesis,
        parameters: view.require::<ParameterTable>(&())?,
        height: parent.height.checked_add(1).ok_or(Rule::Overflow)?,
        parent: parent.hash(),
        timestamp_ms: now_ms.max(parent.timestamp_ms.saturating_add(1)),
        epoch: parent.epoch,
        starts_epoch: false,
        round: 0,
        proposer: AccountId::ZERO,
        validators_hash: parent.next_validators_hash,
        beacon: parent.beacon,
        vrf: VrfOutput::ZERO,
    };
    let mut run = Run::bare(view, &opening, Signatures::Checked);
    run.apply(0, transaction, bytes)?;
    let failed = run.events.iter().find_map(|record| match record.event {
        Event::Failed { rule } => Some(rule),
        _ => None,
    });
    failed.map_or(Ok(()), |rule| Err(rule.into()))
}
