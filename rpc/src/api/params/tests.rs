//! Positional and named parameters give the same; what is wrong is named.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::{decode, field_names};
use crate::api::methods::{LocateParams, NoParams, StorageFiles, StorageLocate, SystemName};

const ID: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

fn refusal(json: &str) -> String {
    decode::<StorageLocate>(Some(json)).unwrap_err().to_string()
}

#[test]
fn names_come_from_the_struct_itself() {
    assert_eq!(field_names::<LocateParams>(), ["fileId", "options"]);
    assert!(field_names::<NoParams>().is_empty());
}

#[test]
fn positions_and_names_give_the_same() {
    let named = decode::<StorageLocate>(Some(&format!(r#"{{"fileId":"{ID}","options":{{"limit":3}}}}"#))).unwrap();
    let listed = decode::<StorageLocate>(Some(&format!(r#" ["{ID}", {{"limit": 3}}]"#))).unwrap();
    assert_eq!(named, listed);
    let short = decode::<StorageLocate>(Some(&format!(r#"["{ID}"]"#))).unwrap();
    let null = decode::<StorageLocate>(Some(&format!(r#"["{ID}", null]"#))).unwrap();
    assert_eq!(short, null);
}

#[test]
fn a_single_object_comes_with_or_without_brackets() {
    let bare = decode::<StorageFiles>(Some(r#"{"limit":7}"#)).unwrap();
    assert_eq!(bare, decode::<StorageFiles>(Some(r#"[{"limit":7}]"#)).unwrap());
    let none = decode::<StorageFiles>(None).unwrap();
    for same in ["[]", "{}", "[null]", "[{}]", "null"] {
        assert_eq!(none, decode::<StorageFiles>(Some(same)).unwrap(), "{same}");
    }
    assert!(decode::<StorageFiles>(Some("[7]")).unwrap_err().to_string().contains("one object"));
    assert!(decode::<StorageFiles>(Some("[{}, {}]")).unwrap_err().to_string().contains("one object"));
}

#[test]
fn no_parameters_means_none() {
    for none in [None, Some("[]"), Some("{}")] {
        assert!(decode::<SystemName>(none).is_ok());
    }
    assert!(decode::<SystemName>(Some("[1]")).unwrap_err().to_string().contains("at most 0 parameters"));
    assert!(decode::<SystemName>(Some(r#"{"a":1}"#)).unwrap_err().to_string().contains('a'));
}

#[test]
fn refusals_name_the_parameter() {
    assert!(refusal("[]").contains("fileId"), "{}", refusal("[]"));
    assert!(refusal(r#"["0x01"]"#).starts_with("fileId: expected 64 hex digits"), "{}", refusal(r#"["0x01"]"#));
    assert!(refusal("[7]").starts_with("fileId: "), "{}", refusal("[7]"));
    let unknown = refusal(&format!(r#"["{ID}", {{"limt": 3}}]"#));
    assert!(unknown.contains("options") && unknown.contains("limt"), "{unknown}");
    let array = refusal(&format!(r#"["{ID}", [true]]"#));
    assert!(array.starts_with("options: ") && array.contains("an object"), "{array}");
    let wrong = refusal(&format!(r#"["{ID}", {{"limit": "3"}}]"#));
    assert!(wrong.starts_with("options.limit: ") && !wrong.contains("line"), "{wrong}");
    assert!(refusal("7").contains("neither an array nor an object"));
    assert!(refusal(&format!(r#"["{ID}", null, 1]"#)).contains("at most 2 parameters"));
}
