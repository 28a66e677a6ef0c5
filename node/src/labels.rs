//! Names that clients give files at this gateway: a local index, one synced line per label.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::Context;
use parking_lot::Mutex;
use pieces::FileId;
use serde::{Deserialize, Serialize};

/// Labels kept for one file; later ones are not taken.
const LABELS_PER_FILE_MAX: usize = 16;

/// The labels of this gateway's files.
#[derive(Debug)]
pub struct Labels {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Length of the whole lines.
    whole_bytes: u64,
    labels: BTreeMap<FileId, Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    file: FileId,
    name: String,
}

impl Labels {
    /// Reads the labels at `path`. A last line that a crash cut off is dropped; any other line that is none is left where
    /// it is and not read.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.with_context(|| format!("open {}", path.display()))?;
        let mut labels: BTreeMap<FileId, Vec<String>> = BTreeMap::new();
        let mut whole_bytes = 0u64;
        let mut reader = BufReader::new(&file);
        loop {
            let mut line = Vec::new();
            let bytes = reader.read_until(b'\n', &mut line).with_context(|| format!("read {}", path.display()))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice::<Line>(&line) {
                Ok(line) => labels.entry(line.file).or_default().push(line.name),
                Err(_) => tracing::warn!(path = %path.display(), offset = whole_bytes, "a damaged label is skipped"),
            }
            whole_bytes = whole_bytes.saturating_add(u64::try_from(bytes)?);
        }
        file.set_len(whole_bytes).with_context(|| format!("mend {}", path.display()))?;
        Ok(Self { inner: Mutex::new(Inner { file, whole_bytes, labels }) })
    }

    /// Adds a label; one that is there already is not added again. It is there once it is synced, or not at all.
    pub fn add(&self, file: FileId, name: &str) -> std::io::Result<()> {
        let mut inner = self.inner.lock();
        let known = inner.labels.get(&file).map_or(&[][..], Vec::as_slice);
        if known.len() >= LABELS_PER_FILE_MAX || known.iter().any(|label| label == name) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&Line { file, name: name.to_owned() })?;
        line.push(b'\n');
        let written = inner.file.write_all(&line).and_then(|()| inner.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand in front of the next one.
            inner.file.set_len(inner.whole_bytes)?;
            return Err(error);
        }
        inner.whole_bytes = inner.whole_bytes.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        inner.labels.entry(file).or_default().push(name.to_owned());
        Ok(())
    }

    /// The labels of a file.
    pub fn of(&self, file: &FileId) -> Vec<String> {
        self.inner.lock().labels.get(file).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
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
}
