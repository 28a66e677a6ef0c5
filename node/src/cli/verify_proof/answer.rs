//! Makes an answer anew from what its proof shows, and compares.
//!
//! The code that makes it is the code of the node that answered. What the proof does not show cannot be read, so what
//! comes out is proven; a commitment is proven by its signature.

use anyhow::{Context, anyhow, bail};
use pieces::FileId;
use rpc::types::{Hex, LocateQuery, Located, ProofInfo, ProvenValue};
use runtime::crypto::Purpose;
use runtime::light::{ProvenState, Trust};
use runtime::state::StateView;
use runtime::types::SignedTransaction;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::difference::difference;
use super::strict::Strict;
use crate::backend::{locate, store_of};

/// Checks the result of `storage_locate` or `state_getProof`, alone or inside its response.
///
/// # Errors
/// The first thing that is not proven, in words.
pub fn check(json: &[u8], trust: &Trust) -> anyhow::Result<ProvenState> {
    let Strict(json) = serde_json::from_slice(json).context("this is not JSON")?;
    let shown = result_of(json)?;
    let proof = shown.get("proof").context("the answer carries no proof; ask for one with \"proof\": true")?;
    let proof = ProofInfo::deserialize(proof).map_err(|error| anyhow!("proof: {error}"))?;
    let decoded = proof.decode()?;
    let state = decoded.verify(trust)?;
    let proven = if shown.get("fileId").is_some() {
        serde_json::to_value(located(&shown, &state, proof)?)
    } else if shown.get("key").is_some() {
        serde_json::to_value(value(&shown, &state, proof)?)
    } else {
        bail!("this is neither the result of storage_locate nor that of state_getProof");
    };
    match difference("", &shown, &proven.context("the proven answer as JSON")?) {
        Some(difference) => bail!(difference),
        None => Ok(state),
    }
}

/// The result of a JSON-RPC response; anything else is taken as the result itself.
fn result_of(mut json: Value) -> anyhow::Result<Value> {
    if json.get("jsonrpc").is_none() {
        return Ok(json);
    }
    if let Some(error) = json.get("error") {
        bail!("the node answered with an error: {error}");
    }
    json.get_mut("result").map(Value::take).context("the response has no result")
}

fn field<T: DeserializeOwned>(shown: &Value, name: &str) -> anyhow::Result<T> {
    T::deserialize(shown.get(name).unwrap_or(&Value::Null)).map_err(|error| anyhow!("{name}: {error}"))
}

fn value(shown: &Value, state: &ProvenState, proof: ProofInfo) -> anyhow::Result<ProvenValue> {
    let Hex(key) = field(shown, "key")?;
    let value = state.get(&key)?.map(Hex);
    Ok(ProvenValue { key: Hex(key), value, height: state.header().height, proof })
}

fn located(shown: &Value, state: &ProvenState, proof: ProofInfo) -> anyhow::Result<Located> {
    let id: FileId = field(shown, "fileId")?;
    let founding = proof.decode_transaction()?;
    if let Some(transaction) = &founding {
        check_founding(transaction, state, id)?;
    }
    let query = page(shown)?;
    let located = locate(state, state.header(), id, &query, founding.as_ref())?;
    let mut located = located.with_context(|| format!("there is no file 0x{id} at this height"))?;
    check_commitments(&located)?;
    located.proof = Some(proof);
    Ok(located)
}

/// The page that is shown: which one was asked for is not part of the answer.
fn page(shown: &Value) -> anyhow::Result<LocateQuery> {
    let segments = shown.get("segments").and_then(Value::as_array).context("segments: not a list")?;
    let from_segment = match segments.first() {
        Some(first) => field(first, "index").context("segments[0]")?,
        None => 0,
    };
    let limit = u32::try_from(segments.len()).context("segments: too many")?.max(1);
    Ok(LocateQuery { proof: true, trusted: None, from_segment, limit: Some(limit) })
}

/// That the transaction stores this file, by the word of its owner. That it is the one whose deal the chain recorded
/// [`locate`] sees to.
fn check_founding(transaction: &SignedTransaction, state: &ProvenState, id: FileId) -> anyhow::Result<()> {
    transaction.verify(&state.genesis()).context("proof.transaction")?;
    if store_of(transaction).is_none_or(|store| store.manifest.file_id() != id) {
        bail!("proof.transaction does not store file 0x{id}");
    }
    Ok(())
}

/// That each holder signed what it is said to promise, with a service key that is proven to be its own.
fn check_commitments(located: &Located) -> anyhow::Result<()> {
    for (at, segment) in located.segments.iter().enumerate() {
        for (index, piece) in segment.pieces.iter().enumerate() {
            let Some(promise) = &piece.commitment else { continue };
            let signed = promise.service_key.verify(Purpose::Commitment, &promise.message.0, &promise.signature);
            signed.with_context(|| format!("segments[{at}].pieces[{index}].commitment"))?;
        }
    }
    Ok(())
}
