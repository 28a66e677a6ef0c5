//! `node export-chain-spec`: print a spec, to be changed, kept or given to others.

use chain_spec::ChainSpec;
use clap::Args;

use super::print::line;

/// Flags of `export-chain-spec`.
#[derive(Debug, Args)]
pub struct ExportSpecArgs {
    /// The network: dev, local, or the path of a chain spec.
    #[arg(long, value_name = "dev|local|SPEC.json", default_value = "dev")]
    chain: String,
}

impl ExportSpecArgs {
    /// Prints the spec as JSON.
    pub fn run(self) -> anyhow::Result<()> {
        line(&ChainSpec::load(&self.chain)?.to_json()?)
    }
}
