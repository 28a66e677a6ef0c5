//! Say what a network agrees on before its first block.
//!
//! A chain spec is one JSON file: a name, boot nodes, consensus timeouts, and the genesis state. What is under `genesis`
//! decides the genesis hash and so the network; everything else may differ from node to node.

pub mod dev_keys;
mod presets;
mod spec;

pub use presets::{PRESETS, preset};
pub use spec::{
    AccountSpec, ChainSpec, ChainType, ConsensusTimeouts, GenesisSpec, ProviderSpec, SpecError, ValidatorSpec,
};
