//! What jsonrpsee refuses inside a call, with the codes that clients know.

use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::error::TOO_BIG_BATCH_RESPONSE_CODE;
use jsonrpsee::types::{Id, Request};
use tower::Layer;

use crate::error::ApiError;

/// Puts [`InOurWords`] around the methods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// Bytes of a response.
    pub response_bytes: u32,
}

impl<S> Layer<S> for Words {
    type Service = InOurWords<S>;

    fn layer(&self, service: S) -> InOurWords<S> {
        InOurWords { service, words: *self }
    }
}

/// The methods, over POST and WebSocket alike.
#[derive(Clone, Debug)]
pub(super) struct InOurWords<S> {
    service: S,
    words: Words,
}

impl<S> RpcServiceT for InOurWords<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        >,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.service.call(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (answering, limit) = (self.service.batch(batch), self.words.response_bytes);
        async move {
            let answer = answering.await;
            if answer.as_error_code() != Some(TOO_BIG_BATCH_RESPONSE_CODE) {
                return answer;
            }
            let error = ApiError::TooLarge { what: "the response", limit: limit.into() };
            MethodResponse::error(Id::Null, error.into_object())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.service.notification(notification)
    }
}
