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
    /// The lowest nonce, not below the highest one used, that the rules allow and no upload has; none if all that the
    /// window allows are taken.
    pub fn take(&self, owner: AccountId, account: &Account) -> Option<DealNonce> {
        let mut taken = self.taken.lock();
        let nonces = taken.entry(owner).or_default();
        let mut window = account.deal_high..account.deal_high.saturating_add(DEAL_WINDOW);
        let nonce = window.find(|nonce| !nonces.contains(nonce) && check_deal_nonce(account, *nonce).is_ok())?;
        nonces.insert(nonce);
        Some(DealNonce { nonce, owner, taken: self.taken.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_at_once_have_different_nonces_and_a_failed_ones_is_used_again() {
        let nonces = DealNonces::default();
        let owner = AccountId::from_bytes([1; 32]);
        let account = Account { deal_high: 5, ..Account::default() };
        let first = nonces.take(owner, &account).expect("the window is free");
        let second = nonces.take(owner, &account).expect("the window is free");
        assert_eq!((first.get(), second.get()), (5, 6));
        drop(first);
        assert_eq!(nonces.take(owner, &account).map(|nonce| nonce.get()), Some(5));
    }

    #[test]
    fn the_window_bounds_the_uploads_at_once() {
        let nonces = DealNonces::default();
        let owner = AccountId::from_bytes([1; 32]);
        let held: Vec<_> = (0..DEAL_WINDOW).map(|_| nonces.take(owner, &Account::default())).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(nonces.take(owner, &Account::default()).is_none());
    }
}
