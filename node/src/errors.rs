//! What the parts' errors are to a client: a refusal by the rules stays one, the rest is the node's own trouble.

use ledger::{AdmitError, LedgerError};
use rpc::{ApiError, TryAgain};
use runtime::rule::Rule;
use runtime::state::StateError;

use crate::submitter::CallError;

/// The state cannot be read.
pub fn of_state(error: StateError) -> ApiError {
    ApiError::internal(error)
}

/// The ledger cannot be read.
pub fn of_ledger(error: LedgerError) -> ApiError {
    ApiError::internal(error)
}

/// A proof cannot be made.
pub fn of_proof(error: LedgerError) -> ApiError {
    match error {
        LedgerError::UnknownHeight { .. } | LedgerError::Pruned { .. } => ApiError::NotFound(error.to_string()),
        LedgerError::TrustedAbove { .. } => ApiError::BadParams(format!("trusted: {error}")),
        LedgerError::ProofTooLarge { limit } => ApiError::TooLarge {
            what: "the proof (ask for fewer segments, or name a later trusted block)",
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
        },
        error => ApiError::internal(error),
    }
}

/// A transaction is not taken.
pub fn of_admit(error: AdmitError) -> ApiError {
    match error {
        AdmitError::Rule(rule) => ApiError::Rejected { rule },
        AdmitError::TooFarAhead { .. } => ApiError::Rejected { rule: Rule::NonceTooHigh },
        AdmitError::NonceTaken { waiting, .. } | AdmitError::Known(waiting) => ApiError::NoncePending { waiting },
        AdmitError::AccountFull { .. } => TryAgain::Overloaded("too many transactions of this account wait").into(),
        AdmitError::Full => TryAgain::Overloaded("too many transactions wait").into(),
        AdmitError::State(error) => ApiError::internal(error),
    }
}

/// A call of one of the node's accounts did not do what it should.
pub fn of_call(error: CallError) -> ApiError {
    match error {
        CallError::Submit(error) => of_admit(error),
        CallError::Failed { rule, .. } => ApiError::Rejected { rule },
        CallError::Ledger(error) => ApiError::internal(error),
        CallError::Dropped { .. } => TryAgain::Overloaded("the transaction was dropped; send the file again").into(),
        CallError::Stopping => TryAgain::Stopping.into(),
    }
}
