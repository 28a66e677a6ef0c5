//! Calls of the module `accounts`.

use crate::crypto::AccountId;
use crate::event::Event;
use crate::execute::{Rejected, Run};
use crate::rule::Rule;
use crate::state::StateView;
use crate::types::TransferCall;

pub(super) fn transfer<V: StateView>(
    run: &mut Run<'_, V>,
    signer: AccountId,
    call: &TransferCall,
) -> Result<(), Rejected> {
    let TransferCall { to, amount } = *call;
    if to == signer {
        return Err(Rule::SelfTransfer.into());
    }
    run.transfer(&signer, &to, amount)?;
    run.emit(Event::Transferred { from: signer, to, amount });
    Ok(())
}
