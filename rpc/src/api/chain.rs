//! `chain_*` and `state_*`: what the chain agreed on.

use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use runtime::types::{BlockHash, Parameters};

use super::methods::{
    BlockParams, ChainGetBlock, ChainGetBlockHash, ChainGetCertificate, ChainGetFinalizedHead, ChainGetHeader,
    ChainGetTransaction, HashParams, HeightParams, KeyParams, NoParams, ProofParams, StateGet, StateGetParameters,
    StateGetProof, TransactionParams,
};
use super::{Context, on};
use crate::error::ApiError;
use crate::limits::STATE_KEY_BYTES_MAX;
use crate::types::{BlockInfo, CertificateInfo, HeaderInfo, Hex, ProofInfo, ProvenValue, TransactionStatus};

pub(super) fn register(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    on::<ChainGetBlock, _, _>(module, block)?;
    on::<ChainGetHeader, _, _>(module, header)?;
    on::<ChainGetBlockHash, _, _>(module, block_hash)?;
    on::<ChainGetFinalizedHead, _, _>(module, finalized_head)?;
    on::<ChainGetTransaction, _, _>(module, transaction)?;
    on::<ChainGetCertificate, _, _>(module, certificate)?;
    on::<StateGet, _, _>(module, get)?;
    on::<StateGetProof, _, _>(module, get_proof)?;
    on::<StateGetParameters, _, _>(module, parameters)
}

async fn block(context: Arc<Context>, params: BlockParams) -> Result<BlockInfo, ApiError> {
    let block = context.backend.chain.block(params.hash_or_height.into()).await?;
    Ok(BlockInfo::from(&block))
}

async fn header(context: Arc<Context>, params: BlockParams) -> Result<HeaderInfo, ApiError> {
    let header = context.backend.chain.header(params.hash_or_height.into()).await?;
    Ok(HeaderInfo::from(&header))
}

async fn block_hash(context: Arc<Context>, params: HashParams) -> Result<BlockHash, ApiError> {
    match params.height {
        Some(height) => context.backend.chain.block_hash(height).await,
        None => context.backend.chain.finalized_head().await,
    }
}

async fn finalized_head(context: Arc<Context>, _: NoParams) -> Result<BlockHash, ApiError> {
    context.backend.chain.finalized_head().await
}

async fn transaction(context: Arc<Context>, params: TransactionParams) -> Result<TransactionStatus, ApiError> {
    let state = context.backend.chain.transaction(params.hash).await?;
    Ok(TransactionStatus::new(params.hash, state))
}

async fn certificate(context: Arc<Context>, params: HeightParams) -> Result<CertificateInfo, ApiError> {
    let certificate = context.backend.chain.certificate(params.height).await?;
    Ok(CertificateInfo::new(&certificate, &context.backend.genesis))
}

async fn get(context: Arc<Context>, params: KeyParams) -> Result<Option<Hex>, ApiError> {
    Ok(context.backend.state.get(checked(params.key)?).await?.map(Hex))
}

/// A key of which the length is bounded.
fn checked(Hex(key): Hex) -> Result<Vec<u8>, ApiError> {
    if key.is_empty() || key.len() > STATE_KEY_BYTES_MAX {
        return Err(ApiError::BadParams(format!("key: 1 to {STATE_KEY_BYTES_MAX} bytes")));
    }
    Ok(key)
}

async fn get_proof(context: Arc<Context>, params: ProofParams) -> Result<ProvenValue, ApiError> {
    let ProofParams { key, height, trusted } = params;
    let key = checked(key)?;
    let proof = context.backend.state.prove(key.clone(), height, trusted.unwrap_or(0)).await?;
    let entry = proof.entries.iter().find(|entry| entry.key == key);
    let entry = entry.ok_or_else(|| ApiError::internal(format!("the proof lacks its key {}", Hex(key.clone()))))?;
    let value = entry.value.clone().map(Hex);
    Ok(ProvenValue { key: Hex(key), value, height: proof.header().height, proof: ProofInfo::from(&proof) })
}

async fn parameters(context: Arc<Context>, _: NoParams) -> Result<Parameters, ApiError> {
    context.backend.state.parameters().await
}
