//! Leases that are changed, and how well a file is.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use tokio::time::timeout;

use super::methods::{ExtendParams, FileParams, StorageExtend, StorageHealth, StorageRelease};
use super::{Context, on};
use crate::error::{ApiError, TryAgain};
use crate::types::{Extended, Released};

const NOT_YET: TryAgain = TryAgain::Overloaded("the transaction is not final yet; storage_file shows the leases");

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<StorageExtend, _, _>(module, extend)?;
    on::<StorageRelease, _, _>(module, release)?;
    on::<StorageHealth, _, _>(module, |context, FileParams { file_id }| async move {
        context.backend.storage.health(file_id).await
    })
}

async fn extend(context: Arc<Context>, params: ExtendParams) -> Result<Extended, ApiError> {
    let ExtendParams { file_id, options, lease_epochs } = params;
    let epochs = match (options.map(|options| options.0.lease_epochs), lease_epochs) {
        (Some(epochs), None) | (None, Some(epochs)) => epochs,
        (None, None) => return Err(ApiError::BadParams("leaseEpochs: missing".into())),
        (Some(_), Some(_)) => return Err(ApiError::BadParams("leaseEpochs: given twice".into())),
    };
    if epochs == 0 {
        return Err(ApiError::BadParams("leaseEpochs: at least one epoch".into()));
    }
    let extended = timeout(context.limits.submit_wait, context.backend.storage.extend(file_id, epochs)).await;
    extended.map_err(|_| NOT_YET)?
}

async fn release(context: Arc<Context>, FileParams { file_id }: FileParams) -> Result<Released, ApiError> {
    let released = timeout(context.limits.submit_wait, context.backend.storage.release(file_id)).await;
    released.map_err(|_| NOT_YET)?
}
