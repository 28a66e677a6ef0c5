//! Say what a network agrees on before its first block.
//!
//! A chain spec is one JSON file: a name, boot nodes, consensus timeouts, and the genesis state. What is under `genesis`
//! decides the genesis hash and so the network; everything else may differ from node to node.

pub mod dev_keys;
mod presets;
mod spec;

pub use presets::{PRESETS, preset};
pub use spec::{
    AccountSpec, BLOCK_BYTES_MAX, ChainSpec, ChainType, ConsensusTimeouts, GenesisSpec, PART_BYTES_MAX, PARTS_MAX,
    ProviderSpec, STEP_MS_MAX, SpecError, ValidatorSpec,
};
