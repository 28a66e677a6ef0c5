//! Mends the engine's write-ahead log after a power cut, before the engine reads it.
//!
//! What the engine wrote last and did not sync may be there by halves: as zeros, or as a record whose sum does not hold. It
//! reads zeros as records that are empty, which it never writes, and then refuses the whole log until somebody deletes
//! it. What was not synced was not acted on, so that it is cut off.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4, 4..12 | version and height, big-endian |
//! | 1, 8, 4, n | of each record: whether it is compressed, its length n, its CRC-32, its bytes |

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

const VERSION_BYTES: usize = 4;
const HEADER_BYTES: usize = 12;
const LENGTH_BYTES: usize = 8;
/// A log holds the votes and certificates of one height; one that is longer is left to the engine.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Cuts off what a power cut left of records that were never synced. Returns how many bytes.
///
/// Zeros at the end are cut in any case. A damaged record ahead of others may also be one that was synced, and forgetting
/// what it says can break a lock: then the log is left as it is, and the engine refuses it. A lone validator has no lock
/// to break, and its guard file keeps it from signing twice, so that there everything from that record on is cut.
pub fn mend(path: &Path, has_one_validator: bool) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(found) if found.len() <= LOG_BYTES_MAX => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(0),
    }
    let bytes = fs::read(path)?;
    let whole = whole_bytes(&bytes);
    let tail = bytes.get(whole..).unwrap_or_default();
    let was_written = tail.iter().any(|byte| *byte != 0);
    if tail.is_empty() || was_written && !has_one_validator {
        return Ok(0);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(u64::try_from(whole).map_err(io::Error::other)?)?;
    file.sync_all()?;
    u64::try_from(tail.len()).map_err(io::Error::other)
}

/// Where the first record begins that is not whole; 0 if not even the header is.
fn whole_bytes(bytes: &[u8]) -> usize {
    let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return 0 };
    if header.iter().take(VERSION_BYTES).all(|byte| *byte == 0) {
        return 0;
    }
    while let Some(behind) = behind_record(rest) {
        rest = behind;
    }
    bytes.len() - rest.len()
}

/// What follows the first record; none if that is not whole.
fn behind_record(bytes: &[u8]) -> Option<&[u8]> {
    let (is_compressed, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok().filter(|length| *length > 0)?;
    let (record, behind) = rest.split_at_checked(length)?;
    // The sum of a compressed record is of what it was before; the engine will look.
    let holds = *is_compressed != 0 || crc32fast::hash(record) == u32::from_be_bytes(*sum);
    holds.then_some(behind)
}

#[cfg(test)]
mod tests;
