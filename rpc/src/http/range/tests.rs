//! A table each for the grammar of ranges, and of what a body says it is.

use super::{Wanted, rest_of, wanted};
use crate::types::ByteRange;

#[test]
fn ranges_are_read_as_the_rfc_says() {
    let part = |offset, length| Wanted::Part(ByteRange { offset, length });
    let table = [
        ("bytes=0-0", 10, part(0, 1)),
        ("bytes=0-9", 10, part(0, 10)),
        ("bytes=0-10", 10, part(0, 10)),
        ("bytes=3-", 10, part(3, 7)),
        ("bytes=9-", 10, part(9, 1)),
        ("bytes=-1", 10, part(9, 1)),
        ("bytes=-10", 10, part(0, 10)),
        ("bytes=-11", 10, part(0, 10)),
        ("BYTES= 2 - 4 ", 10, part(2, 3)),
        ("bytes=0-18446744073709551615", 10, part(0, 10)),
        ("bytes=0-99999999999999999999999", 10, part(0, 10)),
        ("bytes=10-", 10, Wanted::Nothing),
        ("bytes=10-12", 10, Wanted::Nothing),
        ("bytes=-0", 10, Wanted::Nothing),
        ("bytes=99999999999999999999999-", 10, Wanted::Nothing),
        ("bytes=0-", 0, Wanted::Nothing),
        ("bytes=-5", 0, Wanted::Whole),
        ("bytes=4-3", 10, Wanted::Whole),
        ("bytes=-", 10, Wanted::Whole),
        ("bytes=", 10, Wanted::Whole),
        ("bytes", 10, Wanted::Whole),
        ("bytes=a-b", 10, Wanted::Whole),
        ("bytes=+1-2", 10, Wanted::Whole),
        ("bytes=0-1,3-4", 10, Wanted::Whole),
        ("items=0-1", 10, Wanted::Whole),
        ("", 10, Wanted::Whole),
    ];
    for (header, size, expected) in table {
        assert_eq!(wanted(header, size), expected, "{header:?} of {size}");
    }
}

#[test]
fn the_rest_of_a_file_ends_where_the_file_ends() {
    let table = [
        ("bytes 0-9/10", Some((0, 10))),
        ("bytes 9-9/10", Some((9, 10))),
        (" bytes 3-9/10 ", Some((3, 10))),
        ("bytes 0-18446744073709551614/18446744073709551615", Some((0, u64::MAX))),
        ("bytes 0-8/10", None),
        ("bytes 0-10/10", None),
        ("bytes 10-9/10", None),
        ("bytes 3-9/*", None),
        ("bytes */10", None),
        ("bytes=3-9/10", None),
        ("bytes 3-9", None),
        ("bytes -9/10", None),
        ("bytes 3-18446744073709551615/18446744073709551616", None),
        ("items 3-9/10", None),
        ("", None),
    ];
    for (header, expected) in table {
        assert_eq!(rest_of(header).ok(), expected, "{header:?}");
    }
}
