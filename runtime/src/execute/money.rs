//! Moving balances. Every function keeps the sum of accounts, escrow, repair fund and treasury.

use super::{Rejected, Run};
use crate::crypto::AccountId;
use crate::rule::Rule;
use crate::state::{ReadTables, StateError, StateView};
use crate::tables::{Account, Accounts, Chain, ChainState};
use crate::types::Balance;

impl<V: StateView> Run<'_, V> {
    /// An account; one that is not there has nothing.
    pub(crate) fn account(&self, id: &AccountId) -> Result<Account, StateError> {
        Ok(self.state.read::<Accounts>(id)?.unwrap_or_default())
    }

    /// The single values of the chain.
    pub(crate) fn chain(&self) -> Result<Chain, StateError> {
        self.state.require::<ChainState>(&())
    }

    /// Sets the single values of the chain.
    pub(crate) fn set_chain(&mut self, chain: &Chain) {
        self.state.write::<ChainState>(&(), chain);
    }

    /// Gives what a transaction paid to the proposer, or to the treasury if the proposer has no account.
    pub(super) fn pay_proposer(&mut self, amount: Balance) -> Result<(), StateError> {
        let proposer = self.proposer;
        if let Some(mut account) = self.state.read::<Accounts>(&proposer)? {
            account.free = add(account.free, amount)?;
            self.state.write::<Accounts>(&proposer, &account);
            return Ok(());
        }
        let mut chain = self.chain()?;
        chain.treasury = add(chain.treasury, amount)?;
        self.set_chain(&chain);
        Ok(())
    }

    /// Moves free balance from one account to another.
    pub(crate) fn transfer(&mut self, from: &AccountId, to: &AccountId, amount: Balance) -> Result<(), Rejected> {
        let mut payer = self.account(from)?;
        self.take(&mut payer, amount)?;
        let mut receiver = self.account(to)?;
        receiver.free = receiver.free.checked_add(amount).ok_or(Rule::Overflow)?;
        self.check_existence(&receiver)?;
        self.state.write::<Accounts>(from, &payer);
        self.state.write::<Accounts>(to, &receiver);
        Ok(())
    }

    /// Moves free balance of `payer`, which the caller has read and will write, into the escrow.
    pub(crate) fn pay_into_escrow(&mut self, payer: &mut Account, amount: Balance) -> Result<(), Rejected> {
        self.take(payer, amount)?;
        let mut chain = self.chain()?;
        chain.escrow = chain.escrow.checked_add(amount).ok_or(Rule::Overflow)?;
        self.set_chain(&chain);
        Ok(())
    }

    /// Moves what was paid for epochs that will not come from the escrow back to who paid.
    pub(crate) fn refund_from_escrow(&mut self, id: &AccountId, amount: Balance) -> Result<(), StateError> {
        let mut chain = self.chain()?;
        chain.escrow = chain.escrow.checked_sub(amount).ok_or_else(|| broken("the escrow does not cover a refund"))?;
        self.set_chain(&chain);
        self.give(id, amount)
    }

    /// Makes the reserved balance of an account larger or smaller, from or to its free balance: `from` becomes `to`.
    pub(crate) fn change_bond(&mut self, id: &AccountId, from: Balance, to: Balance) -> Result<(), Rejected> {
        let mut account = self.account(id)?;
        let free = account.free.checked_add(from).ok_or(Rule::Overflow)?;
        account.free = free.checked_sub(to).ok_or(Rule::InsufficientBalance)?;
        let reserved = account.reserved.checked_add(to).ok_or(Rule::Overflow)?;
        account.reserved =
            reserved.checked_sub(from).ok_or_else(|| broken("a bond is larger than what is reserved"))?;
        self.state.write::<Accounts>(id, &account);
        Ok(())
    }

    /// Pays a provider's income. The caller takes it out of the escrow.
    pub(crate) fn pay_income(&mut self, id: &AccountId, amount: Balance) -> Result<(), StateError> {
        self.give(id, amount)
    }

    fn give(&mut self, id: &AccountId, amount: Balance) -> Result<(), StateError> {
        let mut account = self.account(id)?;
        account.free = add(account.free, amount)?;
        self.state.write::<Accounts>(id, &account);
        Ok(())
    }

    /// Takes free balance. What is left of the account must be enough for it to exist.
    fn take(&self, payer: &mut Account, amount: Balance) -> Result<(), Rule> {
        payer.free = payer.free.checked_sub(amount).ok_or(Rule::InsufficientBalance)?;
        self.check_existence(payer)
    }

    fn check_existence(&self, account: &Account) -> Result<(), Rule> {
        let all = account.free.checked_add(account.reserved).ok_or(Rule::Overflow)?;
        if all < self.parameters.fees.existential_deposit {
            return Err(Rule::BelowExistentialDeposit);
        }
        Ok(())
    }
}

/// Adds where the sum is below the supply, unless the state is broken.
pub(crate) fn add(a: Balance, b: Balance) -> Result<Balance, StateError> {
    a.checked_add(b).ok_or_else(|| broken("balances are larger than the supply"))
}

/// A law of the state does not hold: whoever reads it must stop.
pub(crate) fn broken(why: &str) -> StateError {
    StateError(why.to_owned())
}
