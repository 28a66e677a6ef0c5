//! `/v1/files`: streams in, streams out.

use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use pieces::{ContentHash, FileId, MediaType};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::body::{self, Intake, Source};
use super::error::refusal;
use super::headers::{attachment, file_name, names_tag, text};
use super::range::{Wanted, rest_of, wanted};
use crate::api::{Context, storage};
use crate::error::{ApiError, TryAgain};
use crate::ports::{Announced, ByteStream, Upload};
use crate::types::{ByteRange, FileInfo, FileName, LocateQuery, Receipt, ResumeKey, SubmitOptions};

/// What curl says of any bytes: nothing.
const SAYS_NOTHING: [&str; 2] = ["application/x-www-form-urlencoded", "application/octet-stream"];
/// Stored files are somebody else's: no script, no plugin, no origin.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
/// The bytes of a file id never change.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UploadQuery {
    profile: Option<String>,
    lease_epochs: Option<u32>,
    resume_key: Option<ResumeKey>,
    prefix_hash: Option<ContentHash>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DownloadQuery {
    download: Option<String>,
}

/// `PUT|POST /v1/files`: 201 and the receipt when the recording block is final.
pub(super) async fn upload(State(context): State<Arc<Context>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let source = Source::new(body, &parts.headers, context.stopping.clone());
    let (options, announced, intake) = match prepare(&context, &parts.uri, &parts.headers).await {
        Ok(prepared) => prepared,
        Err(error) => return error.into_response(),
    };
    let (stream, until_ended) = body::incoming(source, intake);
    match store(&context, stream, options, announced, until_ended).await {
        Ok(receipt) => created(&receipt),
        Err(error) => error.into_response(),
    }
}

/// Everything that can be refused before the body is read.
async fn prepare(
    context: &Context,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(SubmitOptions, Announced, Intake), ApiError> {
    let query: UploadQuery = query(uri)?;
    let announced = announced(&query, headers)?;
    let options = options(query, headers)?;
    let limit = context.backend.storage.file_bytes_max(options.profile.as_deref()).await?;
    if announced.size.is_some_and(|size| size > limit) {
        return Err(ApiError::TooLarge { what: "the file", limit });
    }
    let counted = context.uploads.reserve(context.limits.upload_window_bytes.into())?;
    let (idle, rate) = (context.limits.upload_idle, context.limits.upload_rate);
    Ok((options, announced, Intake { limit, idle, rate, counted }))
}

/// Which bytes of which file come. A body with a `Content-Range` is the rest of a file, as curl's `-C` sends it.
fn announced(query: &UploadQuery, headers: &HeaderMap) -> Result<Announced, ApiError> {
    let length = text(headers, &CONTENT_LENGTH)?.and_then(|length| length.parse::<u64>().ok());
    let Some(rest) = text(headers, &CONTENT_RANGE)? else {
        return match query.prefix_hash {
            Some(_) => Err(ApiError::BadParams("prefixHash: needs the content-range of what comes behind it".into())),
            None => Ok(Announced { size: length, ..Announced::default() }),
        };
    };
    let (offset, size) = rest_of(rest)?;
    if query.resume_key.is_none() {
        return Err(ApiError::BadParams(
            "content-range: needs the resumeKey of the upload that it goes on with".into(),
        ));
    }
    if length.is_some_and(|length| offset.checked_add(length) != Some(size)) {
        return Err(ApiError::BadParams("content-range: content-length is another".into()));
    }
    Ok(Announced { size: Some(size), offset, prefix: query.prefix_hash })
}

fn options(query: UploadQuery, headers: &HeaderMap) -> Result<SubmitOptions, ApiError> {
    let UploadQuery { profile, lease_epochs, resume_key, prefix_hash: _ } = query;
    let media_type = match text(headers, &CONTENT_TYPE)?.map(str::trim) {
        Some(media_type) if !SAYS_NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(media_type)) => {
            let parsed = media_type.parse::<MediaType>();
            Some(parsed.map_err(|error| ApiError::BadParams(format!("content-type: {error}")))?)
        }
        _ => None,
    };
    let name = match text(headers, &CONTENT_DISPOSITION)? {
        Some(disposition) => file_name(disposition)?,
        None => None,
    };
    let name = name.map(FileName::try_from).transpose();
    let name = name.map_err(|error| ApiError::BadParams(format!("content-disposition: {error}")))?;
    storage::normal(SubmitOptions { name, media_type, profile, lease_epochs, from: None, resume_key })
}

async fn store(
    context: &Context,
    stream: ByteStream,
    options: SubmitOptions,
    announced: Announced,
    until_ended: oneshot::Receiver<()>,
) -> Result<Receipt, ApiError> {
    let Upload { id, progress, receipt } = context.backend.storage.submit(stream, options, announced).await?;
    let too_late = async {
        // Its sender is never used, only dropped.
        let _ = until_ended.await;
        sleep(context.limits.upload_wait).await;
    };
    tokio::select! {
        receipt = receipt => receipt,
        () = too_late => {
            let progress = progress.borrow().clone();
            Err(TryAgain::Unfinished { upload_id: id, file_id: progress.file_id, tx_hash: progress.tx_hash }.into())
        }
    }
}

fn created(receipt: &Receipt) -> Response {
    let location = format!("/v1/files/0x{}", receipt.file_id);
    (StatusCode::CREATED, [(LOCATION, location)], Json(receipt)).into_response()
}

/// `GET /v1/files/{fileId}`.
pub(super) async fn download(
    State(context): State<Arc<Context>>,
    InPath(file_id): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (file, mut answer) = about(&context, file_id, &uri).await?;
    let tag = tag(&file);
    if text(&headers, &IF_NONE_MATCH)?.is_some_and(|tags| names_tag(tags, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    // A range of something else than what the client has would not fit.
    let same = text(&headers, &IF_RANGE)?.is_none_or(|have| have.trim() == tag);
    let asked = text(&headers, &RANGE)?.filter(|_| same);
    let size = file.size;
    let (status, range) = match asked.map_or(Wanted::Whole, |asked| wanted(asked, size)) {
        Wanted::Nothing => return Ok(not_satisfiable(size)),
        Wanted::Whole => (StatusCode::OK, None),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
    };
    let ByteRange { offset, length } = range.unwrap_or(ByteRange { offset: 0, length: size });
    let stream = begun(storage::read(&context, &file, range).await?.stream).await?;
    if range.is_some() {
        let last = offset.saturating_add(length).saturating_sub(1);
        answer.insert(CONTENT_RANGE, header(&format!("bytes {offset}-{last}/{size}")));
    }
    answer.insert(CONTENT_LENGTH, length.into());
    Ok((status, answer, body::outgoing(stream, length)).into_response())
}

/// `HEAD /v1/files/{fileId}`: ranges are for `GET` only.
pub(super) async fn head(
    State(context): State<Arc<Context>>,
    InPath(file_id): InPath,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (file, mut answer) = about(&context, file_id, &uri).await?;
    if text(&headers, &IF_NONE_MATCH)?.is_some_and(|tags| names_tag(tags, &tag(&file))) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(CONTENT_LENGTH, file.size.into());
    Ok((answer, Body::empty()).into_response())
}

/// `GET /v1/files/{fileId}/pieces`: as `storage_locate`.
pub(super) async fn pieces(
    State(context): State<Arc<Context>>,
    InPath(file_id): InPath,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query: LocateQuery = query(&uri)?;
    Ok(Json(storage::locate(&context, file_id, query).await?).into_response())
}

/// The file, and the headers that every answer about it has.
async fn about(context: &Context, file_id: FileId, uri: &Uri) -> Result<(FileInfo, HeaderMap), ApiError> {
    let DownloadQuery { download } = query(uri)?;
    let file = context.backend.storage.file(file_id).await?;
    let media_type = file.media_type.as_ref().map_or("application/octet-stream", MediaType::as_str);
    let mut headers = HeaderMap::new();
    headers.insert(ETAG, header(&tag(&file)));
    headers.insert(CACHE_CONTROL, CACHE);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, header(media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    if let Some(name) = download {
        let name = if name.is_empty() { format!("0x{}", file.file_id) } else { name };
        headers.insert(CONTENT_DISPOSITION, attachment(&name));
    }
    Ok((file, headers))
}

/// The stream with its first bytes already there, so that what fails at once still gets its status.
async fn begun(mut stream: ByteStream) -> Result<ByteStream, ApiError> {
    match stream.next().await.transpose()? {
        Some(first) => Ok(stream::iter([Ok(first)]).chain(stream).boxed()),
        None => Ok(stream::empty().boxed()),
    }
}

fn not_satisfiable(size: u64) -> Response {
    let error = ApiError::BadParams(format!("range: the file ends at byte {size}"));
    let mut response = refusal(StatusCode::RANGE_NOT_SATISFIABLE, error);
    response.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes */{size}")));
    response
}

fn tag(file: &FileInfo) -> String {
    format!("\"0x{}\"", file.file_id)
}

/// Text that is printable ASCII by its type.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The file id in a path.
pub(super) struct InPath(FileId);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|_| ApiError::BadParams("fileId: not a text in UTF-8".into()))?;
        text.parse().map(Self).map_err(|error| ApiError::BadParams(format!("fileId: {error}")))
    }
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let Query(query) = Query::try_from_uri(uri).map_err(|error| {
        // The cause is what names the field; around it axum only says that there is one.
        ApiError::BadParams(error.source().map_or_else(|| error.body_text(), ToString::to_string))
    })?;
    Ok(query)
}
