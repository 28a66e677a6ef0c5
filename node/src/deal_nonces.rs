//! Deal nonces of this gateway's accounts: each upload under way has its own, and a failed one's is used again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use runtime::crypto::AccountId;
use runtime::deals::{DEAL_WINDOW, check_deal_nonce};
use runtime::tables::Account;

/// The nonces that uploads under way have taken, by account.
#[derive(Clone, Debug, Default)]
pub struct DealNonces {
    taken: Arc<Mutex<HashMap<AccountId, BTreeSet<u64>>>>,
}

/// A nonce that nobody else uses for as long as this lives.
#[derive(Debug)]
pub struct DealNonce {
    nonce: u64,
    owner: AccountId,
    taken: Arc<Mutex<HashMap<AccountId, BTreeSet<u64>>>>,
}

impl DealNonce {
    /// The nonce.
    pub const fn get(&self) -> u64 {
        self.nonce
    }
}

impl Drop for DealNonce {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        if let Some(nonces) = taken.get_mut(&self.owner) {
            nonces.remove(&self.nonce);
            if nonces.is_empty() {
                taken.remove(&self.owner);
            }
        }
    }
}

impl DealNonces {
    /// The nonce of an upload from before a restart; none if it is used, or too old, or another upload has it.
    pub fn take_again<E>(
        &self,
        owner: AccountId,
        nonce: u64,
        read: impl FnOnce() -> Result<Account, E>,
    ) -> Result<Option<DealNonce>, E> {
        let mut taken = self.taken.lock();
        let account = read()?;
        let is_free = check_deal_nonce(&account, nonce).is_ok() && taken.entry(owner).or_default().insert(nonce);
        Ok(is_free.then(|| DealNonce { nonce, owner, taken: self.taken.clone() }))
    }

    /// The lowest nonce, not below the highest one used, that the rules allow and no upload has; none if all that the
    /// window allows are taken.
    ///
    /// `read` gives the account as the ledger has it. It is read under the lock: an upload that lands gives its nonce back
    /// only after the ledger knows it as used.
    pub fn take<E>(&self, owner: AccountId, read: impl FnOnce() -> Result<Account, E>) -> Result<Option<DealNonce>, E> {
        let mut taken = self.taken.lock();
        let account = read()?;
        let nonces = taken.entry(owner).or_default();
        let mut window = account.deal_high..account.deal_high.saturating_add(DEAL_WINDOW);
        let nonce = window.find(|nonce| !nonces.contains(nonce) && check_deal_nonce(&account, *nonce).is_ok());
        Ok(nonce.map(|nonce| {
            nonces.insert(nonce);
            DealNonce { nonce, owner, taken: self.taken.clone() }
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn take(nonces: &DealNonces, deal_high: u64) -> Option<DealNonce> {
        let read = || Ok::<_, Infallible>(Account { deal_high, ..Account::default() });
        let Ok(taken) = nonces.take(AccountId::from_bytes([1; 32]), read);
        taken
    }

    #[test]
    fn uploads_at_once_have_different_nonces_and_a_failed_ones_is_used_again() {
        let nonces = DealNonces::default();
        let first = take(&nonces, 5);
        let second = take(&nonces, 5);
        let numbers = [&first, &second].map(|nonce| nonce.as_ref().map(DealNonce::get));
        assert_eq!(numbers, [Some(5), Some(6)]);
        drop(first);
        assert_eq!(take(&nonces, 5).map(|nonce| nonce.get()), Some(5));
    }

    #[test]
    fn the_window_bounds_the_uploads_at_once() {
        let nonces = DealNonces::default();
        let held: Vec<_> = (0..DEAL_WINDOW).map(|_| take(&nonces, 0)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(take(&nonces, 0).is_none());
    }
}
