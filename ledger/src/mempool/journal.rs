//! The transactions that wait, in a file: a node that is started again has them.
//!
//! Each is appended when it is admitted, and not synced: what a block does not record is not promised to survive a power
//! cut, only the end of the process. When the file is full it is written anew, with those that still wait.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `PWPOOL`, version 1, little-endian |
//! | 4, 8, n | of each record: its length n, little-endian; the first bytes of its BLAKE3 hash; SCALE of the transaction |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use parity_scale_codec::Encode;
use runtime::codec::decode_bounded;
use runtime::types::SignedTransaction;

const HEADER: [u8; 8] = *b"PWPOOL\x01\x00";
const LENGTH_BYTES: usize = 4;
const SUM_BYTES: usize = 8;
/// Bytes of a transaction, at most: more than any chain allows.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The open file.
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
}

impl Journal {
    /// Opens the file or makes it, and reads what it has, in order, as far as it is whole. Whatever follows `bytes_max`
    /// is not read.
    pub fn open(path: &Path, bytes_max: u64) -> io::Result<(Self, Vec<SignedTransaction>)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(bytes_max).read_to_end(&mut bytes)?;
        let (read, end) = read(&bytes);
        let mut journal = Self { path: path.to_owned(), file, bytes: 0, bytes_max };
        if end == 0 {
            // Not even the header: a new file, or one of another version.
            journal.file.set_len(0)?;
            journal.file.write_all(&HEADER)?;
            journal.bytes = size(HEADER.len());
        } else {
            // A record that is not whole would hide those behind it.
            journal.bytes = size(end);
            journal.file.set_len(journal.bytes)?;
        }
        Ok((journal, read))
    }

    /// Appends a transaction. True once the file is full, and [`rewrite`](Self::rewrite) is due.
    pub fn append(&mut self, transaction: &SignedTransaction) -> io::Result<bool> {
        let record = record(transaction);
        self.file.write_all(&record)?;
        self.bytes = self.bytes.saturating_add(size(record.len()));
        Ok(self.bytes >= self.bytes_max)
    }

    /// Replaces all that the file has.
    pub fn rewrite<'a>(&mut self, transactions: impl Iterator<Item = &'a SignedTransaction>) -> io::Result<()> {
        let written = self.path.with_extension("new");
        let mut file = File::create(&written)?;
        let mut bytes = HEADER.to_vec();
        transactions.for_each(|transaction| bytes.extend(record(transaction)));
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&written, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.bytes = size(bytes.len());
        Ok(())
    }
}

fn record(transaction: &SignedTransaction) -> Vec<u8> {
    let body = transaction.encode();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_le_bytes()[..], &sum(&body), &body].concat()
}

fn sum(body: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    blake3::Hasher::new().update(body).finalize_xof().fill(&mut sum);
    sum
}

/// The records that are whole, and where they end; 0 without a header.
fn read(bytes: &[u8]) -> (Vec<SignedTransaction>, usize) {
    let mut found = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(&HEADER) else { return (found, 0) };
    while let Some((transaction, behind)) = read_one(rest) {
        found.push(transaction);
        rest = behind;
    }
    (found, bytes.len() - rest.len())
}

fn read_one(bytes: &[u8]) -> Option<(SignedTransaction, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (expected, rest) = rest.split_first_chunk::<SUM_BYTES>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= RECORD_BYTES_MAX)?;
    let (body, behind) = rest.split_at_checked(length)?;
    (sum(body) == *expected).then_some(())?;
    Some((decode_bounded(body, RECORD_BYTES_MAX).ok()?, behind))
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
