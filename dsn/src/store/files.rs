//! Pieces as files.

use super::{OUTBOARD_FROM_BYTES, StoreError};
use fail::fail_point;
use parking_lot::Mutex;
use pieces::{PieceHash, outboard, outboard_bytes};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

const OUTBOARD_SUFFIX: &str = "obao";
/// Damaged pieces that are kept to be looked at; those on top are deleted.
const SET_ASIDE_MAX: usize = 64;

/// The folder with the files.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    files: PathBuf,
    tmp: PathBuf,
    next_tmp: AtomicU64,
    /// The folders of pieces, by the first two bytes of their hashes, that are known to outlast a power cut. One that is
    /// just there may have been made by another thread, or a process that died, and never synced.
    lasting: Mutex<HashSet<[u8; 2]>>,
}

impl Files {
    /// Makes the folders that are missing and empties the one for temporary files.
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let (files, tmp) = (dir.join("files"), dir.join("tmp"));
        create_dir(&files)?;
        match fs::remove_dir_all(&tmp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("empty", &tmp, error));
            }
            _ => create_dir(&tmp)?,
        }
        sync_dir(dir)?;
        let (next_tmp, lasting) = (AtomicU64::new(0), Mutex::default());
        Ok(Self { dir: dir.to_owned(), files, tmp, next_tmp, lasting })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a piece lies: by hash alone, so no name from outside ever becomes a path.
    pub(super) fn path(&self, hash: &PieceHash) -> PathBuf {
        let name = hash.to_string();
        let (first, rest) = name.split_at(2);
        let (second, _) = rest.split_at(2);
        self.files.join(first).join(second).join(&name)
    }

    fn outboard_path(&self, hash: &PieceHash) -> PathBuf {
        self.path(hash).with_extension(OUTBOARD_SUFFIX)
    }

    pub(super) fn free_bytes(&self) -> Result<u64, StoreError> {
        fs4::available_space(&self.dir).map_err(|error| StoreError::io("look for room in", &self.dir, error))
    }

    /// Whether there is a file of this length.
    pub(super) fn has(&self, hash: &PieceHash, piece_bytes: u64) -> bool {
        fs::metadata(self.path(hash)).is_ok_and(|found| found.is_file() && found.len() == piece_bytes)
    }

    /// How long the piece's file is; none if there is none.
    pub(super) fn bytes(&self, hash: &PieceHash) -> Result<Option<u64>, StoreError> {
        let path = self.path(hash);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(if found.is_file() { found.len() } else { 0 })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("look at", &path, error)),
        }
    }

    /// When the piece's file was written, in milliseconds since 1970; none if that cannot be known.
    pub(super) fn written_ms(&self, hash: &PieceHash) -> Option<u64> {
        let written = fs::metadata(self.path(hash)).and_then(|found| found.modified()).ok()?;
        u64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    }

    /// The piece's file and hash tree. None if the file is missing or of another length.
    pub(super) fn read(&self, hash: &PieceHash, piece_bytes: u64) -> Result<Option<(File, Vec<u8>)>, StoreError> {
        let path = self.path(hash);
        let failed = |error| StoreError::io("read", &path, error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if file.metadata().map_err(failed)?.len() != piece_bytes {
            return Ok(None);
        }
        if piece_bytes > OUTBOARD_FROM_BYTES
            && let Some(tree) = self.read_outboard(hash, piece_bytes)
        {
            return Ok(Some((file, tree)));
        }
        // Small, or the tree is gone. If the piece is damaged, its slices will not match and say so.
        let (_, tree) = outboard(&file, piece_bytes).map_err(failed)?;
        if piece_bytes > OUTBOARD_FROM_BYTES {
            self.write_outboard(hash, &tree)?;
        }
        Ok(Some((file, tree)))
    }

    fn read_outboard(&self, hash: &PieceHash, piece_bytes: u64) -> Option<Vec<u8>> {
        let expected = usize::try_from(outboard_bytes(piece_bytes)).ok()?;
        let file = File::open(self.outboard_path(hash)).ok()?;
        let mut tree = Vec::with_capacity(expected.saturating_add(1));
        file.take(outboard_bytes(piece_bytes).saturating_add(1)).read_to_end(&mut tree).ok()?;
        (tree.len() == expected).then_some(tree)
    }

    /// Whether the file is the piece, and its hash tree the piece's.
    pub(super) fn is_whole(&self, hash: &PieceHash, piece_bytes: u64) -> Result<bool, StoreError> {
        if !self.has(hash, piece_bytes) {
            return Ok(false);
        }
        let path = self.path(hash);
        let file = File::open(&path).map_err(|error| StoreError::io("read", &path, error))?;
        let (found, tree) = outboard(file, piece_bytes).map_err(|error| StoreError::io("read", &path, error))?;
        let needs_tree = piece_bytes > OUTBOARD_FROM_BYTES;
        Ok(found == *hash && (!needs_tree || self.read_outboard(hash, piece_bytes) == Some(tree)))
    }

    /// Takes a damaged piece out of the way, and its hash tree with it. Where it is kept, if there is room and it is there.
    pub(super) fn set_aside(&self, hash: &PieceHash) -> Result<Option<PathBuf>, StoreError> {
        let folder = self.dir.join("damaged");
        create_dir(&folder)?;
        let kept = folder.join(hash.to_string());
        let has_room = list(&folder)?.len() < SET_ASIDE_MAX;
        let is_kept = has_room && fs::rename(self.path(hash), &kept).is_ok();
        self.remove(hash)?;
        Ok(is_kept.then_some(kept))
    }

    /// Whether the file is the piece; then its hash tree is written anew.
    pub(super) fn rebuild_outboard(&self, hash: &PieceHash, piece_bytes: u64) -> Result<bool, StoreError> {
        if !self.has(hash, piece_bytes) {
            return Ok(false);
        }
        let path = self.path(hash);
        let file = File::open(&path).map_err(|error| StoreError::io("read", &path, error))?;
        let (found, tree) = outboard(file, piece_bytes).map_err(|error| StoreError::io("read", &path, error))?;
        if found != *hash {
            return Ok(false);
        }
        if piece_bytes > OUTBOARD_FROM_BYTES {
            self.write_outboard(hash, &tree)?;
        }
        Ok(true)
    }

    fn write_outboard(&self, hash: &PieceHash, tree: &[u8]) -> Result<(), StoreError> {
        let (mut file, tmp) = self.create_tmp()?;
        let path = self.outboard_path(hash);
        let written = file.write_all(tree).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&tmp, &path));
        written.map_err(|error| {
            drop(fs::remove_file(&tmp));
            StoreError::io("write", &path, error)
        })
    }

    /// A new file that only this process knows.
    pub(super) fn create_tmp(&self) -> Result<(File, PathBuf), StoreError> {
        let path = self.tmp.join(self.next_tmp.fetch_add(1, Ordering::Relaxed).to_string());
        let created = OpenOptions::new().write(true).read(true).create_new(true).open(&path);
        match created {
            Ok(file) => Ok((file, path)),
            Err(error) => Err(StoreError::io("create", &path, error)),
        }
    }

    /// Puts a synced temporary file in its place, with its hash tree, and syncs the folders. A file that is there is
    /// replaced: this one was hashed just now.
    pub(super) fn place(&self, tmp: &Path, hash: &PieceHash, tree: Option<&[u8]>) -> Result<(), StoreError> {
        let path = self.path(hash);
        let folder = path.parent().unwrap_or(&self.files);
        self.create_folder(hash, folder)?;
        if let Some(tree) = tree {
            fail_point!("dsn::piece::before_outboard");
            self.write_outboard(hash, tree)?;
            fail_point!("dsn::piece::after_outboard");
        }
        fail_point!("dsn::piece::before_rename");
        fs::rename(tmp, &path).map_err(|error| StoreError::io("rename to", &path, error))?;
        fail_point!("dsn::piece::after_rename");
        sync_dir(folder)
    }

    /// Makes both levels above a piece; each is synced in the one above it.
    fn create_folder(&self, hash: &PieceHash, folder: &Path) -> Result<(), StoreError> {
        let [first, second, ..] = *hash.as_bytes();
        if self.lasting.lock().contains(&[first, second]) && folder.is_dir() {
            return Ok(());
        }
        let above = folder.parent().unwrap_or(&self.files);
        create_dir(folder)?;
        sync_dir(above)?;
        sync_dir(&self.files)?;
        self.lasting.lock().insert([first, second]);
        Ok(())
    }

    /// Removes a piece and its hash tree; nothing if they are gone.
    pub(super) fn remove(&self, hash: &PieceHash) -> Result<(), StoreError> {
        for path in [self.path(hash), self.outboard_path(hash)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Visits the piece of every file, piece or hash tree, that lies where its name says.
    pub(super) fn walk(&self, mut visit: impl FnMut(PieceHash) -> Result<(), StoreError>) -> Result<(), StoreError> {
        for first in list(&self.files)? {
            for second in list(&first)? {
                for path in list(&second)? {
                    self.piece_of(&path).map_or(Ok(()), &mut visit)?;
                }
            }
        }
        Ok(())
    }

    fn piece_of(&self, path: &Path) -> Option<PieceHash> {
        let is_outboard = path.extension() == Some(OsStr::new(OUTBOARD_SUFFIX));
        let stem = if is_outboard { path.file_stem() } else { path.file_name() };
        stem.and_then(OsStr::to_str)?.parse().ok().filter(|hash| {
            let expected = if is_outboard { self.outboard_path(hash) } else { self.path(hash) };
            expected == path
        })
    }
}

/// What lies in a folder; nothing if it is none.
fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |error| StoreError::io("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

fn create_dir(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))
}

/// Makes renames in a folder last.
fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| StoreError::io("sync", path, error))
}
