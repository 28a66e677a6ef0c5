//! The folders of a node: `BASE/chains/ID/{ledger,pieces,consensus,keystore,network,spool}`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs4::fs_std::FileExt;

/// A node's folder of one chain, locked against a second node for as long as this lives.
#[derive(Debug)]
pub struct BasePath {
    root: PathBuf,
    chain: PathBuf,
    // Dropped in this order: the lock is let go before a temporary folder is removed.
    _lock: File,
    _temporary: Option<tempfile::TempDir>,
}

/// Another process has the lock.
#[derive(Debug, thiserror::Error)]
#[error("another node uses {}; stop it or give another --base-path", .0.display())]
pub struct InUse(PathBuf);

impl BasePath {
    /// Opens `base`, a temporary folder, or the user's data folder, and locks the chain's part of it.
    pub fn open(base: Option<&Path>, temporary: bool, chain_id: &str) -> anyhow::Result<Self> {
        let temporary = temporary
            .then(|| tempfile::Builder::new().prefix("piecewise-").tempdir())
            .transpose()
            .context("make a temporary folder")?;
        let root = match &temporary {
            Some(folder) => folder.path().to_owned(),
            None => root_of(base)?,
        };
        let chain = chain_in(&root, chain_id);
        fs::create_dir_all(&chain).with_context(|| format!("make the folder {}", chain.display()))?;
        let lock_path = chain.join("lock");
        let lock = File::create(&lock_path).with_context(|| format!("open {}", lock_path.display()))?;
        if !lock.try_lock_exclusive().with_context(|| format!("lock {}", lock_path.display()))? {
            return Err(InUse(root).into());
        }
        Ok(Self { root, chain, _lock: lock, _temporary: temporary })
    }

    /// Opens what is there already; none if this chain has no folder in `base`.
    pub fn existing(base: Option<&Path>, chain_id: &str) -> anyhow::Result<Option<Self>> {
        let is_there = chain_in(&root_of(base)?, chain_id).is_dir();
        is_there.then(|| Self::open(base, false, chain_id)).transpose()
    }

    /// The base path itself, for messages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of this chain.
    pub fn chain(&self) -> &Path {
        &self.chain
    }

    /// Blocks, state and indexes.
    pub fn ledger(&self) -> PathBuf {
        self.chain.join("ledger")
    }

    /// One folder per provider of this node, by its address.
    pub fn pieces(&self) -> PathBuf {
        self.chain.join("pieces")
    }

    /// The engine's write-ahead log and the signer's guard.
    pub fn consensus(&self) -> PathBuf {
        self.chain.join("consensus")
    }

    /// Secrets, each readable by its owner alone.
    pub fn keystore(&self) -> PathBuf {
        self.chain.join("keystore")
    }

    /// Ports that were chosen and are kept.
    pub fn network(&self) -> PathBuf {
        self.chain.join("network")
    }

    /// Bodies of files on their way in; emptied at every start.
    pub fn spool(&self) -> PathBuf {
        self.chain.join("spool")
    }
}

fn chain_in(root: &Path, chain_id: &str) -> PathBuf {
    root.join("chains").join(chain_id)
}

/// The user's data folder if none is given.
fn root_of(base: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(base) = base {
        return Ok(base.to_owned());
    }
    let folders = directories::ProjectDirs::from("", "", "piecewise");
    let folders = folders.context("there is no home folder; give --base-path")?;
    Ok(folders.data_dir().to_owned())
}
