//! `account_*` and `author_*`: balances, and transactions on their way in.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::types::{Call, SignedTransaction};

use super::methods::{
    AccountGet, AccountNextIndex, AddressParams, AuthorPendingTransactions, AuthorPrepare, AuthorSubmitTransaction,
    NoParams, SubmitTransactionParams,
};
use super::{Context, on};
use crate::error::ApiError;
use crate::limits::TRANSACTION_BYTES_MAX;
use crate::types::{AccountInfo, Hex, NextIndex, PendingInfo, PrepareQuery, Prepared, Submitted};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<AccountGet, _, _>(module, account)?;
    on::<AccountNextIndex, _, _>(module, next_index)?;
    on::<AuthorPrepare, _, _>(module, prepare)?;
    on::<AuthorSubmitTransaction, _, _>(module, submit)?;
    on::<AuthorPendingTransactions, _, _>(module, pending)
}

async fn account(context: Arc<Context>, params: AddressParams) -> Result<AccountInfo, ApiError> {
    context.backend.accounts.get(params.address).await
}

async fn next_index(context: Arc<Context>, params: AddressParams) -> Result<NextIndex, ApiError> {
    context.backend.accounts.next_index(params.address).await
}

async fn prepare(context: Arc<Context>, query: PrepareQuery) -> Result<Prepared, ApiError> {
    let PrepareQuery { from, call, tip } = query;
    let call = Call::try_from(call.0)?;
    let transaction = context.backend.author.prepare(from, call, tip.unwrap_or(0)).await?;
    let payload = Hex(transaction.payload(&context.backend.genesis));
    Ok(Prepared { payload, transaction: Hex(transaction.encode()) })
}

async fn submit(context: Arc<Context>, params: SubmitTransactionParams) -> Result<Submitted, ApiError> {
    let SubmitTransactionParams { transaction: Hex(bytes), signature } = params;
    let signed = match signature {
        Some(signature) => decode(&bytes, "an unsigned transaction, as its signature is given beside it")
            .map(|transaction| SignedTransaction { transaction, signature })?,
        None => decode(&bytes, "a signed transaction, as no signature is given beside it")?,
    };
    let tx_hash = context.backend.author.submit_transaction(signed).await?;
    Ok(Submitted { tx_hash })
}

fn decode<T>(bytes: &[u8], what: &str) -> Result<T, ApiError>
where
    T: parity_scale_codec::Decode + parity_scale_codec::DecodeWithMemTracking,
{
    decode_bounded(bytes, TRANSACTION_BYTES_MAX)
        .map_err(|error| ApiError::BadParams(format!("transaction: not the SCALE of {what}: {error}")))
}

async fn pending(context: Arc<Context>, _: NoParams) -> Result<Vec<PendingInfo>, ApiError> {
    context.backend.author.pending().await
}
