//! Names that clients give files at this gateway: a local index, one synced line per label.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use pieces::FileId;
use serde::{Deserialize, Serialize};

use crate::line_log::LineLog;

/// Labels kept for one file.
const LABELS_PER_FILE_MAX: usize = 16;

/// Why a label is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// The file has as many as are kept.
    #[error("file 0x{0} has {LABELS_PER_FILE_MAX} names at this gateway already, which is the most")]
    Full(FileId),
    /// It cannot be written.
    #[error("cannot write a label")]
    Disk(#[from] io::Error),
}

/// The labels of this gateway's files.
#[derive(Debug)]
pub struct Labels {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: LineLog<Line>,
    labels: BTreeMap<FileId, Vec<String>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    file: FileId,
    name: String,
}

impl Labels {
    /// Reads the labels at `path`, as far as they can be read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let (log, lines) = LineLog::open(path)?;
        let mut labels: BTreeMap<FileId, Vec<String>> = BTreeMap::new();
        for Line { file, name } in lines {
            labels.entry(file).or_default().push(name);
        }
        Ok(Self { inner: Mutex::new(Inner { log, labels }) })
    }

    /// Whether a file can be given this label, so that nobody pays for one that is not taken.
    pub fn check(&self, file: FileId, name: &str) -> Result<(), LabelError> {
        self.inner.lock().is_new(file, name).map(drop)
    }

    /// Adds a label; one that is there already is not added again. It is there once it is synced, or not at all.
    pub fn add(&self, file: FileId, name: &str) -> Result<(), LabelError> {
        let mut inner = self.inner.lock();
        if inner.is_new(file, name)? {
            inner.log.append(&Line { file, name: name.to_owned() })?;
            inner.labels.entry(file).or_default().push(name.to_owned());
        }
        Ok(())
    }

    /// The labels of a file.
    pub fn of(&self, file: &FileId) -> Vec<String> {
        self.inner.lock().labels.get(file).cloned().unwrap_or_default()
    }
}

impl Inner {
    fn is_new(&self, file: FileId, name: &str) -> Result<bool, LabelError> {
        let known = self.labels.get(&file).map_or(&[][..], Vec::as_slice);
        if known.iter().any(|label| label == name) {
            return Ok(false);
        }
        if known.len() < LABELS_PER_FILE_MAX { Ok(true) } else { Err(LabelError::Full(file)) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn labels_are_there_after_reopening_and_a_cut_line_is_dropped() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("labels");
        let file = FileId::from_bytes([7; 32]);
        let labels = Labels::open(&path)?;
        labels.add(file, "photo")?;
        labels.add(file, "photo")?;
        labels.add(file, "a \"quoted\"\nname")?;
        std::fs::OpenOptions::new().append(true).open(&path)?.write_all(b"not a label\n{\"file\":\"caf\xc3")?;
        let again = Labels::open(&path)?;
        assert_eq!(again.of(&file), ["photo", "a \"quoted\"\nname"]);
        again.add(file, "third")?;
        assert_eq!(Labels::open(&path)?.of(&file).len(), 3, "what stands behind a damaged line is read");
        Ok(())
    }
    #[test]
    fn one_label_too_many_is_refused_and_a_known_one_is_not() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let labels = Labels::open(&folder.path().join("labels"))?;
        let file = FileId::from_bytes([7; 32]);
        for number in 0..LABELS_PER_FILE_MAX {
            labels.check(file, &number.to_string())?;
            labels.add(file, &number.to_string())?;
        }
        assert!(matches!(labels.check(file, "another"), Err(LabelError::Full(full)) if full == file));
        assert!(matches!(labels.add(file, "another"), Err(LabelError::Full(_))));
        labels.add(file, "3")?;
        labels.add(FileId::from_bytes([8; 32]), "another")?;
        assert_eq!(labels.of(&file).len(), LABELS_PER_FILE_MAX);
        Ok(())
    }
}
