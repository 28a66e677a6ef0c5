//! Buffers that are used again.

use pieces::Spares;

#[test]
fn a_buffer_is_given_out_again_once_nobody_holds_what_was_cut_from_it_and_not_before() {
    let mut spares = Spares::default();
    let mut first = spares.take(128);
    first.fill(1);
    let first = spares.freeze(first);
    let at = first.as_ptr();
    let cut = first.slice(64..);
    drop(first);
    let mut second = spares.take(128);
    second.fill(2);
    assert!(second.as_ptr() != at);
    assert_eq!(cut, vec![1; 64], "what is held stays as it is");
    drop(cut);
    let third = spares.take(100);
    assert_eq!((third.as_ptr(), third.len()), (at, 100));
}

#[test]
fn a_buffer_that_is_too_short_is_not_given_out() {
    let mut spares = Spares::default();
    let short = spares.take(64);
    drop(spares.freeze(short));
    assert_eq!(spares.take(65).len(), 65);
}

#[test]
fn only_so_many_buffers_are_remembered() {
    let mut spares = Spares::default();
    let held: Vec<_> = (0..1000)
        .map(|_| {
            let buffer = spares.take(64);
            spares.freeze(buffer)
        })
        .collect();
    let held_after = held.iter().filter(|bytes| !bytes.is_unique()).count();
    assert!((1..=64).contains(&held_after), "{held_after}");
}
