//! Checks that need no execution: whether a transaction may wait for a block, whether a live block is not too early.

use parity_scale_codec::Encode;

use crate::crypto::AccountId;
use crate::execute::{InvalidBlock, Rejected};
use crate::fees::{fee, signature_count};
use crate::rule::Rule;
use crate::state::{ReadTables, StateView};
use crate::tables::{Account, Accounts, ParameterTable};
use crate::types::{Balance, BlockHash, CommitCertificate, Header, Parameters, SignedTransaction, Transaction, TxHash};

/// A transaction that may wait for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validated {
    /// Its name.
    pub hash: TxHash,
    /// Its encoded length.
    pub bytes: u32,
    /// What it pays in all, the tip included.
    pub fee: Balance,
    /// The tip.
    pub tip: Balance,
    /// Who pays.
    pub signer: AccountId,
    /// Its place among the signer's transactions; none of one that goes without a fee.
    pub nonce: Option<u64>,
}

/// Whether a transaction may wait for a block, cheapest check first and signature last. Its call is not tried:
/// [`try_transaction`](crate::execute::try_transaction) does that.
///
/// `now_ms` is the later of the clock and the head's time. The nonce may be ahead of the account's, by any number if
/// `expected_nonce` is none, and not beyond `expected_nonce` otherwise.
///
/// # Errors
/// [`Rejected`] names the rule.
pub fn validate_transaction<V: StateView>(
    view: &V,
    genesis: &BlockHash,
    now_ms: u64,
    transaction: &SignedTransaction,
    expected_nonce: Option<u64>,
) -> Result<Validated, Rejected> {
    let bytes = u32::try_from(transaction.encoded_size()).map_err(|_| Rule::TransactionTooLarge)?;
    let parameters = view.require::<ParameterTable>(&())?;
    let signed = check_form(&parameters, now_ms, transaction, bytes)?;
    if expected_nonce.is_some_and(|expected| signed.nonce > expected) {
        return Err(Rule::NonceTooHigh.into());
    }
    let account = view.read::<Accounts>(&signed.signer)?.unwrap_or_default();
    let charge = check_charge(&account, &signed)?;
    transaction.verify(genesis).map_err(|_| Rule::BadSignature)?;
    Ok(Validated {
        hash: transaction.hash(),
        bytes,
        fee: charge.amount,
        tip: signed.tip,
        signer: signed.signer,
        nonce: Some(signed.nonce),
    })
}

/// Whether the time of a live proposal is one that this clock can agree to. Sync and replay never ask.
///
/// # Errors
/// [`InvalidBlock::Early`] if the time is later than both `clock_ms + drift_ms` and one after the parent's.
pub const fn check_live_time(
    header: &Header,
    parent: &Header,
    clock_ms: u64,
    drift_ms: u64,
) -> Result<(), InvalidBlock> {
    let by_clock = clock_ms.saturating_add(drift_ms);
    let by_parent = parent.timestamp_ms.saturating_add(1);
    let latest_ms = if by_clock > by_parent { by_clock } else { by_parent };
    if header.timestamp_ms > latest_ms {
        return Err(InvalidBlock::Early { timestamp_ms: header.timestamp_ms, latest_ms });
    }
    Ok(())
}

/// Whether a certificate decides the block of this header, in its round or a later one. Signatures are checked by
/// [`CommitCertificate::verify`].
///
/// # Errors
/// [`InvalidBlock::Certificate`] if it does not.
pub fn check_decided(header: &Header, certificate: &CommitCertificate) -> Result<(), InvalidBlock> {
    let decides = certificate.height == header.height
        && certificate.block_hash == header.hash()
        && certificate.round >= header.round;
    if decides { Ok(()) } else { Err(InvalidBlock::Certificate) }
}

/// What a signed transaction says, once its form is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) signer: AccountId,
    pub(crate) nonce: u64,
    tip: Balance,
    fee: Balance,
}

/// Checks what needs no state but the parameters.
pub(crate) fn check_form(
    parameters: &Parameters,
    now_ms: u64,
    transaction: &SignedTransaction,
    bytes: u32,
) -> Result<Form, Rule> {
    if transaction.transaction.version() != Transaction::VERSION {
        return Err(Rule::BadVersion);
    }
    if bytes > parameters.limits.transaction_bytes {
        return Err(Rule::TransactionTooLarge);
    }
    // No call of this version may go without a fee.
    let Transaction::Signed { signer, nonce, tip, expires_at_ms, .. } = transaction.transaction else {
        return Err(Rule::NotFree);
    };
    if expires_at_ms != 0 && now_ms > expires_at_ms {
        return Err(Rule::Expired);
    }
    let fee = fee(&parameters.fees, bytes, signature_count(&transaction.transaction));
    Ok(Form { signer, nonce, tip, fee })
}

/// What a transaction takes from its signer.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) signer: AccountId,
    /// The account afterwards.
    pub(crate) account: Account,
    /// Fee and tip.
    pub(crate) amount: Balance,
}

/// Checks that the nonce is not used and the free balance covers fee and tip.
pub(crate) fn check_charge(account: &Account, form: &Form) -> Result<Charge, Rule> {
    if form.nonce < account.nonce {
        return Err(Rule::NonceTooLow);
    }
    let amount = form.fee.checked_add(form.tip).ok_or(Rule::CannotPayFee)?;
    let free = account.free.checked_sub(amount).ok_or(Rule::CannotPayFee)?;
    let nonce = form.nonce.checked_add(1).ok_or(Rule::Overflow)?;
    Ok(Charge { signer: form.signer, account: Account { free, nonce, ..account.clone() }, amount })
}
