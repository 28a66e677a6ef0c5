//! How far the index was known to be on disk, so that a log that lost more than its torn end is told apart.
//!
//! RocksDB replays its log up to the first record that is not whole, and opens without a word: so it must after a power
//! cut, which tears what was never synced, and so it does when a byte of the middle is wrong or the log is gone. The file
//! holds the number of the last write that was synced, and is itself never synced: after a power cut it may say less than
//! was there, but never more.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use parking_lot::Mutex;

const NAME: &str = "synced";
/// The number, little endian, and its complement.
const BYTES: usize = 16;

/// The open file.
pub(super) struct Synced {
    /// And the number in it.
    file: Mutex<(File, u64)>,
}

impl Synced {
    /// The number in the index's folder; none if there is none that can be read.
    pub(super) fn read(index: &Path) -> Option<u64> {
        let mut bytes = [0; BYTES];
        File::open(index.join(NAME)).ok()?.read_exact(&mut bytes).ok()?;
        let (number, complement) = bytes.split_first_chunk::<8>()?;
        let number = u64::from_le_bytes(*number);
        (complement == (!number).to_le_bytes()).then_some(number)
    }

    /// Opens the file, or makes it.
    pub(super) fn open(index: &Path) -> std::io::Result<Self> {
        let number = Self::read(index).unwrap_or(0);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(index.join(NAME))?;
        Ok(Self { file: Mutex::new((file, number)) })
    }

    /// Everything up to this write is on disk.
    pub(super) fn raise(&self, number: u64) {
        let mut file = self.file.lock();
        let (file, last) = &mut *file;
        if number <= *last {
            return;
        }
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend_from_slice(&(!number).to_le_bytes());
        // A number that is not written finds less damage, and harms nothing.
        if file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(&bytes)).is_ok() {
            *last = number;
        }
    }
}
