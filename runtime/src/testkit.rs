//! Keys, files and blocks for the tests of this crate and of those above it: deterministic, and of no use on a network.

use blake3::OutputReader;

use crate::crypto::{CryptoRng, KeyPair, RngCore};
use crate::state::MemoryState;
use crate::types::{StateRoot, derive};

mod kit;
mod parameters;
mod simulation;

pub use kit::{DECLARED, GENESIS_MS, Kit, NAMES, ProviderKeys, TOKEN, ValidatorKeys, manifest};
pub use parameters::dev_parameters;
pub use simulation::Simulation;

/// A stream of bytes from a seed, for signing in tests.
#[derive(Clone)]
pub struct SeededRng(OutputReader);

impl SeededRng {
    /// The same bytes for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new_derive_key("piecewise testkit rng v1").update(&seed.to_be_bytes()).finalize_xof())
    }
}

impl std::fmt::Debug for SeededRng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SeededRng")
    }
}

impl RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_be_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for SeededRng {}

/// A key pair of one's own for every label.
#[must_use]
pub fn key(label: &str) -> KeyPair {
    KeyPair::from_seed(&derive("piecewise testkit key v1", &[label.as_bytes()]))
}

/// Stands for a state's root where there is no ledger: a hash of all entries.
#[must_use]
pub fn digest(state: &MemoryState) -> StateRoot {
    let mut hasher = blake3::Hasher::new_derive_key("piecewise testkit state v1");
    for (key, value) in state.entries() {
        for part in [key, value] {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()).update(part);
        }
    }
    StateRoot::from_bytes(*hasher.finalize().as_bytes())
}
