//! One table for the grammar of ranges.

use super::{Wanted, wanted};
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
