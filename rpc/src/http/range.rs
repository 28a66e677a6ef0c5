//! `Range` and `Content-Range`, as RFC 9110 section 14 reads them: one range of bytes, or none.

use crate::error::ApiError;
use crate::types::ByteRange;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: no range, or one that must be ignored.
    Whole,
    /// One part of it; at least one byte, and within the file.
    Part(ByteRange),
    /// A range that begins behind the end: 416.
    Nothing,
}

/// Reads the value of a `Range` header for a file of `size` bytes.
///
/// Other units, malformed ranges and several ranges at once are ignored, which the RFC allows; so is any range of an
/// empty file that asks for its last bytes, since nothing of it can be a part.
pub(super) fn wanted(header: &str, size: u64) -> Wanted {
    let Some((unit, ranges)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Wanted::Whole };
    match (position(first), position(last)) {
        (Some(Position::Absent), Some(Position::At(suffix))) => last_bytes(suffix, size),
        (Some(Position::At(first)), Some(Position::Absent)) => from_to(first, u64::MAX, size),
        (Some(Position::At(first)), Some(Position::At(last))) if first <= last => from_to(first, last, size),
        _ => Wanted::Whole,
    }
}

/// Reads a `Content-Range` of a body that ends where the file ends, `bytes FIRST-LAST/SIZE`: its first byte and the size.
///
/// # Errors
/// `BadParams` for anything else.
pub(super) fn rest_of(header: &str) -> Result<(u64, u64), ApiError> {
    let parse = || {
        let (first, behind) = header.trim().strip_prefix("bytes ")?.split_once('-')?;
        let (last, size) = behind.split_once('/')?;
        let [first, last, size] = [first, last, size].map(|number| number.parse::<u64>().ok());
        Some((first?, last?, size?))
    };
    match parse() {
        Some((first, last, size)) if first <= last && last.checked_add(1) == Some(size) => Ok((first, size)),
        _ => Err(ApiError::BadParams(
            "content-range: is written bytes FIRST-LAST/SIZE, and the last byte is that of the file".into(),
        )),
    }
}

enum Position {
    Absent,
    At(u64),
}

/// Digits, or nothing. A number beyond 64 bits lies behind every file, so the largest one stands for it.
fn position(text: &str) -> Option<Position> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Position::Absent);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Position::At(text.parse().unwrap_or(u64::MAX)))
}

fn last_bytes(suffix: u64, size: u64) -> Wanted {
    match (suffix, size) {
        (0, _) => Wanted::Nothing,
        (_, 0) => Wanted::Whole,
        _ => {
            let length = suffix.min(size);
            Wanted::Part(ByteRange { offset: size - length, length })
        }
    }
}

fn from_to(first: u64, last: u64, size: u64) -> Wanted {
    if first >= size {
        return Wanted::Nothing;
    }
    let end = last.saturating_add(1).min(size);
    Wanted::Part(ByteRange { offset: first, length: end - first })
}

#[cfg(test)]
mod tests;
