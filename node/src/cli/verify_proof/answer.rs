//! Makes an answer anew from what its proof shows, and compares.
//!
//! The code that makes it is the code of the node that answered. What the proof does not show cannot be read, so what
//! comes out is proven; a commitment is proven by its signature.

use anyhow::{Context, bail};
use pieces::FileId;
use rpc::proven::{Shown, difference, field};
use rpc::types::{LocateQuery, Located};
use runtime::crypto::Purpose;
use runtime::light::{ProvenState, Trust};
use runtime::types::SignedTransaction;
use serde_json::Value;

use crate::backend::{locate, store_of};

/// Checks the result of `storage_locate` or `state_getProof`, alone or inside its response.
///
/// # Errors
/// The first thing that is not proven, in words.
pub fn check(json: &[u8], trust: &Trust) -> anyhow::Result<ProvenState> {
    let shown = Shown::read(json)?;
    let decoded = shown.proof.decode()?;
    let state = decoded.verify(trust)?;
    let proven = if shown.result.get("fileId").is_some() {
        serde_json::to_value(located(&shown, &state)?)
    } else if shown.result.get("key").is_some() {
        serde_json::to_value(shown.value(&state)?)
    } else {
        bail!("this is neither the result of storage_locate nor that of state_getProof");
    };
    match difference("", &shown.result, &proven.context("the proven answer as JSON")?) {
        Some(difference) => bail!(difference),
        None => Ok(state),
    }
}

fn located(shown: &Shown, state: &ProvenState) -> anyhow::Result<Located> {
    let id: FileId = shown.field("fileId")?;
    let founding = shown.proof.decode_transaction()?;
    if let Some(transaction) = &founding {
        check_founding(transaction, state, id)?;
    }
    let query = page(&shown.result)?;
    let located = locate(state, state.header(), id, &query, founding.as_ref())?;
    let mut located = located.with_context(|| format!("there is no file 0x{id} at this height"))?;
    check_commitments(&located)?;
    located.proof = Some(shown.proof.clone());
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
