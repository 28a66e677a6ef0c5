//! `node chain-info`: which chain a spec makes, and how far this machine has it.

use std::path::PathBuf;

use chain_spec::ChainSpec;
use clap::Args;
use ledger::{Head, Ledger};
use serde::Serialize;

use super::print::Output;
use crate::base_path::{BasePath, InUse};
use crate::opening::not_opened;

/// Flags of `chain-info`.
#[derive(Debug, Args)]
pub struct ChainInfoArgs {
    /// The network: dev, local, or the path of a chain spec.
    #[arg(long, value_name = "dev|local|SPEC.json", default_value = "dev")]
    chain: String,
    /// Where the node keeps everything; the user's data folder if not given.
    #[arg(long, value_name = "DIR")]
    base_path: Option<PathBuf>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The chain, and its last block on this machine.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChainInfo {
    id: String,
    name: String,
    genesis_hash: String,
    ledger: String,
    #[serde(flatten)]
    head: Option<HeadInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HeadInfo {
    height: u64,
    hash: String,
    timestamp_ms: u64,
    epoch: u32,
}

impl HeadInfo {
    fn of(head: &Head) -> Self {
        let hash = format!("0x{}", head.hash);
        Self { height: head.header.height, hash, timestamp_ms: head.header.timestamp_ms, epoch: head.header.epoch }
    }
}

impl ChainInfoArgs {
    /// Prints what the spec says, and the head unless a node holds the ledger or there is none.
    pub fn run(self) -> anyhow::Result<()> {
        let spec = ChainSpec::load(&self.chain)?;
        let genesis_hash = format!("0x{}", Ledger::genesis_hash_of(&spec.genesis())?);
        let (ledger, head) = match BasePath::to_read(self.base_path.as_deref(), &spec.id) {
            Ok(base) => self.read(&spec, base)?,
            Err(error) if error.is::<InUse>() => {
                ("a running node has it: ask that node for chain_getHeader, or stop it".to_owned(), None)
            }
            Err(error) => return Err(error),
        };
        self.output.print(&ChainInfo { id: spec.id, name: spec.name, genesis_hash, ledger, head })
    }

    fn read(&self, spec: &ChainSpec, base: Option<BasePath>) -> anyhow::Result<(String, Option<HeadInfo>)> {
        let nothing = || ("nothing is here yet".to_owned(), None);
        let Some(base) = base else { return Ok(nothing()) };
        let path = base.ledger();
        let head = Ledger::head_in(&path, &spec.genesis()).map_err(|error| not_opened(error, &self.chain, &base))?;
        Ok(head.map_or_else(nothing, |head| (path.display().to_string(), Some(HeadInfo::of(&head)))))
    }
}
