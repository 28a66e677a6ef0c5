//! Deal nonces: each is used once, within a window around the highest one used, in any order.

use crate::rule::Rule;
use crate::tables::Account;

/// How far a deal nonce may lie from the highest one used.
pub const DEAL_WINDOW: u64 = 128;

/// Whether an account may use a deal nonce.
///
/// # Errors
/// [`Rule::DealNonceUsed`] or [`Rule::DealNonceOutOfWindow`].
pub fn check_deal_nonce(account: &Account, nonce: u64) -> Result<(), Rule> {
    use_deal_nonce(&mut account.clone(), nonce)
}

/// Uses a deal nonce.
pub(crate) fn use_deal_nonce(account: &mut Account, nonce: u64) -> Result<(), Rule> {
    if let Some(ahead) = nonce.checked_sub(account.deal_high) {
        return use_ahead(account, nonce, ahead);
    }
    // Bit `i` stands for `deal_high - 1 - i`.
    let behind = account.deal_high.saturating_sub(1).saturating_sub(nonce);
    let bit = u32::try_from(behind).ok().and_then(|shift| 1u128.checked_shl(shift));
    let bit = bit.ok_or(Rule::DealNonceOutOfWindow)?;
    if account.deal_map & bit != 0 {
        return Err(Rule::DealNonceUsed);
    }
    account.deal_map |= bit;
    Ok(())
}

/// Uses a nonce that is `ahead` above the window's head: the window moves there.
fn use_ahead(account: &mut Account, nonce: u64, ahead: u64) -> Result<(), Rule> {
    let high = nonce.checked_add(1).ok_or(Rule::DealNonceOutOfWindow)?;
    if ahead >= DEAL_WINDOW {
        return Err(Rule::DealNonceOutOfWindow);
    }
    let shift = u32::try_from(ahead).map_err(|_| Rule::DealNonceOutOfWindow)?.saturating_add(1);
    account.deal_map = account.deal_map.checked_shl(shift).unwrap_or(0) | 1;
    account.deal_high = high;
    Ok(())
}
