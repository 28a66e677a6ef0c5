//! Where a fetched file goes. A regular file is replaced at once when all of it is there; pipes and devices are written
//! into as it comes.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempPath;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Mode of a new file; the kernel takes the umask off.
const NEW_FILE_MODE: u32 = 0o666;
/// What is kept of a replaced file's mode: nothing that would give its bytes somebody's rights.
const KEPT_MODE: u32 = 0o777;
/// Links followed to a target that does not exist yet; as many as Linux follows.
const LINKS_MAX: usize = 40;

/// An open place to write to.
pub struct Output {
    out: Box<dyn AsyncWrite + Unpin>,
    replacing: Option<Replacing>,
}

/// A file written beside its place, so that the place never holds half of it. Removed if it is not finished.
struct Replacing {
    file: File,
    temporary: TempPath,
    target: PathBuf,
}

impl Output {
    /// Standard output.
    pub fn stdout() -> Self {
        Self { out: Box::new(tokio::io::stdout()), replacing: None }
    }

    /// Opens what is at `path`, links followed, or makes something there.
    ///
    /// # Errors
    /// It is a folder, or cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("write {}", path.display());
        let there = match fs::metadata(path) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(cannot),
        };
        match there {
            Some(there) if there.is_dir() => bail!("{} is a folder", path.display()),
            None if path.as_os_str().as_encoded_bytes().ends_with(b"/") => bail!("{} is no folder", path.display()),
            Some(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
                Ok(Self { out: Box::new(tokio::fs::File::from_std(file)), replacing: None })
            }
            Some(there) => Self::beside(fs::canonicalize(path).with_context(cannot)?, Some(&there)),
            None => Self::beside(target_of(path).with_context(cannot)?, None),
        }
    }

    fn beside(target: PathBuf, replaced: Option<&Metadata>) -> anyhow::Result<Self> {
        let folder = folder_of(&target);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".piecewise-").permissions(Permissions::from_mode(NEW_FILE_MODE));
        let named = builder.tempfile_in(folder).with_context(|| format!("write in {}", folder.display()))?;
        let (file, temporary) = named.into_parts();
        if let Some(replaced) = replaced {
            // Only root can give files away; for everybody else the file is their own already, or becomes it.
            std::os::unix::fs::fchown(&file, Some(replaced.uid()), Some(replaced.gid())).ok();
            let mode = Permissions::from_mode(replaced.mode() & KEPT_MODE);
            file.set_permissions(mode).with_context(|| format!("write in {}", folder.display()))?;
        }
        let out = file.try_clone().with_context(|| format!("write in {}", folder.display()))?;
        let replacing = Replacing { file, temporary, target };
        Ok(Self { out: Box::new(tokio::fs::File::from_std(out)), replacing: Some(replacing) })
    }

    /// Where the bytes go.
    pub fn writer(&mut self) -> &mut (dyn AsyncWrite + Unpin) {
        &mut *self.out
    }

    /// All bytes are written and right: from now on they are in their place.
    ///
    /// # Errors
    /// They cannot be written.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().await.context("write the file")?;
        let Some(Replacing { file, temporary, target }) = self.replacing else { return Ok(()) };
        file.sync_all().with_context(|| format!("write {}", target.display()))?;
        temporary.persist(&target).with_context(|| format!("write {}", target.display()))
    }
}

/// What a path that leads nowhere stands for: itself, or what its links name.
fn target_of(path: &Path) -> std::io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("too many links"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
