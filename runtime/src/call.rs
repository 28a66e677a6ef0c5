//! What each call does. A call that fails is rolled back by who dispatched it.

use crate::crypto::AccountId;
use crate::execute::{Rejected, Run};
use crate::state::StateView;
use crate::types::{AccountsCall, Call, ProvidersCall, StorageCall};

mod accounts;
pub(crate) mod providers;
mod storage;

pub(crate) fn dispatch<V: StateView>(run: &mut Run<'_, V>, signer: AccountId, call: &Call) -> Result<(), Rejected> {
    match call {
        Call::Accounts(AccountsCall::Transfer(transfer)) => accounts::transfer(run, signer, transfer),
        Call::Providers(ProvidersCall::Register(register)) => providers::register(run, signer, register),
        Call::Providers(ProvidersCall::Update(update)) => providers::update(run, signer, update),
        Call::Storage(StorageCall::Store(store)) => storage::store(run, signer, store),
        Call::Storage(StorageCall::Extend(extend)) => storage::extend(run, signer, extend),
        Call::Storage(StorageCall::Release(release)) => storage::release(run, signer, release),
    }
}
