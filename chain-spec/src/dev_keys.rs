//! The well-known keys of the presets: anybody can derive them, so they guard nothing.
//!
//! Accounts are Substrate's development accounts; providers, service keys and consensus keys are derived from the same
//! phrase. Peer keys, of the storage network and of consensus, are ed25519, which Substrate's derivation does not cover, so their seeds are hashes of a name.

use runtime::crypto::{KeyPair, KeyTextError};

/// The accounts that exist on every preset, in the order of the `--alice` ... `--ferdie` flags.
pub const NAMES: [&str; 6] = ["Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie"];

/// The gateway's account on the dev chain.
///
/// # Errors
/// Never for [`NAMES`].
pub fn account(name: &str) -> Result<KeyPair, KeyTextError> {
    KeyPair::from_secret_text(&format!("//{name}"))
}

/// The account of a preset's validator.
///
/// # Errors
/// Never for [`NAMES`].
pub fn validator_account(name: &str) -> Result<KeyPair, KeyTextError> {
    KeyPair::from_secret_text(&format!("//{name}//stash"))
}

/// The consensus key of a preset's validator.
///
/// # Errors
/// Never for [`NAMES`].
pub fn consensus_key(name: &str) -> Result<KeyPair, KeyTextError> {
    KeyPair::from_secret_text(&format!("//{name}//consensus"))
}

/// The account of provider `index`, from 0.
///
/// # Errors
/// Never: a number is a valid junction.
pub fn provider_account(index: u32) -> Result<KeyPair, KeyTextError> {
    KeyPair::from_secret_text(&format!("//Provider//{index}"))
}

/// The service key of provider `index`, from 0.
///
/// # Errors
/// Never: a number is a valid junction.
pub fn service_key(index: u32) -> Result<KeyPair, KeyTextError> {
    KeyPair::from_secret_text(&format!("//Provider//{index}//service"))
}

/// Ed25519 seed of the DSN peer of provider `index`, from 0.
#[must_use]
pub fn provider_peer_seed(index: u32) -> [u8; 32] {
    blake3::derive_key("piecewise development peer seed v1", format!("provider {index}").as_bytes())
}

/// Ed25519 seed of the consensus network's peer of the validator of this name.
#[must_use]
pub fn consensus_peer_seed(name: &str) -> [u8; 32] {
    blake3::derive_key("piecewise development peer seed v1", format!("validator {name}").as_bytes())
}
