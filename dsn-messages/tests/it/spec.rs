//! docs/spec/wire.md says what the messages are.

use crate::pages::{check_examples, check_fields, labels, number, read};
use dsn_messages::get::{GetReply, GetRequest, WINDOW_BYTES, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, windows};
use dsn_messages::have::{HAVE_HASHES_MAX, HaveReply, HaveRequest};
use dsn_messages::put::{PutAnswer, PutEnd, PutOpen, PutReply, UNIT_BYTES_MAX};
use dsn_messages::share::{
    SHARER_ADDRESS_BYTES_MAX, SHARER_ADDRESSES_MAX, SHARERS_NAMED_MAX, ShareReply, ShareRequest,
};
use dsn_messages::{Message, REFUSAL_TEXT_BYTES, RefusalCode};
use parity_scale_codec::DecodeAll;
use pieces::{CHUNK_BYTES, GROUP_BYTES, slice_bytes_max};

const MESSAGES: &str = "dsn-messages/tests/golden/messages.txt";
const SLICES: &str = "pieces/tests/golden/slice.hex";

fn page() -> String {
    read("docs/spec/wire.md")
}

#[test]
fn every_golden_message_is_an_example_and_every_example_is_golden() {
    let shown = check_examples(&page());
    let missing: Vec<_> = labels(MESSAGES).difference(&shown).cloned().collect();
    // The codes are a table.
    assert!(missing.iter().all(|label| label.contains(" refusal.")), "no example of {missing:?}");
    assert!(shown.contains(&format!("{SLICES} slice_32900_33000")), "no example of a slice");
}

fn row<M: Message>(of: &str) -> String {
    format!("| `{of}` (\"{}\") | {{}} | {} |", M::NAME, M::BYTES_MAX)
}

#[test]
fn every_message_has_its_name_and_its_limit() {
    let page = page();
    let rows = [
        (row::<PutOpen>("PutOpen"), "asks"),
        (row::<PutReply>("PutReply"), "answers"),
        (row::<PutEnd>("PutEnd"), "asks"),
        (row::<PutAnswer>("PutAnswer"), "answers"),
        (row::<GetRequest>("GetRequest"), "asks"),
        (row::<GetReply>("GetReply"), "answers"),
        (row::<HaveRequest>("HaveRequest"), "asks"),
        (row::<HaveReply>("HaveReply"), "answers"),
        (row::<ShareRequest>("ShareRequest"), "asks"),
        (row::<ShareReply>("ShareReply"), "answers"),
    ];
    for (row, direction) in &rows {
        let row = row.replace("{}", direction);
        assert!(page.contains(&row), "not in the page: {row}");
    }
    let of_code = ["put", "get", "have", "share"].map(|verb| read(&format!("dsn-messages/src/{verb}.rs")));
    let count: usize = of_code.iter().map(|source| source.matches("impl Message for ").count()).sum();
    assert_eq!(count, rows.len(), "a message is not in this test");
}

#[test]
fn every_code_of_a_refusal_is_in_the_table() {
    let page = page();
    let codes =
        (0_u8..=u8::MAX).map_while(|index| Some((index, RefusalCode::decode_all(&mut [index].as_slice()).ok()?)));
    let codes: Vec<_> = codes.collect();
    assert_eq!(codes.len(), labels(MESSAGES).iter().filter(|label| label.contains(" refusal.")).count());
    for (index, code) in codes {
        assert!(page.contains(&format!("| {index} | `{code}` |")), "no row for {index} {code}");
    }
}

#[test]
fn every_table_has_the_fields_of_its_struct() {
    let page = page();
    for (path, name) in [
        ("dsn-messages/src/get.rs", "GetRequest"),
        ("dsn-messages/src/have.rs", "HaveRequest"),
        ("dsn-messages/src/share.rs", "ShareRequest"),
        ("dsn-messages/src/share.rs", "Sharer"),
        ("dsn-messages/src/put.rs", "PutOpen"),
        ("dsn-messages/src/refusal.rs", "Refusal"),
        ("runtime/src/types/intent.rs", "UploadIntent"),
        ("runtime/src/types/commitment.rs", "StorageCommitment"),
    ] {
        check_fields(&page, path, name);
    }
}

#[test]
fn limits_are_those_of_the_code() {
    let page = page();
    let is = |name, expected: u64| assert_eq!(number(&page, name), expected, "{name}");
    is("HAVE_HASHES_MAX", HAVE_HASHES_MAX.try_into().unwrap());
    is("SHARER_ADDRESSES_MAX", SHARER_ADDRESSES_MAX.try_into().unwrap());
    is("SHARER_ADDRESS_BYTES_MAX", SHARER_ADDRESS_BYTES_MAX.try_into().unwrap());
    is("SHARERS_NAMED_MAX", SHARERS_NAMED_MAX.try_into().unwrap());
    is("WINDOW_BYTES_MIN", WINDOW_BYTES_MIN.into());
    is("WINDOW_BYTES_MAX", WINDOW_BYTES_MAX.into());
    is("WINDOW_BYTES", WINDOW_BYTES.into());
    is("UNIT_BYTES_MAX", UNIT_BYTES_MAX.into());
    is("REFUSAL_TEXT_BYTES", REFUSAL_TEXT_BYTES.try_into().unwrap());
    is("GROUP_BYTES", GROUP_BYTES);
    is("CHUNK_BYTES", CHUNK_BYTES);
    // A piece that is longer has no slices.
    let most = number(&page, "PIECE_BYTES_MAX");
    assert!(slice_bytes_max(most, 0..1) > 0 && slice_bytes_max(most + 1, 0..1) == 0);
}

#[test]
fn the_windows_and_lengths_of_the_examples_are_right() {
    let page = page();
    let cut: Vec<String> =
        windows(1000..40_000, 16_384).map(|window| format!("{}..{}", window.start, window.end)).collect();
    assert!(page.replace('\n', " ").contains(&format!("gives {}, {} and {}.", cut[0], cut[1], cut[2])), "{cut:?}");
    assert!(page.contains(&format!("64 + 232 = {} bytes", slice_bytes_max(33_000, 32_900..33_000))));
    assert!(page.contains(&format!("64 + 64 + 16384 + 16384 + 232 = {}", slice_bytes_max(33_000, 0..33_000))));
}
