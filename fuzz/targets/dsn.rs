//! What peers of the storage network say. The first byte says which message, the second how the bytes come: in bites of
//! its lower seven bits, with an honest length in front or, highest bit set, with whatever length the bytes begin with.

#![no_main]

use std::fmt::Debug;

use dsn_messages::get::{GetReply, GetRequest, windows};
use dsn_messages::have::{HaveReply, HaveRequest, bitmap, bits};
use dsn_messages::put::{Authority, PutAnswer, PutEnd, PutOpen, PutReply};
use dsn_messages::share::{ShareReply, ShareRequest, are_addresses};
use dsn_messages::{FrameReader, Message, frame};
use libfuzzer_sys::fuzz_target;
use runtime::codec::decode_bounded;

/// Windows of a range that are looked at; a piece of 4 GiB may have a million.
const WINDOWS_SEEN: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let [kind, mode, bytes @ ..] = bytes else { return };
    match kind % 10 {
        0 => {
            if let Some(PutOpen { authority: Authority::Intent(signed), .. }) = read(*mode, bytes) {
                let _ = signed.verify();
            }
        }
        1 => drop(read::<PutReply>(*mode, bytes)),
        2 => drop(read::<PutEnd>(*mode, bytes)),
        3 => drop(read::<PutAnswer>(*mode, bytes)),
        4 => {
            if let Some(request) = read::<GetRequest>(*mode, bytes) {
                add_up(request);
            }
        }
        5 => drop(read::<GetReply>(*mode, bytes)),
        6 => drop(read::<HaveRequest>(*mode, bytes)),
        7 => {
            let bitmaps = match read(*mode, bytes) {
                Some(HaveReply::Held { bitmap }) => vec![bitmap],
                Some(HaveReply::Kept { held, cached }) => vec![held, cached],
                _ => Vec::new(),
            };
            for held in bitmaps {
                for count in [held.len() * 8, (held.len() * 8).saturating_sub(5), held.len() * 8 + 1] {
                    assert!(bits(&held, count).is_none_or(|bits| bitmap(&bits) == held), "bits do not come back");
                }
            }
        }
        8 => {
            if let Some(request) = read::<ShareRequest>(*mode, bytes) {
                add_up(request.get);
                let _ = are_addresses(&request.addresses);
            }
        }
        _ => drop(read::<ShareReply>(*mode, bytes)),
    }
});

/// The message, if it is one. The reader says the same as the decoder of bytes at hand.
fn read<M: Message + PartialEq + Debug>(mode: u8, bytes: &[u8]) -> Option<M> {
    let length = u32::try_from(bytes.len()).ok()?.to_be_bytes();
    let honest = mode < 0x80;
    let sent = if honest { [&length[..], bytes].concat() } else { bytes.to_vec() };
    let (message, left) = feed::<M>(&sent, usize::from(mode & 0x7f).max(1))?;
    let read = sent.get(..sent.len() - left)?;
    assert_eq!(frame(&message), read, "two encodings of one message");
    assert!(read.len() <= 4 + usize::try_from(M::BYTES_MAX).ok()?, "longer than it may be");
    if honest {
        let whole = decode_bounded::<M>(bytes, bytes.len());
        assert_eq!(whole.ok().as_ref(), Some(&message), "the reader and the decoder differ");
    }
    Some(message)
}

/// The first message of `sent` and how many bytes are left over behind it.
fn feed<M: Message>(mut sent: &[u8], bite: usize) -> Option<(M, usize)> {
    let mut reader = FrameReader::<M>::default();
    while !sent.is_empty() {
        let wanted = reader.wanted();
        assert!(!wanted.is_empty(), "a reader that waits for nothing waits for ever");
        assert!(wanted.len() <= usize::try_from(M::BYTES_MAX).ok()?.max(4), "room for more than the message may have");
        let (now, later) = sent.split_at(wanted.len().min(bite).min(sent.len()));
        wanted.get_mut(..now.len())?.copy_from_slice(now);
        sent = later;
        match reader.advance(now.len()) {
            Ok(Some(message)) => return Some((message, sent.len())),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
    None
}

/// The windows of a range are the range.
fn add_up(request: GetRequest) {
    let GetRequest { start, end, window_bytes, .. } = request;
    let mut at = u64::from(start);
    for window in windows(u64::from(start)..u64::from(end), window_bytes).take(WINDOWS_SEEN) {
        assert_eq!(window.start, at, "a hole between windows");
        assert!(window.start < window.end && window.end <= u64::from(end), "a window outside of its range");
        at = window.end;
    }
}
