#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn keys(keys: &[&str]) -> BTreeSet<Vec<u8>> {
    keys.iter().map(|key| key.as_bytes().to_vec()).collect()
}

#[test]
fn each_version_sees_what_changed_after_it_alone() {
    let first = Version::new(7);
    let second = first.follow(keys(&["a", "c"])).unwrap();
    let third = second.follow(keys(&["b"])).unwrap();
    assert_eq!((first.height(), second.height(), third.height()), (7, 8, 9));
    assert!(first.changed(b"a") && first.changed(b"b") && !first.changed(b"d"));
    assert!(!second.changed(b"a") && second.changed(b"b"));
    assert!(!third.changed(b"b"));
    assert_eq!(first.next_changed(b"b", b"d"), Some(&b"b".to_vec()));
    assert_eq!(first.next_changed(b"bb", b"d"), Some(&b"c".to_vec()));
    assert_eq!(first.next_changed(b"bb", b"c"), None);
    assert_eq!(first.next_changed(b"d", b"a"), None);
}

#[test]
fn a_version_has_one_successor() {
    let version = Version::new(0);
    assert!(version.follow(keys(&[])).is_some());
    assert!(version.follow(keys(&[])).is_none());
}

#[test]
fn a_million_versions_drop_without_recursion_and_with_their_last_reader() {
    let oldest = Version::new(0);
    let mut newest = Arc::clone(&oldest);
    for _ in 0..1_000_000 {
        newest = newest.follow(BTreeSet::new()).unwrap();
    }
    let weak = Arc::downgrade(&oldest.next.get().unwrap().version);
    assert!(weak.upgrade().is_some());
    drop(oldest);
    assert!(weak.upgrade().is_none());
    assert_eq!(newest.height(), 1_000_000);
}
