//! Takes the power away from a node: what it wrote and did not sync is lost, all of it or by chance a part.
//!
//! The `power-cut` library, preloaded into the node, writes down how to undo each change. The model: a sync of a file
//! makes its bytes last, a sync of a folder its entries, and nothing else does. Of what does not last, entries of a
//! folder are lost from some change on, as journals of file systems lose them, and bytes of a file sector by sector.

#[path = "../power-cut/src/record.rs"]
pub mod record;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use record::Record;

/// Disks write sectors whole.
const SECTOR_BYTES: usize = 512;

/// Where the bytes that were there begin, the file's length before, and the bytes.
type Change<'a> = (u64, u64, &'a [u8]);

/// What is lost of that which was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Everything.
    All,
    /// What chance says; the same seed on the same changes says the same.
    Part {
        /// Where chance begins.
        seed: u64,
    },
}

/// What a power cut has undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Files with bytes that were not synced.
    pub files: usize,
    /// Names that were not synced.
    pub names: usize,
}

/// A node's power, for as long as one process lives.
#[derive(Debug)]
pub struct PowerCut {
    folder: PathBuf,
    journal: tempfile::TempDir,
}

/// The layer itself, built beside the tests.
fn library() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("libpower_cut.so")
}

impl PowerCut {
    /// Over `folder`; what is in it now lasts.
    ///
    /// # Errors
    /// If there is no room for the journal beside it, or the library was not built.
    pub fn over(folder: &Path) -> io::Result<Self> {
        if !library().is_file() {
            let missing = format!("{} is not there; run the tests with `make test`", library().display());
            return Err(io::Error::new(io::ErrorKind::NotFound, missing));
        }
        let folder = folder.canonicalize()?;
        let journal = tempfile::tempdir_in(folder.parent().unwrap_or(&folder))?;
        fs::create_dir(journal.path().join("saved"))?;
        Ok(Self { folder, journal })
    }

    /// Has the command's process write down what it does.
    pub fn watch<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("LD_PRELOAD", library()).env("POWER_CUT_FOLDER", &self.folder);
        command.env("POWER_CUT_JOURNAL", self.journal.path())
    }

    /// From now on the disk is full for all that is below `path`, or not any more.
    ///
    /// # Errors
    /// If the journal's disk is.
    pub fn fill(&self, path: Option<&Path>) -> io::Result<()> {
        self.control("full", path)
    }

    /// From now on nothing below `path` can be written, or all can again.
    ///
    /// # Errors
    /// If the journal cannot either.
    pub fn read_only(&self, path: Option<&Path>) -> io::Result<()> {
        self.control("read-only", path)
    }

    fn control(&self, name: &str, path: Option<&Path>) -> io::Result<()> {
        let control = self.journal.path().join(name);
        let Some(path) = path else { return fs::remove_file(control) };
        // Whole at once: the process looks at any time.
        let new = control.with_extension("new");
        fs::write(&new, path.as_os_str().as_encoded_bytes())?;
        fs::rename(new, control)
    }

    /// Undoes what was not synced. The process must be dead.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn cut(self, loss: Loss) -> io::Result<Undone> {
        let records = Record::read_all(&fs::read(self.journal.path().join("records"))?);
        let mut chance = match loss {
            Loss::All => None,
            Loss::Part { seed } => Some(Chance(seed)),
        };
        let mut synced = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            if let Record::Synced { inode } = record {
                synced.insert(*inode, at);
            }
        }
        let lasts = |inode: u64, at: usize| synced.get(&inode).is_some_and(|sync| *sync > at);
        let files = self.undo_bytes(&records, lasts, &mut chance)?;
        let names = self.undo_names(&records, lasts, &mut chance)?;
        Ok(Undone { files, names })
    }

    fn undo_bytes(
        &self,
        records: &[Record],
        lasts: impl Fn(u64, usize) -> bool,
        chance: &mut Option<Chance>,
    ) -> io::Result<usize> {
        let mut paths = HashMap::new();
        for folder in [&self.folder, self.journal.path()] {
            each_file(folder, &mut |path, inode| drop(paths.insert(inode, path)))?;
        }
        // In the order of their numbers, so that chance goes the same way again.
        let mut changed: BTreeMap<u64, Vec<Change<'_>>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            if let Record::Data { inode, offset, length, bytes } = record
                && !lasts(*inode, at)
            {
                changed.entry(*inode).or_default().push((*offset, *length, bytes));
            }
        }
        let mut count = 0;
        for (inode, changes) in changed {
            // A file that nobody can find any more is lost whatever it holds.
            let Some(path) = paths.get(&inode) else { continue };
            let now = fs::read(path)?;
            let mut before = now.clone();
            for (offset, length, bytes) in changes.iter().rev() {
                let (start, length) = (size(*offset), size(*length));
                before.resize(length.max(start.saturating_add(bytes.len())), 0);
                before.iter_mut().skip(start).zip(bytes.iter()).for_each(|(to, from)| *to = *from);
                before.truncate(length);
            }
            let after = chance.as_mut().map_or(before.clone(), |chance| chance.mix(&before, &now));
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(0)?;
            file.write_all_at(&after, 0)?;
            count += usize::from(after != now);
        }
        Ok(count)
    }

    fn undo_names(
        &self,
        records: &[Record],
        lasts: impl Fn(u64, usize) -> bool,
        chance: &mut Option<Chance>,
    ) -> io::Result<usize> {
        let folder_of = |record: &Record| match record {
            Record::Data { .. } | Record::Synced { .. } => None,
            Record::Made { folder, .. }
            | Record::Removed { folder, .. }
            | Record::RemovedFolder { folder, .. }
            | Record::Renamed { folder, .. } => Some(*folder),
        };
        let mut pending: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            if let Some(folder) = folder_of(record)
                && !lasts(folder, at)
            {
                pending.entry(folder).or_default().push(at);
            }
        }
        let mut undone: Vec<usize> = Vec::new();
        for changes in pending.values() {
            let kept = chance.as_mut().map_or(0, |chance| chance.below(changes.len() + 1));
            undone.extend(changes.iter().skip(kept));
        }
        undone.sort_unstable();
        for at in undone.iter().rev() {
            records.get(*at).map_or(Ok(()), |record| self.undo_name(record))?;
        }
        Ok(undone.len())
    }

    /// Undoes one change of names, if it was made and its place is still there.
    fn undo_name(&self, record: &Record) -> io::Result<()> {
        let saved = |number: &u64| self.journal.path().join("saved").join(number.to_string());
        let done = match record {
            Record::Data { .. } | Record::Synced { .. } => Ok(()),
            Record::Made { path, .. } if Path::new(path).is_dir() => fs::remove_dir_all(path),
            Record::Made { path, .. } => fs::remove_file(path),
            Record::Removed { saved: number, path, .. } => fs::hard_link(saved(number), path),
            Record::RemovedFolder { path, .. } => fs::create_dir(path),
            Record::Renamed { from, .. } if Path::new(from).exists() => Ok(()),
            Record::Renamed { saved: number, from, to, .. } => fs::rename(to, from).and_then(|()| match number {
                0 => Ok(()),
                number => fs::hard_link(saved(number), to),
            }),
        };
        match done {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => Err(error),
            _ => Ok(()),
        }
    }
}

fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn each_file(folder: &Path, visit: &mut impl FnMut(PathBuf, u64)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, found) = (entry.path(), entry.metadata()?);
        if found.is_dir() {
            each_file(&path, visit)?;
        } else {
            visit(path, found.ino());
        }
    }
    Ok(())
}

/// Numbers that look random (SplitMix64).
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        size(self.next()) % bound
    }

    /// A file on its way from one content to the other: a length between both, and each sector of one of them; where a
    /// sector never came, zeros.
    fn mix(&mut self, before: &[u8], now: &[u8]) -> Vec<u8> {
        let (short, long) = (before.len().min(now.len()), before.len().max(now.len()));
        let length = match self.below(3) {
            0 => before.len(),
            1 => now.len(),
            _ => short + self.below(long - short + 1),
        };
        let mut mixed = vec![0; length];
        for (index, sector) in mixed.chunks_mut(SECTOR_BYTES).enumerate() {
            let source = if self.below(2) == 0 { before } else { now };
            let from = source.iter().skip(index * SECTOR_BYTES);
            sector.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        mixed
    }
}
