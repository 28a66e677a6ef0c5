//! An append-only file of JSON lines, each synced before it counts.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The open file. Two of the same file would write over each other.
#[derive(Debug)]
pub struct LineLog<T> {
    file: File,
    /// Length of the whole lines.
    whole_bytes: u64,
    lines: PhantomData<fn(&T)>,
}

impl<T: Serialize + DeserializeOwned> LineLog<T> {
    /// Opens the file at `path`, or makes it, and reads its lines. A last line that a crash cut off is dropped; any
    /// other line that is none is left where it is and not read.
    pub fn open(path: &Path) -> anyhow::Result<(Self, Vec<T>)> {
        let open = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = open.with_context(|| format!("open {}", path.display()))?;
        let mut lines = Vec::new();
        let mut whole_bytes = 0u64;
        let mut reader = BufReader::new(&file);
        loop {
            let mut line = Vec::new();
            let bytes = reader.read_until(b'\n', &mut line).with_context(|| format!("read {}", path.display()))?;
            if line.last() != Some(&b'\n') {
                break;
            }
            match serde_json::from_slice(&line) {
                Ok(line) => lines.push(line),
                Err(_) => tracing::warn!(path = %path.display(), offset = whole_bytes, "a damaged line is skipped"),
            }
            whole_bytes = whole_bytes.saturating_add(u64::try_from(bytes)?);
        }
        file.set_len(whole_bytes).with_context(|| format!("mend {}", path.display()))?;
        Ok((Self { file, whole_bytes, lines: PhantomData }, lines))
    }

    /// Adds a line. It is there once it is synced, or not at all.
    pub fn append(&mut self, line: &T) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand in front of the next one.
            self.file.set_len(self.whole_bytes)?;
            return Err(error);
        }
        self.whole_bytes = self.whole_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
        Ok(())
    }
}
