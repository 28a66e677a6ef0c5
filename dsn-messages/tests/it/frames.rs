//! Frames: put together from any bites, never longer than allowed, never a byte too far.

use dsn_messages::get::GetRequest;
use dsn_messages::have::{HAVE_HASHES_MAX, HaveReply, HaveRequest, bitmap, bits};
use dsn_messages::put::PutOpen;
use dsn_messages::{FrameError, FrameReader, Message, frame};
use pieces::PieceHash;
use proptest::prelude::*;

/// Feeds `bytes` to a reader in bites of at most `bite`; the message and what is left over.
fn read<M: Message>(mut bytes: &[u8], bite: usize) -> Result<Option<(M, &[u8])>, FrameError> {
    let mut reader = FrameReader::default();
    loop {
        let wanted = reader.wanted();
        assert!(!wanted.is_empty(), "a reader that waits for nothing would wait for ever");
        let count = wanted.len().min(bite).min(bytes.len());
        wanted[..count].copy_from_slice(&bytes[..count]);
        bytes = &bytes[count..];
        match reader.advance(count)? {
            Some(message) => return Ok(Some((message, bytes))),
            None if bytes.is_empty() => return Ok(None),
            None => {}
        }
    }
}

proptest! {
    #[test]
    fn a_frame_is_the_same_in_bites_of_any_size(count in 0..=HAVE_HASHES_MAX, bite in 1_usize..5000, behind in any::<[u8; 9]>()) {
        let request = HaveRequest { hashes: vec![PieceHash::from_bytes([7; 32]); count] };
        let framed = frame(&request);
        let sent = [&framed[..], &behind].concat();
        let (back, rest) = read::<HaveRequest>(&sent, bite).unwrap().unwrap();
        prop_assert_eq!(back, request);
        prop_assert_eq!(rest, behind);
        prop_assert_eq!(read::<HaveRequest>(&framed[..framed.len() - 1], bite).unwrap(), None);
    }

    #[test]
    fn what_is_held_comes_back(held in prop::collection::vec(any::<bool>(), 0..=HAVE_HASHES_MAX)) {
        let bitmap = bitmap(&held);
        prop_assert_eq!(bits(&bitmap, held.len()), Some(held.clone()));
        prop_assert_eq!(bits(&bitmap, held.len() + 8), None);
        let framed = frame(&HaveReply::Held { bitmap });
        prop_assert!(framed.len() <= 4 + 512);
    }
}

#[test]
fn a_bit_that_stands_for_nothing_is_refused() {
    assert_eq!(bits(&[0b0000_0100], 2), None);
    assert_eq!(bits(&[0b0000_0010], 2), Some(vec![false, true]));
}

#[test]
fn one_byte_too_many_is_refused_by_its_length_alone() {
    for actual in [GetRequest::BYTES_MAX + 1, 1 << 30, u32::MAX] {
        let error = read::<GetRequest>(&actual.to_be_bytes(), 1).unwrap_err();
        assert_eq!(error, FrameError::TooLong { what: GetRequest::NAME, max: GetRequest::BYTES_MAX, actual });
    }
}

#[test]
fn an_empty_frame_is_no_message_and_does_not_wait() {
    assert!(matches!(read::<PutOpen>(&[0; 4], 4), Err(FrameError::Decode { .. })));
}

#[test]
fn a_length_of_two_to_the_thirtieth_in_four_bytes_takes_no_memory() {
    // SCALE's compact form of 2^30 - 1: the most that four bytes can say. Held would be a gigabyte.
    let claim = [0xfe, 0xff, 0xff, 0xff];
    let framed = |tag: &[u8]| {
        let message = [tag, &claim].concat();
        [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
    };
    assert!(matches!(read::<HaveRequest>(&framed(&[]), 64), Err(FrameError::Decode { .. })));
    assert!(matches!(read::<HaveReply>(&framed(&[0]), 64), Err(FrameError::Decode { .. })));
}
