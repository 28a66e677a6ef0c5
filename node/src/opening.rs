//! Why a node does not start over its base path: what is the matter, what to do about it, and the exit code.

use std::io;
use std::path::Path;

use anyhow::Error;
use consensus::{GuardError, StartError};
use ledger::OpenError;
use runtime::types::Height;

use crate::base_path::BasePath;
use crate::cli::ExitReason;
use crate::provider::recorded_through;

/// A file or folder of the base path cannot be made or written.
pub fn not_written(path: &Path, error: io::Error) -> Error {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let said = format!("cannot write {}: {error}", path.display());
    match error.kind() {
        PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull => ExitReason::NotWritable(said).into(),
        _ => Error::from(error).context(format!("cannot write {}", path.display())),
    }
}

/// The ledger does not open.
pub fn not_opened(error: OpenError, chain: &str, base: &BasePath) -> Error {
    let purge = format!("run: node purge-chain --chain {chain} --base-path {}", base.root().display());
    let reason = match &error {
        OpenError::OtherGenesis { .. } => {
            Some(ExitReason::OtherGenesis(format!("{error}; to delete what is there, {purge}")))
        }
        OpenError::Locked { .. } => Some(ExitReason::InUse(error.to_string())),
        OpenError::Corrupt { .. } => Some(damaged(error.to_string(), &purge)),
        OpenError::Ledger { source, .. } if source.is_damage() => Some(damaged(format!("{error}: {source}"), &purge)),
        OpenError::Database { source, .. } if source.is_damage() => Some(damaged(format!("{error}: {source}"), &purge)),
        OpenError::Database { source, .. } if source.is_refused() => {
            Some(ExitReason::NotWritable(format!("{error}: {source}")))
        }
        OpenError::Folder { path, source } => return not_written(path, io::Error::from(source.kind())),
        _ => None,
    };
    reason.map_or_else(|| Error::from(error).context("open the ledger"), Error::from)
}

/// Refuses a ledger that lacks blocks in which this node's providers have seen their pieces recorded: its validator is the
/// only one, so that nobody else has them.
pub fn check_recorded(height: Height, chain: &str, base: &BasePath) -> anyhow::Result<()> {
    let Some((path, through)) = recorded_through(&base.pieces()).filter(|(_, through)| *through > height) else {
        return Ok(());
    };
    let (path, missing) = (path.display(), through.saturating_sub(height));
    let what = format!(
        "the ledger ends at height {height}, but {path} says that pieces were recorded up to height {through}: {missing} \
         blocks are missing"
    );
    let purge = format!("run: node purge-chain --chain {chain} --base-path {}", base.root().display());
    Err(damaged(what, &purge).into())
}

/// The consensus engine does not start.
pub fn not_started(error: StartError, chain: &str, base: &BasePath) -> Error {
    let purge = format!("run: node purge-chain --chain {chain} --base-path {}", base.root().display());
    match &error {
        StartError::BlocksMissing { .. } => damaged(error.to_string(), &purge).into(),
        StartError::Guard(guard @ (GuardError::Damaged { .. } | GuardError::Missing { .. })) => {
            damaged(guard.to_string(), &purge).into()
        }
        _ => Error::from(error).context("start the consensus engine"),
    }
}

fn damaged(what: String, purge: &str) -> ExitReason {
    ExitReason::Damaged(format!("{what}. Put the folder back as it was last; or, to give up what is there, {purge}"))
}
