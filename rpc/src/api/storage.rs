//! `storage_*`: files in, files out, in one piece of JSON each.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use pieces::FileId;
use tokio::time::{Instant, timeout_at};

use super::methods::{
    FileParams, LocateParams, RetrieveParams, StorageFile, StorageFiles, StorageLocate, StorageQuote, StorageRetrieve,
    StorageSubmit, SubmitParams,
};
use super::params::Object;
use super::uploads::final_by;
use super::{Context, count, on, on_rendered};
use crate::downloads::Reader;
use crate::error::{ApiError, TryAgain};
use crate::limits::{CALL_DATA_BYTES_MAX, CURSOR_BYTES_MAX, FILES_PAGE_DEFAULT, FILES_PAGE_MAX, LOCATE_SEGMENTS_MAX};
use crate::ports::{Announced, Retrieved};
use crate::types::{
    ByteRange, FileInfo, FilesQuery, LocateQuery, Located, Page, Quote, QuoteQuery, Receipt, Rendered, RetrievedData,
    SubmitOptions,
};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<StorageSubmit, _, _>(module, submit)?;
    on_rendered::<StorageLocate, _, _>(module, |context, LocateParams { file_id, options }| async move {
        locate(&context, file_id, options.unwrap_or_default().0).await
    })?;
    on::<StorageRetrieve, _, _>(module, retrieve)?;
    on::<StorageFile, _, _>(module, file)?;
    on::<StorageFiles, _, _>(module, files)?;
    on::<StorageQuote, _, _>(module, quote)
}

async fn submit(context: Arc<Context>, params: SubmitParams) -> Result<Receipt, ApiError> {
    let deadline = Instant::now() + context.limits.submit_wait;
    let SubmitParams { data, options } = params;
    let bytes = decode_data(&data)?;
    drop(data);
    let _counted = context.budget.reserve(count(bytes.len()))?;
    let options = normal(options.unwrap_or_default().0)?;
    let size = count(bytes.len());
    let body = stream::once(async move { Ok(bytes) }).boxed();
    let announced = Announced { size: Some(size), ..Announced::default() };
    let submitted = timeout_at(deadline, context.backend.storage.submit(body, options, announced)).await;
    let Ok(upload) = submitted else {
        return Err(TryAgain::Overloaded("the gateway did not take the upload in time").into());
    };
    final_by(deadline, upload?).await
}

/// Base64 of at most 8 MiB; the length is checked before anything is decoded.
pub(super) fn decode_data(data: &str) -> Result<Bytes, ApiError> {
    let padding = count(data.bytes().rev().take(2).take_while(|byte| *byte == b'=').count());
    let decoded = (count(data.len()) / 4 * 3).saturating_sub(padding);
    if decoded > CALL_DATA_BYTES_MAX {
        return Err(ApiError::TooLarge { what: "data", limit: CALL_DATA_BYTES_MAX });
    }
    STANDARD
        .decode(data)
        .map(Bytes::from)
        .map_err(|_| ApiError::BadParams("data: not base64 of the standard alphabet with padding".into()))
}

/// Options with empty texts taken as absent.
pub(crate) fn normal(mut options: SubmitOptions) -> Result<SubmitOptions, ApiError> {
    options.media_type = options.media_type.filter(|media_type| !media_type.as_str().is_empty());
    // It comes back as a header, and is part of the file's id for ever.
    if options.media_type.as_ref().is_some_and(|media_type| !is_media_type(media_type.as_str())) {
        return Err(ApiError::BadParams("mediaType: is written type/subtype, as image/png".into()));
    }
    if options.lease_epochs == Some(0) {
        return Err(ApiError::BadParams("leaseEpochs: a lease has at least one epoch".into()));
    }
    Ok(options)
}

/// `type/subtype`, with whatever parameters behind.
fn is_media_type(text: &str) -> bool {
    let is_token = |token: &str| !token.is_empty() && !token.contains([' ', ';', ',', '/', '"']);
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Where a file's pieces are; also over HTTP.
pub(crate) async fn locate(
    context: &Context,
    file: FileId,
    mut query: LocateQuery,
) -> Result<Rendered<Located>, ApiError> {
    query.limit = Some(page_limit(query.limit, LOCATE_SEGMENTS_MAX, LOCATE_SEGMENTS_MAX)?);
    context.backend.storage.locate(file, query).await
}

fn page_limit(limit: Option<u32>, default: u32, most: u32) -> Result<u32, ApiError> {
    match limit {
        Some(0) => Err(ApiError::BadParams("limit: a page has at least one item".into())),
        limit => Ok(limit.unwrap_or(default).min(most)),
    }
}

async fn retrieve(context: Arc<Context>, params: RetrieveParams) -> Result<RetrievedData, ApiError> {
    const TOO_LARGE: ApiError = ApiError::TooLarge { what: "the range", limit: CALL_DATA_BYTES_MAX };
    let RetrieveParams { file_id, range } = params;
    let range = range.map(|Object(range)| range);
    if range.is_some_and(|range| range.length > CALL_DATA_BYTES_MAX) {
        return Err(TOO_LARGE);
    }
    let file = context.backend.storage.file(file_id).await?;
    let size = file.size;
    if range.is_none() && size > CALL_DATA_BYTES_MAX {
        return Err(TOO_LARGE);
    }
    let ByteRange { offset, length } = range.unwrap_or(ByteRange { offset: 0, length: size });
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(ApiError::BadParams(format!("range: the file ends at byte {size}")));
    }
    let mut reader = reader(&context, &file).await?;
    // The bytes and their base64 are in memory at once.
    let _counted = reader.answer(length.saturating_mul(3)).await?;
    let retrieved = context.backend.storage.retrieve(file_id, range, reader).await?;
    let mut bytes = Vec::new();
    let mut stream = retrieved.stream;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
        if count(bytes.len()) > length {
            break;
        }
    }
    if count(bytes.len()) != length {
        let found = bytes.len();
        return Err(ApiError::internal(format!("file {file_id} gave {found} bytes or more instead of {length}")));
    }
    Ok(RetrievedData { data: STANDARD.encode(&bytes), offset: retrieved.offset, size: retrieved.size })
}

/// Bytes of a file, counted among the downloads and the bodies in flight as long as their stream lives; also over HTTP.
pub(crate) async fn read(context: &Context, file: &FileInfo, range: Option<ByteRange>) -> Result<Retrieved, ApiError> {
    let reader = reader(context, file).await?;
    context.backend.storage.retrieve(file.file_id, range, reader).await
}

async fn reader(context: &Context, file: &FileInfo) -> Result<Reader, ApiError> {
    let window_bytes = context.backend.storage.read_bytes_max(file.code);
    Ok(context.downloads.begin(window_bytes).await?)
}

async fn file(context: Arc<Context>, params: FileParams) -> Result<FileInfo, ApiError> {
    context.backend.storage.file(params.file_id).await
}

async fn files(context: Arc<Context>, mut query: FilesQuery) -> Result<Page<FileInfo>, ApiError> {
    query.limit = Some(page_limit(query.limit, FILES_PAGE_DEFAULT, FILES_PAGE_MAX)?);
    check_cursor(query.cursor.as_deref())?;
    context.backend.storage.files(query).await
}

/// Cursors go on to the node, so their length is bounded here.
pub(super) fn check_cursor(cursor: Option<&str>) -> Result<(), ApiError> {
    match cursor {
        Some(cursor) if cursor.len() > CURSOR_BYTES_MAX => {
            Err(ApiError::BadParams(format!("cursor: at most {CURSOR_BYTES_MAX} bytes")))
        }
        _ => Ok(()),
    }
}

async fn quote(context: Arc<Context>, query: QuoteQuery) -> Result<Quote, ApiError> {
    context.backend.storage.quote(query).await
}
