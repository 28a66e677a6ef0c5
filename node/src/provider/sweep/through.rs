//! Up to which block a provider has seen its pieces recorded.
//!
//! A ledger that was lost and is synced anew knows less for a while than the provider did. Until it has come as far
//! again, that it does not know a deal says nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use runtime::types::Height;

const NAME: &str = "recorded-through";

/// The file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep {path}")]
pub struct ThroughError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The highest block whose records were believed, kept in a file of the store's folder.
pub struct RecordedThrough {
    path: PathBuf,
    height: Option<Height>,
}

impl RecordedThrough {
    /// What was kept in `folder`; a file that is missing or damaged says nothing.
    pub fn new(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let height = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
        Self { path, height }
    }

    /// That block's height, if there is one.
    pub const fn height(&self) -> Option<Height> {
        self.height
    }

    /// Whether a ledger of this height knows all that was believed before.
    pub fn is_reached_by(&self, height: Height) -> bool {
        self.height.is_none_or(|through| height >= through)
    }

    /// Notes that records of this height are believed: on disk once this returns, and so before any row is marked.
    pub fn raise(&mut self, height: Height) -> Result<(), ThroughError> {
        if self.height.is_some_and(|through| through >= height) {
            return Ok(());
        }
        let temporary = self.path.with_extension("new");
        let write = || {
            let mut file = File::create(&temporary)?;
            writeln!(file, "{height}")?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|source| ThroughError { path: self.path.clone(), source })?;
        self.height = Some(height);
        Ok(())
    }
}

/// The highest block whose records any provider believed of those that have a folder in `pieces`, and its file.
pub fn recorded_through(pieces: &Path) -> Option<(PathBuf, Height)> {
    let folders = fs::read_dir(pieces).ok()?.filter_map(Result::ok);
    let kept = folders.map(|folder| RecordedThrough::new(&folder.path()));
    kept.filter_map(|kept| Some((kept.path.clone(), kept.height?))).max_by_key(|(_, height)| *height)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::RecordedThrough;

    #[test]
    fn what_was_believed_is_remembered_and_never_lowered() {
        let folder = tempfile::tempdir().unwrap();
        let mut through = RecordedThrough::new(folder.path());
        assert!(through.is_reached_by(0));
        through.raise(7).unwrap();
        through.raise(3).unwrap();
        let again = RecordedThrough::new(folder.path());
        assert!(!again.is_reached_by(6) && again.is_reached_by(7) && again.is_reached_by(8));
    }
}
