//! `storage_*Upload*`: files in chunks.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use tokio::time::{Instant, timeout_at};

use super::methods::{
    ChunkParams, StorageBeginUpload, StorageCancelUpload, StorageFinishUpload, StorageUploadChunk, StorageUploadStatus,
    StorageUploads, UploadParams, UploadsQuery,
};
use super::storage::{check_cursor, decode_data, normal};
use super::{Context, count, on};
use crate::error::{ApiError, TryAgain};
use crate::limits::{CALL_DATA_BYTES_MAX, UPLOAD_ID_BYTES_MAX};
use crate::ports::Upload;
use crate::types::{BeginUpload, BegunUpload, Done, Page, Receipt, UploadReceived, UploadStatus};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<StorageBeginUpload, _, _>(module, begin)?;
    on::<StorageUploadChunk, _, _>(module, chunk)?;
    on::<StorageFinishUpload, _, _>(module, finish)?;
    on::<StorageUploadStatus, _, _>(module, |context, params| async move {
        let known = context.backend.uploads.progress(checked(&params)?).await?;
        let status = known.borrow().clone();
        Ok(status)
    })?;
    on::<StorageUploads, _, _>(module, uploads)?;
    on::<StorageCancelUpload, _, _>(module, |context, params| async move {
        context.backend.uploads.cancel(checked(&params)?).await?;
        Ok(Done {})
    })
}

fn checked(UploadParams { upload_id }: &UploadParams) -> Result<&str, ApiError> {
    if upload_id.len() > UPLOAD_ID_BYTES_MAX {
        return Err(ApiError::BadParams(format!("uploadId: at most {UPLOAD_ID_BYTES_MAX} bytes")));
    }
    Ok(upload_id)
}

async fn begin(context: Arc<Context>, query: BeginUpload) -> Result<BegunUpload, ApiError> {
    let (options, size) = query.into_options();
    let options = normal(options)?;
    let limit = context.backend.storage.file_bytes_max(options.profile.as_deref()).await?;
    if size.is_some_and(|size| size > limit) {
        return Err(ApiError::TooLarge { what: "the file", limit });
    }
    let (upload_id, received) = context.backend.uploads.begin(options, size).await?;
    Ok(BegunUpload { upload_id, chunk_bytes_max: CALL_DATA_BYTES_MAX, received })
}

async fn chunk(context: Arc<Context>, params: ChunkParams) -> Result<UploadReceived, ApiError> {
    let ChunkParams { upload_id, offset, data } = params;
    let params = UploadParams { upload_id };
    let bytes = decode_data(&data)?;
    drop(data);
    let _counted = context.budget.reserve(count(bytes.len()))?;
    let received = context.backend.uploads.chunk(checked(&params)?, offset, bytes).await?;
    Ok(UploadReceived { received })
}

async fn finish(context: Arc<Context>, params: UploadParams) -> Result<Receipt, ApiError> {
    let deadline = Instant::now() + context.limits.submit_wait;
    let upload = context.backend.uploads.finish(checked(&params)?).await?;
    final_by(deadline, upload).await
}

/// The receipt, or where to ask for it later.
pub(super) async fn final_by(deadline: Instant, upload: Upload) -> Result<Receipt, ApiError> {
    let Upload { id, progress, receipt } = upload;
    match timeout_at(deadline, receipt).await {
        Ok(receipt) => receipt,
        Err(_) => {
            let known = progress.borrow().clone();
            Err(TryAgain::Unfinished { upload_id: id, file_id: known.file_id, tx_hash: known.tx_hash }.into())
        }
    }
}

async fn uploads(context: Arc<Context>, query: UploadsQuery) -> Result<Page<UploadStatus>, ApiError> {
    check_cursor(query.cursor.as_deref())?;
    context.backend.uploads.list(query.cursor).await
}
