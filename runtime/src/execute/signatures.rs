//! Signatures of a block: put into one batch on the first try, checked alone on the second.

use crate::crypto::{AccountId, BadSignature, Purpose, Signature, SignedMessage, verify_batch};
use crate::types::verify_account;

/// What happens to a signature when the rules ask for it.
#[derive(Debug)]
pub(crate) enum Signatures {
    /// Taken to be good, over the plain payload, and put into the batch. As many as a block has bytes for.
    Collected(Vec<SignedMessage>),
    /// Checked at once, over the plain payload and then as wallets wrap it.
    Checked,
}

impl Signatures {
    /// An account's signature over a payload of its own.
    pub(super) fn account(
        &mut self,
        account: &AccountId,
        payload: Vec<u8>,
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        match self {
            Self::Collected(batch) => {
                let key = account.public_key();
                batch.push(SignedMessage { key, purpose: Purpose::Account, message: payload, signature: *signature });
                Ok(())
            }
            Self::Checked => verify_account(account, payload, signature),
        }
    }

    /// Signatures that are good or bad together.
    pub(super) fn together(&mut self, mut messages: Vec<SignedMessage>) -> Result<(), BadSignature> {
        match self {
            Self::Collected(batch) => {
                batch.append(&mut messages);
                Ok(())
            }
            Self::Checked => verify_batch(&messages),
        }
    }

    /// Whether something was taken to be good and has not been checked.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Collected(batch) if !batch.is_empty())
    }

    /// Checks what was collected; what was checked already is good.
    pub(super) fn close(&mut self) -> Result<(), BadSignature> {
        match self {
            Self::Collected(batch) => {
                verify_batch(batch)?;
                batch.clear();
                Ok(())
            }
            Self::Checked => Ok(()),
        }
    }
}
