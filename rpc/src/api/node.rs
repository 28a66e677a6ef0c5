//! `provider_*`, `validator_*`, `system_*`: who is there, and the node itself.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;

use super::methods::{
    AddressParams, CursorParams, EpochParams, MethodList, NAMES, NoParams, ProviderGet, ProviderList, RpcMethods,
    SUBSCRIPTION_NAMES, SystemChain, SystemHealth, SystemLocalListenAddresses, SystemLocalPeerId, SystemName,
    SystemPeers, SystemSyncState, SystemVersion, ValidatorList,
};
use super::storage::check_cursor;
use super::{Context, on};
use crate::error::ApiError;
use crate::types::{Page, ProviderInfo, ValidatorInfo};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<ProviderList, _, _>(module, providers)?;
    on::<ProviderGet, _, _>(module, provider)?;
    on::<ValidatorList, _, _>(module, validators)?;
    on::<SystemHealth, _, _>(module, |context, _| async move { context.backend.system.health().await })?;
    on::<SystemName, _, _>(module, |context, _| async move { Ok(context.backend.system.name()) })?;
    on::<SystemVersion, _, _>(module, |context, _| async move { Ok(context.backend.system.version()) })?;
    on::<SystemChain, _, _>(module, |context, _| async move { Ok(context.backend.system.chain()) })?;
    on::<SystemLocalPeerId, _, _>(module, |context, _| async move { Ok(context.backend.system.local_peer_id()) })?;
    on::<SystemLocalListenAddresses, _, _>(module, |context, _| async move {
        context.backend.system.local_listen_addresses().await
    })?;
    on::<SystemPeers, _, _>(module, |context, _| async move { context.backend.system.peers().await })?;
    on::<SystemSyncState, _, _>(module, |context, _| async move { context.backend.system.sync_state().await })?;
    on::<RpcMethods, _, _>(module, |_, NoParams {}| async move { Ok(method_list()) })
}

async fn providers(context: Arc<Context>, params: CursorParams) -> Result<Page<ProviderInfo>, ApiError> {
    check_cursor(params.cursor.as_deref())?;
    context.backend.providers.list(params.cursor).await
}

async fn provider(context: Arc<Context>, params: AddressParams) -> Result<ProviderInfo, ApiError> {
    context.backend.providers.get(params.address).await
}

async fn validators(context: Arc<Context>, params: EpochParams) -> Result<Vec<ValidatorInfo>, ApiError> {
    context.backend.validators.list(params.epoch).await
}

fn method_list() -> MethodList {
    let mut methods: Vec<String> = NAMES.iter().chain(SUBSCRIPTION_NAMES).map(|name| (*name).to_owned()).collect();
    methods.sort();
    MethodList { methods }
}
