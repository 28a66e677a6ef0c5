//! The JSON-RPC methods: one table, one handler each.

pub mod methods;
pub mod params;

mod author;
mod chain;
mod leases;
mod node;
pub(crate) mod storage;
mod subscriptions;
mod uploads;

use std::sync::Arc;
use std::time::Instant;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::downloads::Downloads;
use crate::error::ApiError;
use crate::limits::{BodyBudget, Limits};
use crate::observe::{Observer, Outcome};
use crate::ports::Backend;
use crate::stopping::Stopping;
use crate::types::Rendered;
use methods::Method;

/// What handlers work with.
#[derive(Clone)]
pub struct Context {
    /// The node.
    pub backend: Backend,
    /// The server's limits.
    pub limits: Limits,
    /// Bytes of bodies in memory.
    pub budget: BodyBudget,
    /// Files that are being read.
    pub downloads: Downloads,
    /// The part of those bytes that streamed uploads may use.
    pub uploads: BodyBudget,
    /// When the server stops.
    pub stopping: Stopping,
    /// Hears of every call.
    pub observer: Arc<dyn Observer>,
}

/// Marks calls whose bytes came over a WebSocket: nobody has counted them before the method is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverWebSocket;

/// How calls come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One answer for each.
    Post,
    /// Subscriptions too.
    WebSocket,
}

/// A module with every method of [`methods::NAMES`], and with those of [`methods::SUBSCRIPTION_NAMES`].
///
/// # Errors
/// If two methods have one name.
pub fn module(context: Context, transport: Transport) -> Result<RpcModule<Context>, RegisterMethodError> {
    let mut module = RpcModule::new(context);
    storage::register(&mut module)?;
    uploads::register(&mut module)?;
    chain::register(&mut module)?;
    author::register(&mut module)?;
    node::register(&mut module)?;
    leases::register(&mut module)?;
    match transport {
        Transport::Post => subscriptions::register_refusals(&mut module)?,
        Transport::WebSocket => subscriptions::register(&mut module)?,
    }
    Ok(module)
}

/// Registers the handler of a method: parameters are decoded before it, its errors become objects after it.
fn on<M, F, Fut>(module: &mut RpcModule<Context>, handler: F) -> Result<(), RegisterMethodError>
where
    M: Method,
    F: Fn(Arc<Context>, M::Params) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<M::Output, ApiError>> + Send + 'static,
{
    on_as::<M, M::Output, _, _>(module, handler)
}

/// The same for a method whose output is JSON already.
fn on_rendered<M, F, Fut>(module: &mut RpcModule<Context>, handler: F) -> Result<(), RegisterMethodError>
where
    M: Method,
    F: Fn(Arc<Context>, M::Params) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Rendered<M::Output>, ApiError>> + Send + 'static,
{
    on_as::<M, Rendered<M::Output>, _, _>(module, handler)
}

fn on_as<M, R, F, Fut>(module: &mut RpcModule<Context>, handler: F) -> Result<(), RegisterMethodError>
where
    M: Method,
    R: Serialize + Clone + Send + 'static,
    F: Fn(Arc<Context>, M::Params) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ApiError>> + Send + 'static,
{
    module.register_async_method(M::NAME, move |params, context, extensions| {
        let handler = handler.clone();
        async move {
            let (began, observer) = (Instant::now(), context.observer.clone());
            let answer = async {
                // Held until the answer is made.
                let _counted = match extensions.get::<OverWebSocket>() {
                    Some(OverWebSocket) => Some(context.budget.reserve(count(params.len_bytes()))?),
                    None => None,
                };
                let params = params::decode::<M>(params.as_str())?;
                handler(context, params).await
            };
            let answer: Result<R, ApiError> = answer.await;
            observer.answered(M::NAME, Outcome::of(answer.as_ref().err()), began.elapsed());
            answer.map_err(ErrorObjectOwned::from)
        }
    })?;
    Ok(())
}

/// A length as the number that limits are given in.
fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
