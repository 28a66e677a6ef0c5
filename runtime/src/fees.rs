//! What a transaction costs: a base, its bytes, and the signatures that are checked for it.

use crate::types::{AccountsCall, Balance, Call, FeeParameters, ProvidersCall, StorageCall, Transaction};

/// The fee of a transaction of `bytes` encoded bytes for which `signatures` signatures are checked, its own included.
///
/// Parameters that are too large give [`Balance::MAX`], which nobody can pay.
#[must_use]
pub fn fee(fees: &FeeParameters, bytes: u32, signatures: u32) -> Balance {
    let bytes_fee = fees.per_byte.saturating_mul(Balance::from(bytes));
    let signatures_fee = fees.per_signature.saturating_mul(Balance::from(signatures));
    fees.base.saturating_add(bytes_fee).saturating_add(signatures_fee)
}

/// Signatures that are checked for a transaction: its own, an intent's, the holders', a peer's.
#[must_use]
pub fn signature_count(transaction: &Transaction) -> u32 {
    let of_call = match transaction.call() {
        Call::Accounts(AccountsCall::Transfer(_)) => 0,
        Call::Storage(StorageCall::Extend(_) | StorageCall::Release(_)) => 0,
        Call::Providers(ProvidersCall::Register(_)) => 1,
        Call::Providers(ProvidersCall::Update(update)) => usize::from(update.peer.is_some()),
        Call::Storage(StorageCall::Store(store)) => store.holders.iter().map(Vec::len).fold(1, usize::saturating_add),
    };
    u32::try_from(of_call).unwrap_or(u32::MAX).saturating_add(1)
}
