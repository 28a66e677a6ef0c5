//! Answers that carry a proof, as whoever checks them reads them: JSON from anywhere, of which nothing is believed yet.
//!
//! To check one, make it anew from what its proof shows and look for a [`difference`].

mod difference;
mod strict;

pub use difference::difference;
pub use strict::Strict;

use runtime::light::ProvenState;
use runtime::state::{StateError, StateView};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::types::{Hex, ProofInfo, ProvenValue};

/// The result of a method that was asked for a proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// All of it.
    pub result: Value,
    /// The proof among it.
    pub proof: ProofInfo,
}

/// Why JSON is no answer with a proof.
#[derive(Debug, Error)]
pub enum ShownError {
    /// It is not JSON, or names a field twice.
    #[error("this is not JSON")]
    Json(#[source] serde_json::Error),
    /// It is a response, and its call failed.
    #[error("the node answered with an error: {error}")]
    Refused {
        /// As it answered.
        error: Value,
    },
    /// It is a response without a result.
    #[error("the response has no result")]
    NoResult,
    /// Nobody asked for a proof.
    #[error("the answer carries no proof; ask for one with \"proof\": true")]
    NoProof,
    /// A field is not what it should be.
    #[error("{name}: {error}")]
    Field {
        /// Of the result.
        name: String,
        /// Why not.
        error: serde_json::Error,
    },
}

impl Shown {
    /// Reads a result, alone or inside its JSON-RPC response.
    ///
    /// # Errors
    /// [`ShownError`].
    pub fn read(json: &[u8]) -> Result<Self, ShownError> {
        let Strict(json) = serde_json::from_slice(json).map_err(ShownError::Json)?;
        let result = result_of(json)?;
        let proof = result.get("proof").ok_or(ShownError::NoProof)?;
        let proof = ProofInfo::deserialize(proof).map_err(|error| ShownError::Field { name: "proof".into(), error })?;
        Ok(Self { result, proof })
    }

    /// A field of the result.
    ///
    /// # Errors
    /// [`ShownError::Field`] if it is not there or something else.
    pub fn field<T: DeserializeOwned>(&self, name: &str) -> Result<T, ShownError> {
        field(&self.result, name)
    }

    /// The result of `state_getProof`, made anew.
    ///
    /// # Errors
    /// The result names no key, or `state` does not show it.
    pub fn value(&self, state: &ProvenState) -> Result<ProvenValue, ValueError> {
        let Hex(key) = self.field("key")?;
        let value = state.get(&key)?.map(Hex);
        Ok(ProvenValue { key: Hex(key), value, height: state.header().height, proof: self.proof.clone() })
    }
}

/// Why a proven value cannot be made anew.
#[derive(Debug, Error)]
pub enum ValueError {
    /// The answer names no key.
    #[error(transparent)]
    Shown(#[from] ShownError),
    /// The proof does not show it.
    #[error(transparent)]
    State(#[from] StateError),
}

/// A field of an object.
///
/// # Errors
/// [`ShownError::Field`] if it is not there or something else.
pub fn field<T: DeserializeOwned>(object: &Value, name: &str) -> Result<T, ShownError> {
    let value = object.get(name).unwrap_or(&Value::Null);
    T::deserialize(value).map_err(|error| ShownError::Field { name: name.to_owned(), error })
}

/// The result of a JSON-RPC response; anything else is taken as the result itself.
fn result_of(mut json: Value) -> Result<Value, ShownError> {
    if json.get("jsonrpc").is_none() {
        return Ok(json);
    }
    if let Some(error) = json.get_mut("error") {
        return Err(ShownError::Refused { error: error.take() });
    }
    json.get_mut("result").map(Value::take).ok_or(ShownError::NoResult)
}
