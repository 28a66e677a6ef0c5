//! `node purge-chain`: delete a chain's folder, after asking.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use chain_spec::ChainSpec;
use clap::Args;

use crate::base_path::BasePath;

/// Flags of `purge-chain`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// The network: dev, local, or the path of a chain spec.
    #[arg(long, value_name = "dev|local|SPEC.json", default_value = "dev")]
    chain: String,
    /// Where the node keeps everything; the user's data folder if not given.
    #[arg(long, value_name = "DIR")]
    base_path: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

impl PurgeArgs {
    /// Deletes the folder: ledger, pieces and keys.
    pub fn run(self) -> anyhow::Result<()> {
        let spec = ChainSpec::load(&self.chain)?;
        // Opening it takes the lock, so that no running node loses its files.
        let Some(base) = BasePath::existing(self.base_path.as_deref(), &spec.id)? else {
            println!("there is nothing of chain {} to delete", spec.id);
            return Ok(());
        };
        let folder = base.chain();
        if !self.yes && !confirmed(&format!("delete {} with all pieces and keys? [y/N] ", folder.display()))? {
            bail!("nothing was deleted");
        }
        std::fs::remove_dir_all(folder).with_context(|| format!("delete {}", folder.display()))?;
        println!("deleted {}", folder.display());
        Ok(())
    }
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    print!("{question}");
    std::io::stdout().flush().context("ask")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
