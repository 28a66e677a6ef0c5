//! File names survive the header, and nothing else does.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::{attachment, file_name, names_tag};

#[test]
fn file_names_are_found_in_every_form() {
    let table = [
        ("attachment; filename=plain.txt", Some("plain.txt")),
        ("attachment; filename=\"with space.txt\"", Some("with space.txt")),
        (r#"attachment; filename="a\"b.txt""#, Some("a\"b.txt")),
        ("inline; filename=\"a;b=c.txt\"; size=3", Some("a;b=c.txt")),
        ("attachment; filename=\"old\"; filename*=UTF-8''gr%C3%BCn.txt", Some("gr\u{fc}n.txt")),
        ("attachment; filename*=utf-8'en'x.txt; filename=old", Some("x.txt")),
        ("attachment; FILENAME = \"x\"", Some("x")),
        ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
        ("attachment; filename=\"C:\\\\x\\\\y.txt\"", Some("y.txt")),
        ("attachment; filename=\"folder/\"", None),
        ("attachment; filename=\"\"", None),
        ("attachment", None),
        ("", None),
    ];
    for (header, expected) in table {
        assert_eq!(file_name(header).unwrap().as_deref(), expected, "{header}");
    }
    for malformed in
        ["a; filename", "a; filename=\"open", "a; filename*=latin1''x", "a; filename*=UTF-8''%ff", "a; x=\"y\"z"]
    {
        assert!(file_name(malformed).is_err(), "{malformed}");
    }
}

#[test]
fn downloads_cannot_break_out_of_the_header() {
    let table = [
        ("plain.txt", "attachment; filename=\"plain.txt\"; filename*=UTF-8''plain.txt"),
        (
            "a\"b\r\nSet-Cookie: x",
            "attachment; filename=\"a_b__Set-Cookie: x\"; filename*=UTF-8''a%22b__Set-Cookie%3A%20x",
        ),
        ("../x", "attachment; filename=\".._x\"; filename*=UTF-8''.._x"),
        ("gr\u{fc}n", "attachment; filename=\"gr_n\"; filename*=UTF-8''gr%C3%BCn"),
    ];
    for (name, expected) in table {
        assert_eq!(attachment(name), expected, "{name}");
    }
}

#[test]
fn tags_are_compared_weakly_one_by_one() {
    for same in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*", " \"x\",W/\"a\""] {
        assert!(names_tag(same, "\"a\""), "{same}");
    }
    for other in ["\"b\"", "a", "", "\"ab\"", "w/\"a\""] {
        assert!(!names_tag(other, "\"a\""), "{other}");
    }
}
