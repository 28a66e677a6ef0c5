//! What is written down, and of which files.

use std::ffi::{CStr, CString, c_int};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::AT_FDCWD;

use crate::record::Record;
use crate::sys::{self, Stat};

/// The folder whose files are followed.
const FOLDER: &str = "POWER_CUT_FOLDER";
/// The folder of the journal, on the same file system and not inside the first.
const JOURNAL: &str = "POWER_CUT_JOURNAL";

/// Syncs of paths that contain this are not heard: what a program would be that forgot them.
const DEAF: &str = "POWER_CUT_DEAF";

/// The layer's settings and its journal. Whoever changes a file holds it from before the record until after the change,
/// so that the journal has the order of the changes.
pub struct Journal {
    folder: String,
    journal: String,
    records: c_int,
    saved: u64,
    /// Its presence makes the disk full below the path that it holds.
    full: CString,
    /// The same, for a disk that was mounted to be read only.
    read_only: CString,
    deaf: Option<String>,
}

static JOURNAL_OF_PROCESS: OnceLock<Option<Mutex<Journal>>> = OnceLock::new();

/// The journal; none if the environment names no folder.
pub fn lock() -> Option<MutexGuard<'static, Journal>> {
    let journal = JOURNAL_OF_PROCESS.get_or_init(|| Journal::open().map(Mutex::new)).as_ref()?;
    Some(journal.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Journal {
    fn open() -> Option<Self> {
        let (folder, journal) = (std::env::var(FOLDER).ok()?, std::env::var(JOURNAL).ok()?);
        let path = |name: &str| CString::new(format!("{journal}/{name}")).ok();
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        let records = sys::open(AT_FDCWD, &path("records")?, flags, 0o600);
        let (full, read_only) = (path("full")?, path("read-only")?);
        let deaf = std::env::var(DEAF).ok();
        (records >= 0).then_some(Self { folder, journal, records, saved: 0, full, read_only, deaf })
    }

    fn note(&self, record: &Record) {
        sys::write_all(self.records, &record.encode());
    }

    /// The whole path, if it is followed.
    pub fn path(&self, folder: c_int, path: &CStr) -> Option<String> {
        let path = path.to_str().ok()?;
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else if folder == AT_FDCWD {
            return None;
        } else {
            format!("{}/{path}", sys::path_of(folder)?)
        };
        self.is_followed(&whole).then(|| whole.trim_end_matches('/').to_owned())
    }

    fn is_followed(&self, path: &str) -> bool {
        path.strip_prefix(&self.folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The file or folder behind a descriptor, if it is followed.
    pub fn opened(&self, fd: c_int) -> Option<Stat> {
        let found = sys::stat_fd(fd).filter(|found| found.is_file || found.is_folder)?;
        self.is_followed(&sys::path_of(fd)?).then_some(found)
    }

    /// What a change at `path` fails with, if the test says so.
    pub fn refusal(&self, path: &str, needs_room: bool) -> Option<c_int> {
        let covers = |control: &CStr| {
            sys::read_small(control).is_some_and(|prefix| !prefix.is_empty() && path.starts_with(&prefix))
        };
        if covers(&self.read_only) {
            return Some(libc::EROFS);
        }
        (needs_room && covers(&self.full)).then_some(libc::ENOSPC)
    }

    /// As [`refusal`](Self::refusal), of an open file.
    pub fn refusal_of(&self, fd: c_int) -> Option<c_int> {
        self.refusal(&sys::path_of(fd)?, true)
    }

    /// Bytes from `offset` on are about to change, `count` of them; the file may become longer.
    pub fn data(&self, fd: c_int, file: Stat, offset: u64, count: u64) {
        let there = file.length.saturating_sub(offset).min(count);
        let bytes = sys::read(fd, offset, there);
        self.note(&Record::Data { inode: file.inode, offset, length: file.length, bytes });
    }

    /// What a descriptor leads to lasts.
    pub fn sync(&self, fd: c_int) {
        let hears = |path: String| self.deaf.as_ref().is_none_or(|deaf| !path.contains(deaf));
        if let Some(found) = self.opened(fd)
            && sys::path_of(fd).is_some_and(hears)
        {
            self.synced(found.inode);
        }
    }

    fn synced(&self, inode: u64) {
        self.note(&Record::Synced { inode });
    }

    /// Nothing that an earlier file of the same number left unsynced is of this one.
    pub fn is_new(&self, path: &str) {
        if let Some(found) = sys::stat(path) {
            self.synced(found.inode);
        }
    }

    pub fn made(&self, path: &str) {
        // Without the folder it will not be made.
        if let folder @ 1.. = folder_of(path) {
            self.note(&Record::Made { folder, path: path.to_owned() });
        }
    }

    pub fn removed(&mut self, path: &str) {
        let (folder, saved) = (folder_of(path), self.save(path));
        self.note(&Record::Removed { folder, saved, path: path.to_owned() });
    }

    pub fn removed_folder(&self, path: &str) {
        self.note(&Record::RemovedFolder { folder: folder_of(path), path: path.to_owned() });
    }

    pub fn renamed(&mut self, from: &str, to: &str) {
        let is_file = sys::stat(to).is_some_and(|found| found.is_file);
        let saved = if is_file { self.save(to) } else { 0 };
        let (folder, from, to) = (folder_of(to), from.to_owned(), to.to_owned());
        self.note(&Record::Renamed { folder, saved, from, to });
    }

    /// Gives a file that loses its name another one.
    fn save(&mut self, path: &str) -> u64 {
        let Ok(from) = CString::new(path) else { return 0 };
        loop {
            self.saved += 1;
            let to = CString::new(format!("{}/saved/{}", self.journal, self.saved)).unwrap_or_default();
            if sys::link(AT_FDCWD, &from, AT_FDCWD, &to, 0) == 0 {
                return self.saved;
            }
            // Taken by an earlier process over the same journal, or there is nothing to save.
            if std::io::Error::last_os_error().raw_os_error() != Some(libc::EEXIST) {
                return 0;
            }
        }
    }
}

fn folder_of(path: &str) -> u64 {
    let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
    sys::stat(folder).map_or(0, |found| found.inode)
}
