//! What is answered again and again, over WebSockets.
//!
//! Nothing is queued for a subscriber but what its connection's queue takes. Whoever does not take the next
//! notification in time loses the subscription, and is told so once it reads again.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use jsonrpsee::core::{JsonRawValue, RegisterMethodError, SubscriptionError, to_json_raw_value};
use jsonrpsee::server::SubscriptionCloseResponse;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::METHOD_NOT_FOUND_CODE;
use jsonrpsee::{PendingSubscriptionSink, RpcModule, SendTimeoutError, SubscriptionSink};
use runtime::types::Height;

use super::methods::{
    ChainSubscribeFinalizedHeads, NoParams, SUBSCRIPTION_NAMES, StorageSubscribeUpload, Subscription, UploadParams,
};
use super::{Context, params};
use crate::error::{ApiError, TryAgain};
use crate::limits::UPLOAD_ID_BYTES_MAX;
use crate::ports::BlockAt;
use crate::types::{HeaderInfo, UploadStage, UploadStatus};

/// What a subscriber gets, one after another; an error is the last.
type Items<T> = BoxStream<'static, Result<T, ApiError>>;

/// For WebSockets.
pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<ChainSubscribeFinalizedHeads, _, _>(module, heads)?;
    on::<StorageSubscribeUpload, _, _>(module, upload)
}

/// For POST: refusals that say what these methods need.
pub(super) fn register_refusals(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    for name in SUBSCRIPTION_NAMES {
        module.register_method(name, |_, _, _| -> Result<(), ErrorObjectOwned> {
            let message = "subscriptions need a WebSocket connection";
            Err(ErrorObjectOwned::owned(METHOD_NOT_FOUND_CODE, message, None::<()>))
        })?;
    }
    Ok(())
}

fn on<S, F, Fut>(module: &mut RpcModule<Context>, handler: F) -> Result<(), RegisterMethodError>
where
    S: Subscription,
    F: Fn(Arc<Context>, S::Params) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Items<S::Output>, ApiError>> + Send + 'static,
{
    let serve = move |given: jsonrpsee::types::Params<'static>, pending: PendingSubscriptionSink, context, _| {
        let handler = handler.clone();
        async move {
            let begun = async { handler(Arc::clone(&context), params::decode::<S>(given.as_str())?).await };
            match begun.await {
                Ok(items) => pass_on::<S>(&context, items, pending).await,
                Err(error) => {
                    pending.reject(error.into_object()).await;
                    SubscriptionCloseResponse::None
                }
            }
        }
    };
    module.register_subscription(S::NAME, S::NOTIFICATION, S::UNSUBSCRIBE, serve)?;
    Ok(())
}

/// Sends item after item until there is no more, or the subscriber has gone or is too slow.
async fn pass_on<S: Subscription>(
    context: &Context,
    mut items: Items<S::Output>,
    pending: PendingSubscriptionSink,
) -> SubscriptionCloseResponse {
    // It fails only if the connection is gone.
    let Ok(sink) = pending.accept().await else { return SubscriptionCloseResponse::None };
    loop {
        let item = tokio::select! {
            item = items.next() => item,
            () = sink.closed() => return SubscriptionCloseResponse::None,
        };
        let Some(item) = item else { return SubscriptionCloseResponse::None };
        let message = item.and_then(|item| to_json_raw_value(&item).map_err(ApiError::internal));
        let sent = match message {
            Ok(message) => send(&sink, message, context.limits.subscriber_stall).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(subscription = S::NAME, %error, "a subscription ends");
            return closed_by(error);
        }
    }
}

async fn send(sink: &SubscriptionSink, message: Box<JsonRawValue>, stall: Duration) -> Result<(), ApiError> {
    match sink.send_timeout(message, stall).await {
        Err(SendTimeoutError::Timeout(_)) => Err(TryAgain::Overloaded("the subscriber does not keep up").into()),
        // The next look at the sink finds it closed.
        Ok(()) | Err(SendTimeoutError::Closed(_)) => Ok(()),
    }
}

fn closed_by(error: ApiError) -> SubscriptionCloseResponse {
    match to_json_raw_value(&error.into_object()) {
        Ok(json) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(json)),
        Err(_) => SubscriptionCloseResponse::None,
    }
}

/// The last header first, then every one after it: none is left out, however many come at once.
async fn heads(context: Arc<Context>, _: NoParams) -> Result<Items<HeaderInfo>, ApiError> {
    let next: Option<Height> = None;
    let spans = context.backend.chain.heads().scan(next, |next, head| {
        let first = next.unwrap_or(head);
        *next = Some(first.max(head.saturating_add(1)));
        std::future::ready(Some(stream::iter(first..=head)))
    });
    let chain = Arc::clone(&context.backend.chain);
    let headers = spans.flatten().then(move |height| {
        let chain = Arc::clone(&chain);
        async move { chain.header(BlockAt::Height(height)).await.map(|header| HeaderInfo::from(&header)) }
    });
    Ok(headers.boxed())
}

/// What is known now, then whatever changes; of several changes at once the last. The end of the upload is the last.
async fn upload(context: Arc<Context>, params: UploadParams) -> Result<Items<UploadStatus>, ApiError> {
    let UploadParams { upload_id } = params;
    if upload_id.len() > UPLOAD_ID_BYTES_MAX {
        return Err(ApiError::BadParams(format!("uploadId: at most {UPLOAD_ID_BYTES_MAX} bytes")));
    }
    let mut progress = context.backend.uploads.progress(&upload_id).await?;
    progress.mark_changed();
    let statuses = stream::unfold(Some(progress), |progress| async {
        let mut progress = progress?;
        progress.changed().await.ok()?;
        let status = progress.borrow_and_update().clone();
        let has_ended = matches!(status.stage, UploadStage::Final | UploadStage::Failed);
        Some((Ok(status), (!has_ended).then_some(progress)))
    });
    Ok(statuses.boxed())
}
