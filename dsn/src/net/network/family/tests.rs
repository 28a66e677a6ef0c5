#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::{Family, Mismatch};
use runtime::types::BlockHash;

fn ours() -> Family {
    Family::of(&BlockHash::from_bytes([0x6e; 32]))
}

#[test]
fn a_family_recognizes_itself_and_says_how_others_differ() {
    assert_eq!(ours().to_string(), "/piecewise/1/6e6e6e6e6e6e6e6e");
    assert_eq!(ours().check(&ours().to_string()), Ok(()));
    let words = |said: &str| ours().check(said).unwrap_err().to_string();
    assert_eq!(
        words(&Family::of(&BlockHash::from_bytes([1; 32])).to_string()),
        "is of the chain with genesis 0101010101010101, ours is 6e6e6e6e6e6e6e6e"
    );
    assert_eq!(words("/piecewise/2/6e6e6e6e6e6e6e6e"), "speaks version 2 of the protocol, ours is 1");
    assert_eq!(words("ipfs/0.1.0"), "is of no chain that is known here, but of \"ipfs/0.1.0\"");
}

#[test]
fn what_is_no_family_is_shown_shortened_and_without_control_characters() {
    for said in
        ["", "/piecewise/1", "/piecewise//6e6e6e6e6e6e6e6e", "/piecewise/-1/6e6e6e6e6e6e6e6e", "/piecewise/1/6e"]
    {
        assert!(matches!(ours().check(said), Err(Mismatch::Stranger { .. })), "{said}");
    }
    let Err(Mismatch::Stranger { said }) = ours().check(&"\u{1b}[31m\n".repeat(1000)) else {
        panic!("it is no family");
    };
    assert!(said.chars().count() <= 64 && !said.contains(['\u{1b}', '\n']), "{said}");
}
