//! The folders of a node: `BASE/chains/ID/{ledger,pieces,consensus,keystore,network,spool,uploads,cache}`.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs4::fs_std::FileExt;

use crate::opening::not_written;

/// How the folders of `--tmp` begin.
const TEMPORARY_PREFIX: &str = "piecewise-";

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
            .then(|| tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir())
            .transpose()
            .context("make a temporary folder")?;
        if let Some(folder) = &temporary
            && let Err(error) = forget_ended(folder.path())
        {
            tracing::warn!(%error, "cannot look for what earlier nodes left behind");
        }
        let root = match &temporary {
            Some(folder) => folder.path().to_owned(),
            None => root_of(base)?,
        };
        let chain = chain_in(&root, chain_id);
        make_folder(&chain).map_err(|error| not_written(&chain, error))?;
        let lock_path = chain.join("lock");
        let lock = File::create(&lock_path).map_err(|error| not_written(&lock_path, error))?;
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

    /// What is there already, to be looked at and not written; none if this chain has no folder in `base`.
    pub fn to_read(base: Option<&Path>, chain_id: &str) -> anyhow::Result<Option<Self>> {
        let root = root_of(base)?;
        let chain = chain_in(&root, chain_id);
        let lock_path = chain.join("lock");
        let lock = match File::open(&lock_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            lock => lock.with_context(|| format!("read {}", lock_path.display()))?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(Some(Self { root, chain, _lock: lock, _temporary: None })),
            Err(TryLockError::WouldBlock) => Err(InUse(root).into()),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", lock_path.display())),
        }
    }

    /// Where a chain's secrets are kept, whether or not a node runs there.
    pub fn keystore_of(base: Option<&Path>, chain_id: &str) -> anyhow::Result<PathBuf> {
        Ok(keystore_in(&chain_in(&root_of(base)?, chain_id)))
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
        keystore_in(&self.chain)
    }

    /// Ports that were chosen and are kept.
    pub fn network(&self) -> PathBuf {
        self.chain.join("network")
    }

    /// Uploads that survive a crash.
    pub fn uploads(&self) -> PathBuf {
        self.chain.join("uploads")
    }

    /// Pieces that were read and may be read again; emptied at start.
    pub fn cache(&self) -> PathBuf {
        self.chain.join("cache")
    }

    /// Bodies of files on their way in, in files without names.
    pub fn spool(&self) -> PathBuf {
        self.chain.join("spool")
    }
}

/// Makes a folder and those above it that are missing; each lasts once this returns.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(above)?.sync_all()
}

fn keystore_in(chain: &Path) -> PathBuf {
    chain.join("keystore")
}

fn chain_in(root: &Path, chain_id: &str) -> PathBuf {
    root.join("chains").join(chain_id)
}

/// Removes the temporary folders of nodes that ended without doing so themselves, as by SIGKILL: those beside `own`, of
/// the same user, whose locks are free.
fn forget_ended(own: &Path) -> io::Result<()> {
    let user = fs::metadata(own)?.uid();
    for entry in fs::read_dir(own.parent().unwrap_or(own))? {
        let entry = entry?;
        let (path, is_ours) = (entry.path(), entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX));
        if !is_ours || path == own {
            continue;
        }
        // Of the entry itself, not of what a link leads to. It may be gone by now, by another node's doing.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_dir() || metadata.uid() != user {
            continue;
        }
        if let Ok(Some(_locks)) = locks_of_ended(&path) {
            match fs::remove_dir_all(&path) {
                Ok(()) => tracing::info!(folder = %path.display(), "removed what an earlier node left behind"),
                Err(error) => tracing::warn!(folder = %path.display(), %error, "cannot remove it"),
            }
        }
    }
    Ok(())
}

/// The locks of all chains in a temporary folder, taken; none if a node may still use it, or none ever did.
fn locks_of_ended(root: &Path) -> io::Result<Option<Vec<File>>> {
    let mut locks = Vec::new();
    for chain in fs::read_dir(root.join("chains"))? {
        let chain = chain?.path();
        let lock = File::open(chain.join("lock"))?;
        // A node that has made nothing but its lock may be about to take it.
        let is_used = fs::read_dir(&chain)?.count() > 1;
        if !is_used || !lock.try_lock_exclusive()? {
            return Ok(None);
        }
        locks.push(lock);
    }
    Ok((!locks.is_empty()).then_some(locks))
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

#[cfg(test)]
mod tests;
